//! A bounded cache that never holds what was true before an invalidation.
//!
//! A reader may load a row, lose the processor, and store it after a writer has changed and invalidated it. So a load notes
//! the cache's generation first, and its result is kept only if no invalidation has come in between.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use quick_cache::unsync;

pub(crate) struct Cache<K, V> {
    entries: RwLock<unsync::Cache<K, Entry<V>>>,
    generation: AtomicU64,
    /// Where other processes write too, what they change is seen after so long at the latest.
    age_max: Option<Duration>,
}

struct Entry<V> {
    value: V,
    /// Where values age.
    loaded_at: Option<Instant>,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(entries_max: usize, age_max: Option<Duration>) -> Self {
        Self { entries: RwLock::new(unsync::Cache::new(entries_max)), generation: AtomicU64::new(0), age_max }
    }

    /// How old a value may be; `None`: values do not age.
    pub(crate) const fn age_max(&self) -> Option<Duration> {
        self.age_max
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.read();
        let entry = entries.get(key)?;
        let fresh = entry.loaded_at.zip(self.age_max).is_none_or(|(loaded_at, age_max)| loaded_at.elapsed() < age_max);
        fresh.then(|| entry.value.clone())
    }

    /// To be noted before a load.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps a value loaded since `generation` was noted. A full cache lets go of one that is used less.
    pub(crate) fn insert(&self, generation: u64, key: K, value: V) {
        let mut entries = self.entries.write();
        if self.generation() != generation {
            return;
        }
        let loaded_at = self.age_max.map(|_| Instant::now());
        entries.insert(key, Entry { value, loaded_at });
    }

    pub(crate) fn remove(&self, key: &K) {
        let mut entries = self.entries.write();
        self.generation.fetch_add(1, Ordering::AcqRel);
        entries.remove(key);
    }

    pub(crate) fn remove_where(&self, predicate: impl Fn(&K) -> bool) {
        let mut entries = self.entries.write();
        self.generation.fetch_add(1, Ordering::AcqRel);
        entries.retain(|key, _| !predicate(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_loaded_before_an_invalidation_is_not_kept() {
        let cache = Cache::new(10, None);
        let generation = cache.generation();
        cache.remove(&"key");
        cache.insert(generation, "key", "old");
        assert_eq!(cache.get(&"key"), None);
        cache.insert(cache.generation(), "key", "new");
        assert_eq!(cache.get(&"key"), Some("new"));
    }

    #[test]
    fn what_others_may_have_changed_is_kept_for_so_long() {
        let kept = |age_max| {
            let cache = Cache::new(10, Some(age_max));
            cache.insert(cache.generation(), "key", 1);
            cache.get(&"key")
        };
        assert_eq!((kept(Duration::ZERO), kept(Duration::from_secs(600))), (None, Some(1)));
    }

    #[test]
    fn it_stays_bounded() {
        let cache = Cache::new(3, None);
        for key in 0..100 {
            cache.insert(cache.generation(), key, key);
            assert!(cache.entries.read().len() <= 3);
        }
    }
}
