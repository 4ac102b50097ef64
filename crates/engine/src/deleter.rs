//! Deleting accounts: step by step, behind what others write.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::{DeletionStep, StoreError};

use crate::shared::Shared;

/// The steady beat: a round is made at least this often. Another node may have begun a deletion and died.
const BEAT: Duration = Duration::from_secs(10);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(5);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Makes steps until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut pause = PAUSE_FIRST;
    loop {
        let wait = match shared.queue.advance_deletion().await {
            Ok(None) => BEAT,
            Ok(Some(step)) => {
                pause = PAUSE_FIRST;
                tell(&step);
                PACE
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "an account could not be deleted; trying again");
                pause = (pause * 2).min(PAUSE_MAX);
                pause
            }
        };
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = shared.queue.deletion_begun() => {}
        }
    }
}

fn tell(step: &DeletionStep) {
    let account = &step.account_id;
    if let Some(left) = &step.left {
        tracing::debug!(account.id = %account, events = left.events, live = left.live_deliveries, "deleting an account");
    } else {
        tracing::info!(account.id = %account, "an account is deleted");
    }
}
