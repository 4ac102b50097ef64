//! TLS for the listeners: one certificate for all of them, read again when its files change.
//!
//! A connection goes on with what it began with; the next one gets what is new. New files that cannot be used change nothing but
//! the log. What has changed is decided by what the files hold: a copy may keep its time, and a touch is no change.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

mod files;

pub use files::TlsFiles;
use files::{Contents, Made};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often a certificate that nobody renews is complained about.
const WARN_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the listeners speak TLS with. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    /// What the files held at the last look, whether it could be used or not; `None`: one of them could not be read.
    seen: Option<Contents>,
    used: Made,
}

/// What came of another look at the files.
#[derive(Debug)]
enum Reloaded {
    /// They hold what they held at the last look.
    Unchanged,
    /// Connections from now on are made with what they hold.
    Renewed,
    /// What they hold cannot be used, for this reason; all goes on as before.
    Kept(anyhow::Error),
}

impl Tls {
    /// Reads the files for the first time; they must be usable. Says in the log what is amiss with them otherwise.
    pub fn load(files: TlsFiles, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let contents = files.read()?;
        let used = files::make(&contents)?;
        let tls = Self(Arc::new(Shared { files, clock, state: Mutex::new(State { seen: Some(contents), used }) }));
        tls.warn();
        Ok(tls)
    }

    /// Reads the files again.
    fn reload(&self) -> Reloaded {
        self.take(self.0.files.read())
    }

    /// The same unless they hold what they held at the last look. So a fault is told once, and not at every look.
    fn reload_if_changed(&self) -> Reloaded {
        let read = self.0.files.read();
        let is_same = self.0.state.lock().seen.as_ref() == read.as_ref().ok();
        if is_same { Reloaded::Unchanged } else { self.take(read) }
    }

    fn take(&self, read: anyhow::Result<Contents>) -> Reloaded {
        let (seen, made) = match read {
            Ok(contents) => {
                let made = files::make(&contents);
                (Some(contents), made)
            }
            Err(error) => (None, Err(error)),
        };
        let mut state = self.0.state.lock();
        state.seen = seen;
        match made {
            Ok(made) => {
                state.used = made;
                Reloaded::Renewed
            }
            Err(error) => Reloaded::Kept(error),
        }
    }

    /// Agrees on TLS within `time_max`; `None`: that came to nothing, which is the caller's affair.
    pub(super) async fn accept(&self, stream: TcpStream, time_max: Duration) -> Option<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.0.state.lock().used.config));
        let failed = match tokio::time::timeout(time_max, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        metrics::counter!("bellwire_tls_handshakes_failed_total").increment(1);
        tracing::debug!(error = %failed, "a caller could not agree on TLS");
        None
    }

    /// When the certificate ends that is shown now, as far as it can be read.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.0.state.lock().used.expires_at
    }

    fn warn(&self) {
        for concern in self.concerns(self.0.clock.now()) {
            tracing::warn!("{concern}");
        }
    }

    /// What the operator should see to, though it works.
    fn concerns(&self, now: Timestamp) -> Vec<String> {
        let expires_at = self.0.state.lock().used.expires_at;
        let (files, mut concerns) = (&self.0.files, Vec::new());
        concerns.extend(expires_at.and_then(|at| files.concern_of_expiry(at, now)));
        concerns.extend(files.concern_of_key());
        concerns
    }
}

/// Looks at the files again and again, and at once on a signal, until the server stops.
pub async fn keep_tls_fresh(tls: Tls, mut hangups: Signal, stop: CancellationToken) {
    let watching = async {
        let mut warned_at = tls.0.clock.now();
        loop {
            let is_asked = tokio::select! {
                Some(()) = hangups.recv() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let looking = tls.clone();
            // On a thread that may wait: the files may be far away.
            let looked = spawn_blocking(move || if is_asked { looking.reload() } else { looking.reload_if_changed() });
            let is_renewed = looked.await.is_ok_and(told);
            let now = tls.0.clock.now();
            if is_renewed || now.since(warned_at) >= WARN_EVERY {
                tls.warn();
                warned_at = now;
            }
        }
    };
    stop.run_until_cancelled(watching).await;
}

/// Says in the log what came of a look; whether there is something new.
fn told(reloaded: Reloaded) -> bool {
    match reloaded {
        Reloaded::Unchanged => false,
        Reloaded::Renewed => {
            tracing::info!("TLS: the certificate was read again, and new connections get it");
            true
        }
        Reloaded::Kept(error) => {
            tracing::error!(error = %format!("{error:#}"), "TLS: the files cannot be used; the certificate from before is kept");
            false
        }
    }
}

#[cfg(test)]
mod tests;
