//! What happens too often to be recorded each time: it is counted, and recorded once a minute.

use std::collections::HashMap;

use bellwire_domain::{AuditActor, AuditDetail, AuditEntry};
use parking_lot::Mutex;

/// Different entries that are counted apart; what comes after them in the same minute is counted together, by what was done.
const APART_MAX: usize = 10_000;

/// Counts by what would be recorded.
#[derive(Default)]
pub(crate) struct Tally(Mutex<HashMap<AuditEntry, u64>>);

impl Tally {
    pub(crate) fn count(&self, entry: AuditEntry) {
        self.add(entry, 1);
    }

    pub(crate) fn add(&self, entry: AuditEntry, count: u64) {
        let mut counts = self.0.lock();
        let is_known = counts.len() < APART_MAX || counts.contains_key(&entry);
        let entry = if is_known { entry } else { together(&entry) };
        *counts.entry(entry).or_default() += count;
    }

    /// What was counted, as entries; counting starts over.
    pub(crate) fn take(&self) -> Vec<AuditEntry> {
        let counts = std::mem::take(&mut *self.0.lock());
        counts.into_iter().map(|(entry, count)| entry.with("count", AuditDetail::Number(count))).collect()
    }
}

/// What is left of an entry that is counted with many others.
fn together(entry: &AuditEntry) -> AuditEntry {
    let origin = bellwire_domain::AuditOrigin { address: None, ..entry.origin };
    AuditEntry::new(AuditActor::Unknown, origin, entry.action)
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{AuditAction, AuditOrigin, AuditVia};

    use super::*;

    fn refused(object: &str) -> AuditEntry {
        let origin = AuditOrigin { via: AuditVia::Api, address: Some([192, 0, 2, 1].into()) };
        AuditEntry::new(AuditActor::Unknown, origin, AuditAction::SignInRefused).to(object)
    }

    #[test]
    fn the_same_is_counted_and_everything_is_taken_once() {
        let tally = Tally::default();
        for _ in 0..3 {
            tally.count(refused("bwk_a"));
        }
        tally.count(refused("bwk_b"));
        let mut counts: Vec<_> =
            tally.take().into_iter().map(|entry| (entry.object.unwrap(), entry.detail["count"].clone())).collect();
        counts.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(counts, [("bwk_a".to_owned(), AuditDetail::Number(3)), ("bwk_b".to_owned(), AuditDetail::Number(1))]);
        assert!(tally.take().is_empty());
    }

    #[test]
    fn whoever_tries_very_many_keys_fills_no_memory_and_is_counted() {
        let tally = Tally::default();
        for number in 0..3 * APART_MAX {
            tally.count(refused(&number.to_string()));
        }
        tally.count(refused("1"));
        let taken = tally.take();
        assert_eq!(taken.len(), APART_MAX + 1);
        let rest = taken.iter().find(|entry| entry.object.is_none()).unwrap();
        assert_eq!(rest.detail["count"], AuditDetail::Number(u64::try_from(2 * APART_MAX).unwrap()));
    }
}
