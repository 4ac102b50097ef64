//! Leases of endpoints: on every beat the operator is told of those that are about to end, and those that are over are ended.
//!
//! Endpoints that were muted as they failed go on when their time has come.
//!
//! An attempt looks at the lease itself, so nothing is sent after its end, however late the beat is.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::{LaneKey, Lapse, StoreError};

use crate::shared::Shared;
use crate::steps::Backoff;

/// The steady beat.
const BEAT: Duration = Duration::from_secs(2);
/// Leases that are seen to in a round, each in a transaction of its own.
const ROUND: u32 = 64;

/// Makes rounds until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new();
    loop {
        let wait = match round(&shared).await {
            Ok(was_full) => {
                backoff.reset();
                if was_full { Duration::ZERO } else { BEAT }
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "leases could not be looked at; trying again");
                backoff.grow()
            }
        };
        if !shared.pause(wait, std::future::pending()).await {
            return;
        }
    }
}

/// Whether there may be more.
async fn round(shared: &Shared) -> Result<bool, StoreError> {
    let due = shared.queue.due_leases(ROUND).await?;
    for lane in &due {
        if shared.soft_stop.is_cancelled() {
            return Ok(false);
        }
        tell(lane, shared.queue.advance_lease(lane).await?);
    }
    let muted = shared.queue.muted(ROUND).await?;
    for lane in &muted {
        if shared.soft_stop.is_cancelled() {
            return Ok(false);
        }
        tell(lane, shared.queue.unmute(lane).await?);
    }
    Ok(u32::try_from(due.len().max(muted.len())).is_ok_and(|found| found >= ROUND))
}

impl Shared {
    /// An attempt has found the lease of its endpoint over: whatever waits for it is cancelled.
    pub(crate) async fn lapse(&self, lane: &LaneKey) {
        match self.queue.advance_lease(lane).await {
            Ok(lapse) => tell(lane, lapse),
            Err(error) => tracing::warn!(error = %error, "a lease could not be ended yet"),
        }
    }
}

fn tell(lane: &LaneKey, lapse: Option<Lapse>) {
    let (account, endpoint) = (&lane.account_id, &lane.endpoint_id);
    match lapse {
        None => {}
        Some(Lapse::Told) => {
            tracing::info!(account.id = %account, endpoint.id = %endpoint, "an endpoint is about to expire");
        }
        Some(Lapse::Resumed) => {
            tracing::info!(account.id = %account, endpoint.id = %endpoint, "an endpoint was muted and goes on");
        }
        Some(Lapse::Ended { cancelled }) => {
            metrics::counter!("bellwire_endpoints_expired_total").increment(1);
            tracing::info!(account.id = %account, endpoint.id = %endpoint, cancelled, "an endpoint has expired");
        }
    }
}
