//! When keys were used last: noted in memory at each request, stored once a minute, and true to the minute.

use std::collections::HashMap;
use std::time::Duration;

use bellwire_domain::{KeyId, Timestamp};
use parking_lot::Mutex;

const MINUTE: Duration = Duration::from_secs(60);

/// Keys that were used since that was stored last.
#[derive(Default)]
pub(crate) struct UsedKeys(Mutex<HashMap<KeyId, Timestamp>>);

impl UsedKeys {
    pub(crate) fn note(&self, id: &KeyId, now: Timestamp) {
        let mut used = self.0.lock();
        match used.get_mut(id) {
            Some(at) => *at = now,
            None => drop(used.insert(id.clone(), now)),
        }
    }

    /// Each with the beginning of the minute in which it was used last.
    pub(crate) fn take(&self) -> Vec<(KeyId, Timestamp)> {
        std::mem::take(&mut *self.0.lock()).into_iter().map(|(id, at)| (id, minute_of(at))).collect()
    }
}

fn minute_of(at: Timestamp) -> Timestamp {
    let micros = i64::try_from(MINUTE.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().div_euclid(micros) * micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_use_is_kept_to_the_minute_and_taken_once() {
        let (used, id) = (UsedKeys::default(), KeyId::try_new("key_1").unwrap());
        for seconds in [61, 125] {
            used.note(&id, Timestamp::from_secs(seconds));
        }
        assert_eq!(used.take(), [(id, Timestamp::from_secs(120))]);
        assert!(used.take().is_empty());
    }
}
