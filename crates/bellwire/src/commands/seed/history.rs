//! The clock of a history: it stands until somebody moves it, never goes back, and does not go beyond the present.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bellwire_domain::{Clock, Timestamp};

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that is set by hand, up to its end.
#[derive(Debug)]
pub(super) struct HistoryClock {
    now_us: AtomicI64,
    end_us: i64,
}

impl HistoryClock {
    pub(super) const fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { now_us: AtomicI64::new(start.as_micros()), end_us: end.as_micros() }
    }

    /// Moves it on by so much.
    pub(super) fn pass(&self, time: Duration) {
        self.reach(self.now().plus(time));
    }

    /// Moves it on to an instant, unless that is over.
    pub(super) fn reach(&self, instant: Timestamp) {
        self.now_us.fetch_max(instant.as_micros().min(self.end_us), Ordering::AcqRel);
    }
}

impl Clock for HistoryClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now_us.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_nor_beyond_its_end() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let clock = HistoryClock::new(at(5), at(10));
        clock.pass(Duration::from_secs(2));
        clock.reach(at(6));
        assert_eq!(clock.now(), at(7));
        clock.reach(at(9));
        assert_eq!(clock.now(), at(9));
        clock.pass(Duration::from_secs(2));
        assert_eq!(clock.now(), at(10));
    }
}
