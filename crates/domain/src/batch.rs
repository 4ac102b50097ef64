//! How deliveries to one endpoint share a request.

use std::time::Duration;

use crate::Timestamp;

/// When a request is made for several deliveries, and for how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRule {
    /// The most deliveries in a request; at least 1.
    pub deliveries_max: u32,
    /// How long the first delivery of a request may wait for others.
    pub wait: Duration,
}

/// A delivery that could be the first of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// When it was made.
    pub created_at: Timestamp,
    /// Attempts made already. One that is tried again has waited long enough.
    pub attempts: u32,
}

impl BatchRule {
    /// Until when a delivery waits for others, `waiting` of which are there behind it; `None`: it goes now.
    ///
    /// Where the clock was set back, it waits as if it had just been made.
    pub fn waits_until(&self, first: First, waiting: usize, now: Timestamp) -> Option<Timestamp> {
        let is_full = waiting + 1 >= usize::try_from(self.deliveries_max).unwrap_or(usize::MAX);
        if is_full || first.attempts > 0 {
            return None;
        }
        let until = first.created_at.min(now).plus(self.wait);
        (until > now).then_some(until)
    }

    /// How many deliveries may follow the first one.
    pub fn others_max(&self) -> usize {
        usize::try_from(self.deliveries_max).unwrap_or(usize::MAX).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_waits_for_others_until_there_are_enough_or_it_has_waited_long_enough() {
        let rule = BatchRule { deliveries_max: 3, wait: Duration::from_secs(5) };
        let at = Timestamp::from_secs;
        let first = First { created_at: at(100), attempts: 0 };
        for (first, waiting, now, expected) in [
            (first, 0, at(100), Some(at(105))),
            (first, 1, at(104), Some(at(105))),
            (first, 2, at(100), None),
            (first, 7, at(100), None),
            (first, 0, at(105), None),
            (first, 0, at(900), None),
            (first, 0, at(10), Some(at(15))),
            (First { attempts: 1, ..first }, 0, at(100), None),
        ] {
            assert_eq!(rule.waits_until(first, waiting, now), expected, "{first:?}, {waiting} behind it, at {now:?}");
        }
        assert_eq!(BatchRule { wait: Duration::ZERO, ..rule }.waits_until(first, 0, at(100)), None);
        assert_eq!((rule.others_max(), BatchRule { deliveries_max: 1, ..rule }.others_max()), (2, 0));
    }
}
