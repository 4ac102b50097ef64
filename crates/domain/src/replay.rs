//! Replays: which events of a log are sent to an endpoint again, and when that is done.
//!
//! A replay goes through a range of its account's log in order of `seq`, in steps. Each step looks at the next events, picks
//! those whose [`ReplayCase`] was asked for, and moves the cursor past all of them.

use std::collections::BTreeSet;

use crate::DeliveryState;

crate::words! {
    /// What an event has come to at an endpoint.
    pub enum ReplayCase {
        /// Its latest delivery failed.
        Failed = "failed",
        /// Its latest delivery was cancelled.
        Cancelled = "cancelled",
        /// The endpoint wants it and never had a delivery of it.
        Missed = "missed",
        /// Its latest delivery arrived.
        Delivered = "delivered",
    }
}

crate::words! {
    /// Where a replay stands, or a retry of many deliveries.
    pub enum ReplayState {
        /// It has some to look at.
        Running = "running",
        /// It has looked at all of them.
        Done = "done",
        /// It was stopped before that.
        Cancelled = "cancelled",
    }
}

/// An event as a replay sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastEvent {
    /// Whether it is a test event.
    pub is_test: bool,
    /// Whether the endpoint's filter matches it.
    pub matches: bool,
    /// Whether a delivery of it to the endpoint is live now.
    pub is_live: bool,
    /// How its latest ended delivery to the endpoint ended.
    pub latest: Option<DeliveryState>,
}

impl PastEvent {
    /// What it has come to; `None`: nothing that a replay sends again.
    pub const fn case(self) -> Option<ReplayCase> {
        if self.is_live {
            return None;
        }
        match self.latest {
            None if self.is_test || !self.matches => None,
            None => Some(ReplayCase::Missed),
            Some(DeliveryState::Delivered) => Some(ReplayCase::Delivered),
            Some(DeliveryState::Failed) => Some(ReplayCase::Failed),
            Some(DeliveryState::Cancelled) => Some(ReplayCase::Cancelled),
            Some(DeliveryState::Pending) => None,
        }
    }

    /// Whether a replay that asks for `cases` sends it again.
    pub fn is_wanted(self, cases: &BTreeSet<ReplayCase>) -> bool {
        self.case().is_some_and(|case| cases.contains(&case))
    }
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayRange {
    /// Everything up to this `seq` has been looked at.
    pub cursor_seq: i64,
    /// Nothing after this `seq` will be.
    pub last_seq: i64,
}

impl ReplayRange {
    /// Moves the cursor to where a step has looked. A step that found nothing more has come to the end of the log.
    #[must_use]
    pub fn advance(self, looked_at: i64) -> (Self, ReplayState) {
        let is_done = looked_at >= self.last_seq || looked_at <= self.cursor_seq;
        let cursor_seq = if is_done { self.last_seq } else { looked_at };
        (Self { cursor_seq, ..self }, if is_done { ReplayState::Done } else { ReplayState::Running })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_event_has_come_to() {
        let event = PastEvent { is_test: false, matches: true, is_live: false, latest: None };
        for (event, case) in [
            (event, Some(ReplayCase::Missed)),
            (PastEvent { is_test: true, ..event }, None),
            (PastEvent { matches: false, ..event }, None),
            (PastEvent { is_live: true, ..event }, None),
            (PastEvent { latest: Some(DeliveryState::Failed), ..event }, Some(ReplayCase::Failed)),
            (PastEvent { latest: Some(DeliveryState::Failed), matches: false, ..event }, Some(ReplayCase::Failed)),
            (PastEvent { latest: Some(DeliveryState::Failed), is_live: true, ..event }, None),
            (PastEvent { latest: Some(DeliveryState::Cancelled), is_test: true, ..event }, Some(ReplayCase::Cancelled)),
            (PastEvent { latest: Some(DeliveryState::Delivered), ..event }, Some(ReplayCase::Delivered)),
            (PastEvent { latest: Some(DeliveryState::Pending), ..event }, None),
        ] {
            assert_eq!(event.case(), case, "{event:?}");
            assert_eq!(event.is_wanted(&ReplayCase::ALL.iter().copied().collect()), case.is_some());
            assert!(!event.is_wanted(&BTreeSet::new()));
        }
    }

    proptest! {
        #[test]
        fn every_replay_ends_and_its_cursor_stays_in_its_range(first in 0i64..50, length in 0i64..50, steps in proptest::collection::vec(0i64..9, 1..60)) {
            let mut range = ReplayRange { cursor_seq: first, last_seq: first + length };
            for step in steps {
                let before = range;
                let (after, state) = range.advance((range.cursor_seq + step).min(range.last_seq));
                prop_assert!(after.cursor_seq >= before.cursor_seq && after.cursor_seq <= after.last_seq);
                prop_assert_eq!(state == ReplayState::Done, after.cursor_seq == after.last_seq);
                if state == ReplayState::Done {
                    return Ok(());
                }
                range = after;
            }
        }
    }
}
