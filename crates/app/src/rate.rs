//! How often a key may ask.

use std::collections::HashMap;
use std::time::Duration;

use bellwire_domain::{KeyId, RateLimit, Timestamp};
use parking_lot::Mutex;

/// Keys remembered at once. One that has not asked for a second needs no memory.
const KEYS_MAX: usize = 10_000;

/// The pace of every key.
pub(crate) struct KeyRates {
    limit: RateLimit,
    next: Mutex<HashMap<KeyId, Timestamp>>,
}

impl KeyRates {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, next: Mutex::default() }
    }

    /// Lets a request of `key` pass, or says after which time one would.
    pub(crate) fn admit(&self, key: &KeyId, now: Timestamp) -> Result<(), Duration> {
        let mut keys = self.next.lock();
        let next = keys.get(key).copied();
        if let Some(opens) = self.limit.opens_at(next, now) {
            return Err(opens.since(now));
        }
        if next.is_none() && keys.len() >= KEYS_MAX {
            keys.retain(|_, next| now < *next);
            if keys.len() >= KEYS_MAX {
                keys.clear(); // so many keys at once: letting each of them have one more burst is what memory is worth
            }
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
    fn memory_stays_bounded() {
        let rates = KeyRates::new("1/h".parse().unwrap());
        for index in 0..KEYS_MAX * 2 {
            rates.admit(&key(&format!("key_{index}")), Timestamp::from_secs(100)).unwrap();
            assert!(rates.next.lock().len() <= KEYS_MAX);
        }
    }
}
