//! Whether anything happens on a connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What happens on a connection.
#[derive(Default)]
pub(super) struct Activity {
    answering: AtomicUsize,
    /// Requests begun and ended, and pieces of answers that last.
    changes: AtomicUsize,
}

impl Activity {
    /// Whether a request is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Acquire) > 0
    }

    /// A request has begun.
    pub(super) fn begin(&self) {
        self.answering.fetch_add(1, Ordering::AcqRel);
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// A request has been answered.
    pub(super) fn end(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.answering.fetch_sub(1, Ordering::AcqRel);
    }

    /// Something of an answer that lasts was taken.
    pub(super) fn go_on(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until nothing was being answered and nothing has changed for a whole `quiet`.
    pub(super) async fn ends(&self, quiet: Duration) {
        loop {
            let before = self.changes.load(Ordering::Acquire);
            tokio::time::sleep(quiet).await;
            if !self.is_answering() && self.changes.load(Ordering::Acquire) == before {
                return;
            }
        }
    }
}
