//! When the loops look again, and who may make that sooner.

use std::sync::atomic::{AtomicI64, Ordering};

use bellwire_domain::Timestamp;
use bellwire_store::ClaimedDelivery;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// When the claimer makes its next round.
#[derive(Default)]
pub(crate) struct NextRound {
    next: Mutex<Option<Timestamp>>,
    pub(crate) sooner: Notify,
    abandoned: Mutex<Vec<ClaimedDelivery>>,
}

impl NextRound {
    /// A retry becomes due at `due_at`.
    pub(crate) fn at(&self, due_at: Timestamp) {
        let mut next = self.next.lock();
        if next.is_none_or(|planned| due_at < planned) {
            *next = Some(due_at);
            drop(next);
            self.sooner.notify_one();
        }
    }

    /// What the round itself found; it need not be woken for that.
    pub(crate) fn plan(&self, found: Option<Timestamp>) {
        let mut next = self.next.lock();
        *next = [*next, found].into_iter().flatten().min();
    }

    /// The earliest known instant.
    pub(crate) fn planned(&self) -> Option<Timestamp> {
        *self.next.lock()
    }

    /// Forgets it: to be called before a round's query, so that a retry recorded while that runs plans the next round again.
    pub(crate) fn clear(&self) {
        *self.next.lock() = None;
    }

    /// The deliveries that nobody attempts any more.
    pub(crate) fn take_abandoned(&self) -> Vec<ClaimedDelivery> {
        std::mem::take(&mut *self.abandoned.lock())
    }

    /// A delivery is held but nobody attempts it any more: the next round puts it back.
    pub(crate) fn abandon(&self, delivery: ClaimedDelivery) {
        self.abandoned.lock().push(delivery);
        self.sooner.notify_one();
    }
}

/// When the pacer looks again.
#[derive(Default)]
pub(crate) struct NextLook {
    looks_at_us: AtomicI64,
    pub(crate) sooner: Notify,
}

impl NextLook {
    pub(crate) fn looks_at(&self) -> Timestamp {
        Timestamp::from_micros(self.looks_at_us.load(Ordering::Acquire))
    }

    pub(crate) fn will_look_at(&self, at: Timestamp) {
        self.looks_at_us.store(at.as_micros(), Ordering::Release);
    }
}
