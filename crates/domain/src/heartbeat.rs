//! Heartbeats: what is done when one is due.

use std::time::Duration;

use crate::Timestamp;

/// What is done about a heartbeat that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It is sent now, and the next is due then.
    Now {
        /// When.
        next_at: Timestamp,
    },
    /// It is not sent, and looked at again then.
    Later {
        /// When.
        next_at: Timestamp,
    },
    /// There is none any more.
    Never,
}

impl Beat {
    /// What is done at `now`: one is sent where nothing was sent for the period. `last` is when something was, and `is_sent_to` says
    /// whether the endpoint gets anything now.
    pub fn decide(period: Option<Duration>, last: Option<Timestamp>, is_sent_to: bool, now: Timestamp) -> Self {
        let Some(period) = period else { return Self::Never };
        let next_at = now.plus(period);
        match last.map(|last| last.plus(period)) {
            _ if !is_sent_to => Self::Later { next_at },
            Some(idle_at) if idle_at > now => Self::Later { next_at: idle_at.min(next_at) },
            _ => Self::Now { next_at },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_sent_where_nothing_was_sent_for_the_period() {
        let at = Timestamp::from_secs;
        let decide =
            |last: Option<i64>, is_sent_to| Beat::decide(Some(Duration::from_secs(60)), last.map(at), is_sent_to, at(1_000));
        let (now, later) = (|next| Beat::Now { next_at: at(next) }, |next| Beat::Later { next_at: at(next) });
        assert_eq!(decide(None, true), now(1_060));
        assert_eq!(decide(Some(940), true), now(1_060));
        assert_eq!(decide(Some(941), true), later(1_001));
        assert_eq!(decide(Some(1_000), true), later(1_060));
        assert_eq!(decide(Some(2_000), true), later(1_060), "a clock that was ahead puts it off by a period at most");
        assert_eq!(decide(Some(10), false), later(1_060), "what takes nothing now is looked at again");
        assert_eq!(Beat::decide(None, None, true, at(1_000)), Beat::Never);
    }
}
