//! Deleting accounts: step by step, behind what others write.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::{DeletionStep, StoreError};

use crate::shared::Shared;
use crate::steps::Backoff;

/// The steady beat: a round is made at least this often. Another node may have begun a deletion and died.
const BEAT: Duration = Duration::from_secs(10);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(5);

/// Makes steps until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut backoff = Backoff::new();
    loop {
        let wait = match shared.queue.advance_deletion().await {
            Ok(None) => BEAT,
            Ok(Some(step)) => {
                backoff.reset();
                tell(&step);
                PACE
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "an account could not be deleted; trying again");
                backoff.grow()
            }
        };
        if !shared.pause(wait, shared.queue.deletion_begun()).await {
            return;
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
