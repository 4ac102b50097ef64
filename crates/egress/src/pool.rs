//! Connections kept between requests.
//!
//! An attempt takes the most recently used connection, or opens one, and puts it back once it has its answer. Idle
//! connections are bounded: per host here, and over all hosts by the room they take (see `stream`). They are dropped after a
//! while, or when the receiver closes them. One task looks after them while there are any.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bellwire_domain::Scope;
use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::http1::Http1;
use crate::http2::Http2;
use crate::terms::Terms;

/// The longest time between two looks at the idle connections.
const BEAT_MAX: Duration = Duration::from_secs(1);

/// A kept connection, as handed to an attempt.
pub(crate) enum Kept {
    /// For one request at a time.
    Http1(Box<Http1>),
    /// For many.
    Http2(Http2),
}

/// The turn to open a connection.
pub(crate) type Turn = tokio::sync::Mutex<()>;
/// Held by whoever has it.
pub(crate) type TurnTaken<'t> = tokio::sync::MutexGuard<'t, ()>;

/// What connections are kept by: their origin (scheme, host and port), on what terms they were made, and whose requests they may carry. An
/// exception that the operator makes for one account or contract opens no connection for another.
pub(crate) fn key<'o>(origin: &'o str, terms: Option<&Terms>, scope: &Scope) -> Cow<'o, str> {
    let origin = match terms {
        None => Cow::Borrowed(origin),
        Some(terms) => Cow::Owned(format!("{origin}#{}", terms.digest)), // an origin has no # of its own
    };
    match scope {
        Scope::Everybody => origin,
        Scope::Contract(_) | Scope::Account(_) => Cow::Owned(format!("{origin}{scope}")), // nor an @
    }
}

/// The connections of one sender, by [`key`].
pub(crate) struct Pool {
    idle_per_host_max: usize,
    idle_timeout: Duration,
    kept: Mutex<Connections>,
    /// Notified when something happens to an idle connection.
    pub(crate) stirred: Arc<Notify>,
}

#[derive(Default)]
struct Connections {
    hosts: HashMap<String, Host>,
    /// Whether the task that looks after them is running.
    is_swept: bool,
}

#[derive(Default)]
struct Host {
    /// Used last, taken first.
    idle: Vec<(Box<Http1>, Instant)>,
    shared: Option<(Http2, Instant)>,
    /// Where requests share connections, whoever opens one holds this, and the others wait and share it.
    opening: Option<Arc<Turn>>,
}

impl Pool {
    pub(crate) fn new(idle_per_host_max: usize, idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { idle_per_host_max, idle_timeout, kept: Mutex::default(), stirred: Arc::default() })
    }

    /// A free connection of this key.
    pub(crate) fn take(&self, key: &str) -> Option<Kept> {
        let mut kept = self.kept.lock();
        let host = kept.hosts.get_mut(key)?;
        if let Some((http2, used_at)) = host.shared.as_mut().filter(|(http2, _)| !http2.is_closed()) {
            *used_at = Instant::now();
            return Some(Kept::Http2(http2.clone()));
        }
        let (http1, used_at) = host.idle.pop()?;
        if used_at.elapsed() < self.idle_timeout {
            return Some(Kept::Http1(http1));
        }
        host.idle.clear(); // the others were used before it
        None
    }

    /// Takes a connection back after its request, if it can be used again.
    pub(crate) fn put(self: &Arc<Self>, key: &str, mut http1: Box<Http1>) {
        if http1.settle() {
            let max = self.idle_per_host_max;
            self.keep(key, |host| {
                if host.idle.len() < max {
                    host.idle.push((http1, Instant::now()));
                }
            });
        }
    }

    /// Lets requests of this key share a connection, unless they already do.
    pub(crate) fn share(self: &Arc<Self>, key: &str, http2: Http2) {
        self.keep(key, |host| {
            host.opening.get_or_insert_default();
            if host.shared.as_ref().is_none_or(|(shared, _)| shared.is_closed()) {
                host.shared = Some((http2, Instant::now()));
            }
        });
    }

    /// Forgets a shared connection that takes no more requests, or refuses them.
    pub(crate) fn forget_shared(&self, key: &str, http2: &Http2) {
        if let Some(host) = self.kept.lock().hosts.get_mut(key) {
            host.shared.take_if(|(shared, _)| shared.is_same(http2));
        }
    }

    /// The turn to open a connection of this key, if its requests share connections.
    pub(crate) fn turn(&self, key: &str) -> Option<Arc<Turn>> {
        self.kept.lock().hosts.get(key)?.opening.clone()
    }

    fn keep(self: &Arc<Self>, key: &str, keep: impl FnOnce(&mut Host)) {
        let mut kept = self.kept.lock();
        match kept.hosts.get_mut(key) {
            Some(host) => keep(host),
            None => keep(kept.hosts.entry(key.to_owned()).or_default()),
        }
        if !kept.is_swept {
            kept.is_swept = true;
            let beat = (self.idle_timeout / 2).min(BEAT_MAX);
            TokioExecutor::new().execute(sweep(Arc::downgrade(self), Arc::clone(&self.stirred), beat));
        }
    }

    /// Drops connections that are closed or were idle for too long. Returns whether any are left.
    fn sweep(&self, now: Instant) -> bool {
        let mut kept = self.kept.lock();
        let fresh = |used_at: &Instant| now.duration_since(*used_at) < self.idle_timeout;
        kept.hosts.retain(|_, host| {
            host.idle.retain_mut(|(http1, used_at)| fresh(used_at) && http1.is_sound());
            host.shared.take_if(|(http2, used_at)| !fresh(used_at) || http2.is_closed());
            !host.idle.is_empty() || host.shared.is_some()
        });
        kept.is_swept = !kept.hosts.is_empty();
        kept.is_swept
    }
}

/// Runs while connections are kept.
async fn sweep(pool: Weak<Pool>, stirred: Arc<Notify>, beat: Duration) {
    loop {
        let _ = tokio::time::timeout(beat, stirred.notified()).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep(Instant::now()) {
            return;
        }
    }
}
