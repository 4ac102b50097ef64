//! Keeps figures small: what was counted by minutes long ago is counted by hours, and what was counted by hours by days.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::StoreError;

use crate::shared::Shared;

/// Between two rounds.
const BEAT: Duration = Duration::from_secs(5 * 60);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(20);

/// Makes steps until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        let wait = match shared.queue.fold_figures().await {
            Ok(true) => PACE,
            Ok(false) => BEAT,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "old figures could not be folded; trying again");
                BEAT
            }
        };
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
