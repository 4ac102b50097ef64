//! Keeps the audit log in order while the server runs: records what was counted every minute, and signs the head every hour.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bellwire_app::App;
use tokio_util::sync::CancellationToken;

/// Between two records of what is counted.
const MINUTE: Duration = Duration::from_secs(60);
/// Between two checkpoints.
const CHECKPOINT: Duration = Duration::from_secs(60 * 60);

/// Works until the server stops.
pub(crate) async fn run(app: App, file: Option<PathBuf>, stop: CancellationToken) {
    let mut signed = tokio::time::Instant::now();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(MINUTE) => {}
        }
        if let Err(error) = app.record_tally().await {
            tracing::error!(error = %error, "what was counted could not be written into the audit log");
        }
        if signed.elapsed() >= CHECKPOINT {
            signed = tokio::time::Instant::now();
            checkpoint(&app, file.as_deref()).await;
        }
    }
}

/// The server stops: everything that it did is recorded and signed.
pub(crate) async fn finish(app: &App, file: Option<&Path>) {
    if let Err(error) = app.record_stop().await {
        tracing::error!(error = %error, "the end of this server could not be written into the audit log");
    }
    checkpoint(app, file).await;
}

/// Signs the head, and adds it to the file if something was added since the last one.
async fn checkpoint(app: &App, file: Option<&Path>) {
    let checkpoint = match app.sign_audit_log().await {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            tracing::error!(error = %error, "the audit log could not be signed");
            return;
        }
    };
    let Some(path) = file.filter(|_| checkpoint.is_new) else { return };
    let append = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(format!("{}\n", checkpoint.note).as_bytes())?;
        file.sync_all()
    };
    if let Err(error) = append() {
        tracing::error!(path = %path.display(), %error, "a checkpoint of the audit log could not be added to the file");
    }
}
