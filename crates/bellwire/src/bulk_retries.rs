//! Does the work of bulk retries: step by step, one after another.

use std::time::Duration;

use bellwire_app::App;
use tokio_util::sync::CancellationToken;

/// The steady beat: another node may have been asked.
const BEAT: Duration = Duration::from_secs(5);
/// While they wait for the pace of their accounts.
const WAIT: Duration = Duration::from_millis(100);
/// Between two steps: publishing and recording share the writer with them.
const PACE: Duration = Duration::from_millis(5);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes steps until the server stops. What is left goes on after the next start.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let (mut after, mut advanced) = (None, false);
    loop {
        let wait = match app.advance_bulk_retry(after.as_ref()).await {
            Ok(Some(made)) => {
                advanced |= made.advanced;
                after = Some(made.id);
                PACE
            }
            // All that run have had their turn.
            Ok(None) => {
                let has_some = after.take().is_some();
                match (std::mem::take(&mut advanced), has_some) {
                    (true, _) => PACE,
                    (false, true) => WAIT,
                    (false, false) => BEAT,
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "a bulk retry could not be advanced; trying again");
                PAUSE
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = app.bulk_retry_started() => {}
        }
    }
}
