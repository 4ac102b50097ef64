//! Advancing replays: step by step, one replay after another, behind what is due anyway.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::ReplayId;
use bellwire_store::StoreError;

use crate::shared::Shared;
use crate::steps::Backoff;

/// Steps in one round, so that a stop is seen soon.
const STEPS_MAX: usize = 64;
/// The steady beat: a round is made at least this often.
const BEAT: Duration = Duration::from_secs(5);
/// While replays wait for their endpoints to take what is live already.
const WAIT: Duration = Duration::from_millis(200);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(5);

/// What a round found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing runs.
    Nothing,
    /// Replays run, and all that were looked at wait.
    Waiting,
    /// A replay moved on.
    Advanced,
}

/// Makes rounds until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut after = None;
    let mut backoff = Backoff::new();
    loop {
        let wait = match round(&shared, &mut after).await {
            Ok(found) => {
                backoff.reset();
                match found {
                    Found::Nothing => BEAT,
                    Found::Waiting => WAIT,
                    Found::Advanced => Duration::ZERO,
                }
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "a replay could not be advanced; trying again");
                backoff.grow()
            }
        };
        if !shared.pause(wait, shared.queue.replay_started()).await {
            return;
        }
    }
}

/// One round over the running replays, going on after the one that was last advanced.
async fn round(shared: &Shared, after: &mut Option<ReplayId>) -> Result<Found, StoreError> {
    let mut found = Found::Nothing;
    for _ in 0..STEPS_MAX {
        let Some(step) = shared.queue.advance_replay(after.as_ref()).await? else {
            *after = None;
            break;
        };
        metrics::counter!("bellwire_replayed_total").increment(u64::try_from(step.created).unwrap_or(0));
        *after = Some(step.replay);
        if step.advanced {
            found = Found::Advanced;
            tokio::time::sleep(PACE).await;
        } else if found == Found::Nothing {
            found = Found::Waiting;
        }
        if shared.soft_stop.is_cancelled() {
            break;
        }
    }
    Ok(found)
}
