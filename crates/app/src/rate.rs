//! The rate limit of API keys.

use std::time::Duration;

use bellwire_domain::{KeyId, RateLimit, Timestamp};
use parking_lot::Mutex;
use quick_cache::unsync::Cache;

/// Keys remembered at once. Beyond that, the least active are forgotten and start over.
const KEYS_MAX: usize = 10_000;

/// The pace of every key.
pub(crate) struct KeyRates {
    limit: RateLimit,
    next: Mutex<Cache<KeyId, Timestamp>>,
}

impl KeyRates {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, next: Mutex::new(Cache::new(KEYS_MAX)) }
    }

    /// Admits a request of `key`, or returns how long to wait.
    pub(crate) fn admit(&self, key: &KeyId, now: Timestamp) -> Result<(), Duration> {
        let mut keys = self.next.lock();
        let next = keys.get(key).copied();
        if let Some(opens) = self.limit.opens_at(next, now) {
            return Err(opens.since(now));
        }
        keys.insert(key.clone(), self.limit.after_start(next, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> KeyId {
        KeyId::try_new(name).unwrap()
    }

    #[test]
    fn each_key_has_its_own_pace() {
        let rates = KeyRates::new("2/s".parse().unwrap());
        let now = Timestamp::from_secs(100);
        assert_eq!((rates.admit(&key("a"), now), rates.admit(&key("a"), now)), (Ok(()), Ok(())));
        assert_eq!(rates.admit(&key("a"), now), Err(Duration::from_millis(500)));
        assert_eq!(rates.admit(&key("b"), now), Ok(()));
        assert_eq!(rates.admit(&key("a"), now.plus(Duration::from_millis(500))), Ok(()));
    }

    #[test]
    fn memory_stays_bounded_and_who_asks_often_is_remembered() {
        let rates = KeyRates::new("1/h".parse().unwrap());
        let now = Timestamp::from_secs(100);
        rates.admit(&key("busy"), now).unwrap();
        for index in 0..KEYS_MAX * 2 {
            rates.admit(&key(&format!("key_{index}")), now).unwrap();
            assert!(rates.next.lock().len() <= KEYS_MAX);
            assert!(rates.admit(&key("busy"), now).is_err());
        }
    }
}
