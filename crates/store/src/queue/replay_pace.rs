//! How fast each account's replays may add deliveries, so that a tenant that replays everything leaves its neighbours their pace.

use bellwire_domain::{AccountId, RateLimit, Timestamp};
use foldhash::HashMap;
use parking_lot::Mutex;

/// Accounts that are remembered before those that rest are forgotten.
const REMEMBERED_MAX: usize = 1_000;

/// The pace of each account that replays, on this node.
pub(crate) struct ReplayPace {
    limit: RateLimit,
    /// What [`RateLimit::after_start`] returned for each account's last delivery.
    next: Mutex<HashMap<AccountId, Timestamp>>,
}

impl ReplayPace {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, next: Mutex::default() }
    }

    /// Deliveries that an account's replays may add now.
    pub(crate) fn room(&self, account: &AccountId, now: Timestamp) -> usize {
        let next = self.next.lock().get(account).copied();
        if self.limit.opens_at(next, now).is_some() {
            return 0;
        }
        let left = self.limit.remaining(next.unwrap_or(now), now).max(1); // none is left only if the clock was set back
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    /// An account's replays have added so many.
    pub(crate) fn add(&self, account: &AccountId, created: usize, now: Timestamp) {
        let mut next = self.next.lock();
        if next.len() >= REMEMBERED_MAX {
            next.retain(|_, next| *next > now);
        }
        let first = next.get(account).copied();
        let last = (0..created).fold(first, |next, _| Some(self.limit.after_start(next, now)));
        if let Some(last) = last {
            next.insert(account.clone(), last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_account_adds_a_seconds_worth_and_then_keeps_its_pace() {
        let (pace, now) = (ReplayPace::new("100/s".parse().unwrap()), Timestamp::from_secs(1_000));
        let (replays_much, other) = (AccountId::try_new("much").unwrap(), AccountId::try_new("other").unwrap());
        assert_eq!(pace.room(&replays_much, now), 100);
        pace.add(&replays_much, 40, now);
        assert_eq!(pace.room(&replays_much, now), 60);
        pace.add(&replays_much, 60, now);
        assert_eq!((pace.room(&replays_much, now), pace.room(&other, now)), (0, 100));
        let later = now.plus(Duration::from_millis(250));
        assert_eq!(pace.room(&replays_much, later), 25);
        let before = now.minus(Duration::from_secs(3_600));
        assert!(pace.room(&replays_much, before) > 0, "the clock was set back");
        pace.add(&replays_much, 1, before);
        assert_eq!(pace.room(&replays_much, before), 99);
    }

    #[test]
    fn those_that_rest_are_forgotten() {
        let pace = ReplayPace::new("100/s".parse().unwrap());
        for number in 0..3 * REMEMBERED_MAX {
            let now = Timestamp::from_secs(1_000 + i64::try_from(number).unwrap());
            pace.add(&AccountId::try_new(&format!("a{number}")).unwrap(), 1, now);
        }
        assert!(pace.next.lock().len() <= REMEMBERED_MAX);
    }
}
