//! Whether what this process has claimed is still its own.
//!
//! Rows of the queue are claimed with a token. On SQLite one process has the file, and its token is good for its life. On
//! PostgreSQL a token is good for as long as its node says in time that it lives; a node that was silent for too long, or that
//! does not know what became of a commit, gives its token up and goes on with a new one. What it held under the old one is then
//! found by whoever comes first, and outcomes of it are not written any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bellwire_domain::Entropy;
use parking_lot::RwLock;
use tokio::sync::Notify;

/// Who claims.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claimant {
    /// Written into the rows.
    pub(crate) token: String,
    /// Counts the tokens of this process: kept with what is in memory.
    pub(crate) epoch: u64,
}

/// The claimant that this process is now, and for how long.
pub(crate) struct Lease {
    current: RwLock<Arc<Claimant>>,
    /// `None`: it lasts.
    term: Option<Term>,
    /// Nodes that share the work, this one included.
    nodes: AtomicUsize,
}

struct Term {
    length: Duration,
    renewed_at: RwLock<Instant>,
    given_up: AtomicBool,
    renewed: Notify,
}

impl Lease {
    /// One that lasts as long as the process.
    pub(crate) fn lasting(token: String) -> Self {
        Self { current: RwLock::new(Arc::new(Claimant { token, epoch: 0 })), term: None, nodes: AtomicUsize::new(1) }
    }

    /// One that has just been registered, and has to be renewed.
    pub(crate) fn of(token: String, length: Duration) -> Self {
        let term =
            Term { length, renewed_at: RwLock::new(Instant::now()), given_up: AtomicBool::new(false), renewed: Notify::new() };
        Self { current: RwLock::new(Arc::new(Claimant { token, epoch: 0 })), term: Some(term), nodes: AtomicUsize::new(1) }
    }

    pub(crate) fn current(&self) -> Arc<Claimant> {
        Arc::clone(&self.current.read())
    }

    /// Whether something held under this epoch may still be attempted: nobody can have taken it over yet. Others wait for the
    /// whole length, and this node stops well before.
    pub(crate) fn covers(&self, epoch: u64) -> bool {
        let Some(term) = &self.term else { return true };
        self.is_current(epoch) && term.renewed_at.read().elapsed() < term.length / 3 * 2
    }

    /// Whether this is the epoch now, renewed in time or not.
    pub(crate) fn is_current(&self, epoch: u64) -> bool {
        let Some(term) = &self.term else { return true };
        !term.given_up.load(Ordering::Acquire) && self.current.read().epoch == epoch
    }

    /// The node has said at `at` that it lives.
    pub(crate) fn renew(&self, epoch: u64, at: Instant) {
        if let Some(term) = self.term.as_ref().filter(|_| self.is_current(epoch)) {
            *term.renewed_at.write() = at;
            term.renewed.notify_waiters();
        }
    }

    /// So many nodes were seen.
    pub(crate) fn set_nodes(&self, nodes: usize) {
        self.nodes.store(nodes.max(1), Ordering::Relaxed);
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.load(Ordering::Relaxed)
    }

    /// The token is not to be used any more.
    pub(crate) fn give_up(&self, epoch: u64) {
        if let Some(term) = self.term.as_ref().filter(|_| self.current.read().epoch == epoch) {
            term.given_up.store(true, Ordering::Release);
            term.renewed.notify_waiters();
        }
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.term.as_ref().is_some_and(|term| term.given_up.load(Ordering::Acquire))
    }

    /// A new token, registered at `at`.
    pub(crate) fn replace(&self, token: String, at: Instant) {
        let Some(term) = &self.term else { return };
        let mut current = self.current.write();
        *current = Arc::new(Claimant { token, epoch: current.epoch + 1 });
        *term.renewed_at.write() = at;
        term.given_up.store(false, Ordering::Release);
        term.renewed.notify_waiters();
    }

    /// Waits until it is renewed, replaced or given up.
    pub(crate) async fn changed(&self) {
        match &self.term {
            Some(term) => term.renewed.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// A new token.
pub(crate) fn draw_token(entropy: &dyn Entropy) -> String {
    let bytes: [u8; 16] = entropy.bytes();
    format!("{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_renewed_in_time_may_not_be_attempted() {
        let lease = Lease::of("one".to_owned(), Duration::from_secs(9));
        let long_ago = Instant::now().checked_sub(Duration::from_secs(7)).unwrap();
        assert!(lease.covers(0));
        lease.renew(0, long_ago);
        assert!(!lease.covers(0) && lease.is_current(0));
        lease.renew(0, Instant::now());
        assert!(lease.covers(0));
    }

    #[test]
    fn a_new_token_covers_nothing_held_before() {
        let lease = Lease::of("one".to_owned(), Duration::from_secs(9));
        lease.give_up(0);
        assert!(lease.is_given_up() && !lease.covers(0));
        lease.renew(0, Instant::now());
        assert!(!lease.covers(0), "too late");
        lease.replace("two".to_owned(), Instant::now());
        assert!(!lease.covers(0) && lease.covers(1) && lease.current().token == "two");
        lease.give_up(0);
        assert!(lease.covers(1), "somebody speaks of the token before");
    }

    #[test]
    fn one_that_lasts_covers_all() {
        let lease = Lease::lasting("only".to_owned());
        lease.give_up(0);
        assert!(lease.covers(0) && !lease.is_given_up());
    }
}
