//! Erasing what is about somebody: step by step, behind what others write, each erasure in its turn.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::ErasureId;
use bellwire_store::{ErasureStep, StepState, StoreError};

use crate::shared::Shared;
use crate::steps::Backoff;

/// The steady beat: a round is made at least this often. Another node may have started an erasure and died.
const BEAT: Duration = Duration::from_secs(10);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(5);
/// While somebody still reads what was removed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes steps until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut backoff, mut after) = (Backoff::new(), None::<ErasureId>);
    loop {
        let wait = match shared.queue.advance_erasure(after.as_ref()).await {
            // At the end of the round: from the first one on, if there was any.
            Ok(None) if after.take().is_some() => PACE,
            Ok(None) => BEAT,
            Ok(Some(ErasureStep { id, account_id, state })) => {
                backoff.reset();
                after = Some(id.clone());
                match state {
                    StepState::Removed | StepState::Elsewhere => PACE,
                    StepState::Waiting => PATIENCE,
                    StepState::Done => {
                        tracing::info!(erasure.id = %id, account.id = %account_id, "an erasure is done");
                        PACE
                    }
                }
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "an erasure could not be continued; trying again");
                backoff.grow()
            }
        };
        if !shared.pause(wait, shared.queue.erasure_started()).await {
            return;
        }
    }
}
