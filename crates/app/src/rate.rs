//! How often somebody may do something: requests of an API key, test events of an account.

use std::hash::Hash;
use std::time::Duration;

use bellwire_domain::{RateLimit, Timestamp};
use parking_lot::Mutex;
use quick_cache::unsync::Cache;

/// Names remembered at once. Beyond that, the least active are forgotten and start over.
const NAMES_MAX: usize = 10_000;

/// What is left to somebody of what is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What is limited, in a word.
    pub policy: &'static str,
    /// How often in the span.
    pub limit: u32,
    /// The span, in seconds.
    pub span_s: u64,
    /// How often it may be done at once now.
    pub remaining: u32,
    /// How long until all of it may be done again.
    pub resets_in: Duration,
}

/// How often each of those named by `K` may do something.
pub(crate) struct Rates<K> {
    policy: &'static str,
    limit: RateLimit,
    next: Mutex<Cache<K, Timestamp>>,
}

impl<K: Clone + Eq + Hash> Rates<K> {
    pub(crate) fn new(policy: &'static str, limit: RateLimit) -> Self {
        Self { policy, limit, next: Mutex::new(Cache::new(NAMES_MAX)) }
    }

    /// Lets `name` do it once and says what is left, or fails with how long to wait, and nothing left.
    pub(crate) fn admit(&self, name: &K, now: Timestamp) -> Result<Allowance, (Duration, Allowance)> {
        let mut names = self.next.lock();
        let next = names.get(name).copied();
        if let Some(opens) = self.limit.opens_at(next, now) {
            return Err((opens.since(now), self.allowance(0, next.unwrap_or(now), now)));
        }
        let state = self.limit.after_start(next, now);
        names.insert(name.clone(), state);
        Ok(self.allowance(self.limit.remaining(state, now), state, now))
    }

    fn allowance(&self, remaining: u32, state: Timestamp, now: Timestamp) -> Allowance {
        let resets_in = self.limit.resets_in(state, now);
        Allowance { policy: self.policy, limit: self.limit.count(), span_s: self.limit.span_s(), remaining, resets_in }
    }
}

#[cfg(test)]
mod tests {
    use bellwire_domain::KeyId;

    use super::*;

    fn key(name: &str) -> KeyId {
        KeyId::try_new(name).unwrap()
    }

    #[test]
    fn each_key_has_its_own_pace() {
        let rates = Rates::new("requests", "2/s".parse().unwrap());
        let now = Timestamp::from_secs(100);
        let left = |name: &str, now| rates.admit(&key(name), now).map(|allowance| allowance.remaining);
        assert_eq!((left("a", now), left("a", now)), (Ok(1), Ok(0)));
        let (wait, allowance) = left("a", now).unwrap_err();
        assert_eq!((wait, allowance.remaining, allowance.limit, allowance.span_s), (Duration::from_millis(500), 0, 2, 1));
        assert_eq!(left("b", now), Ok(1));
        assert_eq!(left("a", now.plus(Duration::from_millis(500))), Ok(0));
    }

    #[test]
    fn memory_stays_bounded_and_who_asks_often_is_remembered() {
        let rates = Rates::new("requests", "1/h".parse().unwrap());
        let now = Timestamp::from_secs(100);
        rates.admit(&key("busy"), now).unwrap();
        for index in 0..NAMES_MAX * 2 {
            rates.admit(&key(&format!("key_{index}")), now).unwrap();
            assert!(rates.next.lock().len() <= NAMES_MAX);
            assert!(rates.admit(&key("busy"), now).is_err());
        }
    }
}
