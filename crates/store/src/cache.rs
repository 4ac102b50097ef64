//! A bounded cache that never holds what was true before an invalidation.
//!
//! A reader may load a row, lose the processor, and store it after a writer has changed and invalidated it. So a load notes
//! the cache's generation first, and its result is kept only if no invalidation has come in between.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::HashMap;
use parking_lot::RwLock;

pub(crate) struct Cache<K, V> {
    entries: RwLock<HashMap<K, V>>,
    generation: AtomicU64,
    entries_max: usize,
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { entries: RwLock::default(), generation: AtomicU64::new(0), entries_max }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.entries.read().get(key).cloned()
    }

    /// To be noted before a load.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keeps a value loaded since `generation` was noted. A full cache starts anew.
    pub(crate) fn insert(&self, generation: u64, key: K, value: V) {
        let mut entries = self.entries.write();
        if self.generation() != generation {
            return;
        }
        if entries.len() >= self.entries_max {
            entries.clear();
        }
        entries.insert(key, value);
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
        let cache = Cache::new(10);
        let generation = cache.generation();
        cache.remove(&"key");
        cache.insert(generation, "key", "old");
        assert_eq!(cache.get(&"key"), None);
        cache.insert(cache.generation(), "key", "new");
        assert_eq!(cache.get(&"key"), Some("new"));
    }

    #[test]
    fn it_stays_bounded() {
        let cache = Cache::new(3);
        for key in 0..100 {
            cache.insert(cache.generation(), key, key);
            assert!(cache.entries.read().len() <= 3);
        }
    }
}
