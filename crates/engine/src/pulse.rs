//! Signs of life: how often the loops have come round, for whoever restarts a process that hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bellwire_store::StoreError;

/// What the loops count. Each of them comes round at least once a second, or after a few seconds where the store fails.
#[derive(Default)]
pub(crate) struct Beats {
    claims: AtomicU64,
    looks: AtomicU64,
}

impl Beats {
    /// The store's writer has answered a claim. That the database cannot be used is an answer: another process could not use it
    /// either.
    pub(crate) fn claimed<T>(&self, answer: &Result<T, StoreError>) {
        if !matches!(answer, Err(StoreError::Busy | StoreError::Closed)) {
            self.claims.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The scheduler was asked what may start.
    pub(crate) fn looked(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tells whether an engine is alive: whether its store's writer and its scheduler answer.
pub struct Pulse {
    beats: Arc<Beats>,
    seen: (u64, u64),
}

impl Pulse {
    pub(crate) const fn of(beats: Arc<Beats>) -> Self {
        Self { beats, seen: (0, 0) }
    }

    /// Whether both have answered since the last time that this was true, or since the start.
    pub fn is_felt(&mut self) -> bool {
        let now = (self.beats.claims.load(Ordering::Relaxed), self.beats.looks.load(Ordering::Relaxed));
        let is_felt = now.0 != self.seen.0 && now.1 != self.seen.1;
        if is_felt {
            self.seen = now;
        }
        is_felt
    }

    /// Which of them has not answered since, in words.
    pub fn missing(&self) -> &'static str {
        let has_claimed = self.beats.claims.load(Ordering::Relaxed) != self.seen.0;
        if has_claimed { "the scheduler" } else { "the store's writer" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_felt_once_both_have_answered_again() {
        let beats = Arc::<Beats>::default();
        let mut pulse = Pulse::of(Arc::clone(&beats));
        assert!(!pulse.is_felt());
        beats.claimed(&Ok(()));
        assert!(!pulse.is_felt());
        assert_eq!(pulse.missing(), "the scheduler");
        beats.looked();
        assert!(pulse.is_felt());
        beats.looked();
        assert!(!pulse.is_felt());
        assert_eq!(pulse.missing(), "the store's writer");
        beats.claimed(&Ok(()));
        assert!(pulse.is_felt(), "what was not enough before still counts");
    }

    #[test]
    fn a_database_that_fails_is_an_answer_and_a_writer_that_is_gone_is_none() {
        let felt = |error: StoreError| {
            let beats = Arc::<Beats>::default();
            beats.looked();
            beats.claimed::<()>(&Err(error));
            Pulse::of(beats).is_felt()
        };
        assert!(felt(StoreError::Unavailable("the disk is full".into())) && felt(StoreError::Database("it is shut".into())));
        assert!(!felt(StoreError::Closed) && !felt(StoreError::Busy));
    }
}
