//! Erasing what is about somebody: step by step, behind what others write, each erasure in its turn.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::ErasureId;
use bellwire_store::{ErasureStep, StepState, StoreError};

use crate::shared::Shared;

/// The steady beat: a round is made at least this often. Another node may have started an erasure and died.
const BEAT: Duration = Duration::from_secs(10);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(5);
/// While somebody still reads what was removed.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Makes steps until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut pause, mut after) = (PAUSE_FIRST, None::<ErasureId>);
    loop {
        let wait = match shared.queue.advance_erasure(after.as_ref()).await {
            // At the end of the round: from the first one on, if there was any.
            Ok(None) if after.take().is_some() => PACE,
            Ok(None) => BEAT,
            Ok(Some(ErasureStep { id, account_id, state })) => {
                pause = PAUSE_FIRST;
                after = Some(id.clone());
                match state {
                    StepState::Removed => PACE,
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
                pause = (pause * 2).min(PAUSE_MAX);
                pause
            }
        };
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = shared.queue.erasure_started() => {}
        }
    }
}
