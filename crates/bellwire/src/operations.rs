//! Tells the operator what happens: publishes what the store has noted, again and again.

use std::time::Duration;

use bellwire_app::App;
use bellwire_domain::AccountId;
use tokio_util::sync::CancellationToken;

/// Between two looks at a store that had nothing.
const BEAT: Duration = Duration::from_secs(1);
/// After a failure, such as an account with too many live deliveries.
const PAUSE: Duration = Duration::from_secs(10);

/// Publishes until the server stops. What is left is published after the next start.
pub(crate) async fn run(app: App, account: AccountId, stop: CancellationToken) {
    loop {
        let wait = match app.tell_operator(&account).await {
            Ok(0) => BEAT,
            Ok(_) => Duration::ZERO,
            Err(error) => {
                tracing::error!(error = %error, account.id = %account, "the operator could not be told; trying again");
                PAUSE
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
