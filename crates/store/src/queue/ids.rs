//! Drawing the ids of deliveries: an ascending sequence for each process, so that rows are appended in the order of their ids. Of
//! several nodes over one database each draws numbers of its own slot.
//!
//! An id begins with the time at which it is drawn, and retention goes by that. A clock that was ahead by years, be it for a
//! second, has left ids behind that lie years ahead. Going on after them would give all later rows such ids too. So ids go back
//! to the time that the clock says now, and keep clear of those that are taken. Where it was ahead by less than a week, they
//! ascend, and the clock catches up.

use std::time::Duration;

use bellwire_domain::{DeliveryId, Timestamp};
use parking_lot::Mutex;

use crate::StoreError;
use crate::sql::{Db, Select, columns, params};

/// Nodes over one database at most. Of the 2^22 numbers of a millisecond, each then has 2^12.
pub(crate) const SLOTS: i64 = 1_024;
/// How far ahead of the clock ids may be and still ascend.
pub(crate) const AHEAD_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Ids of a week: milliseconds, and 22 bits below them.
pub(crate) const WEEK: i64 = (7 * 24 * 60 * 60 * 1_000) << 22;
/// Ranges of ids that are remembered. Beyond that, the two that are closest become one.
const RANGES_MAX: usize = 16;

/// The ids drawn. One that a rolled-back transaction drew is never used.
pub(crate) struct DeliveryIds(Mutex<Drawn>);

#[derive(Default)]
struct Drawn {
    /// First and last, ascending. Between two of them none is taken.
    taken: Vec<(i64, i64)>,
    /// `None`: every number.
    slot: Option<i64>,
}

columns! {
    /// What is stored, on either side of an id.
    pub(crate) struct Stored of "queue" {
        last_below: Option<i64> = "MAX(CASE WHEN is_below = 1 THEN high END)",
        first_above: Option<i64> = "MIN(CASE WHEN is_below = 0 THEN low END)",
        last_above: Option<i64> = "MAX(CASE WHEN is_below = 0 THEN high END)",
    }
}

pub(crate) static STORED: Select<Stored> = Select::new(
    "FROM (SELECT 1 AS is_below, CAST(NULL AS BIGINT) AS low, MAX(id) AS high FROM queue WHERE id < $1 \
     UNION ALL SELECT 1, NULL, MAX(id) FROM deliveries WHERE id < $1 \
     UNION ALL SELECT 0, MIN(id), MAX(id) FROM queue WHERE id >= $1 \
     UNION ALL SELECT 0, MIN(id), MAX(id) FROM deliveries WHERE id >= $1) x",
);

impl DeliveryIds {
    /// Goes on after the ids that are stored.
    pub(crate) fn open(db: Db<'_>, now: Timestamp) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new(Drawn { taken: stored(db, now)?, slot: None })))
    }

    /// To be given a slot before any id is drawn.
    pub(crate) fn without_slot() -> Self {
        Self(Mutex::default())
    }

    /// Draws numbers of `slot` from now on. Another node may have had it before, with a clock that was ahead.
    pub(crate) fn take_slot(&self, db: Db<'_>, slot: i64, now: Timestamp) -> Result<(), StoreError> {
        let stored = stored(db, now)?;
        let mut drawn = self.0.lock();
        for range in stored {
            drawn.add(range);
        }
        drawn.slot = Some(slot);
        Ok(())
    }

    /// A new id.
    pub(crate) fn draw(&self, now: Timestamp) -> DeliveryId {
        let mut drawn = self.0.lock();
        let number = drawn.next(now);
        drawn.add((number, number));
        DeliveryId::from_number(number).unwrap_or_default()
    }
}

/// The first id after all that a clock may have drawn which is not far ahead of `now`.
pub(crate) fn ahead_of(now: Timestamp) -> i64 {
    DeliveryId::after(DeliveryId::default(), now.plus(AHEAD_MAX)).number()
}

/// Whether ids are stored that lie far ahead of `now`.
pub(crate) fn any_ahead(db: Db<'_>, now: Timestamp) -> Result<bool, StoreError> {
    Ok(STORED.find(db, params![ahead_of(now)])?.is_some_and(|stored| stored.first_above.is_some()))
}

/// The ranges of ids that are stored: those up to about now, and those of a clock that was ahead.
fn stored(db: Db<'_>, now: Timestamp) -> Result<Vec<(i64, i64)>, StoreError> {
    let Some(found) = STORED.find(db, params![ahead_of(now)])? else { return Ok(Vec::new()) };
    let below = found.last_below.map(|last| (0, last));
    Ok(below.into_iter().chain(found.first_above.zip(found.last_above)).collect())
}

impl Drawn {
    /// The next id: after those that are not far ahead, and not one of those that are.
    fn next(&self, now: Timestamp) -> i64 {
        let (start, ahead) = (DeliveryId::after(DeliveryId::default(), now).number(), ahead_of(now));
        let before = self.taken.iter().map(|(_, last)| *last).filter(|last| *last < ahead).max();
        let mut next = self.in_slot(before.map_or(start, |last| start.max(last.saturating_add(1))));
        for (first, last) in &self.taken {
            if (*first..=*last).contains(&next) {
                next = self.in_slot(last.saturating_add(1));
            }
        }
        next
    }

    /// The first number of the slot from this one on.
    fn in_slot(&self, number: i64) -> i64 {
        self.slot.map_or(number, |slot| number.saturating_add((slot - number).rem_euclid(SLOTS)))
    }

    /// Remembers what is taken. What follows a range within a week becomes part of it: that much is no jump of the clock.
    fn add(&mut self, (first, last): (i64, i64)) {
        let follows = |(start, end): &&mut (i64, i64)| *start <= first && first <= end.saturating_add(WEEK);
        if let Some((_, end)) = self.taken.iter_mut().rev().find(follows) {
            *end = last.max(*end);
        } else {
            self.taken.push((first, last));
            self.taken.sort_unstable();
        }
        if self.taken.len() > RANGES_MAX {
            self.join_closest();
        }
    }

    fn join_closest(&mut self) {
        let gaps = self.taken.windows(2).enumerate().filter_map(|(index, pair)| match pair {
            [(_, end), (start, _)] => Some((start.saturating_sub(*end), index)),
            _ => None,
        });
        let Some((_, closest)) = gaps.min() else { return };
        let (_, end) = self.taken.remove(closest + 1);
        if let Some(before) = self.taken.get_mut(closest) {
            before.1 = before.1.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const YEAR: i64 = 365 * 24 * 3_600;

    fn ids(slot: Option<i64>) -> DeliveryIds {
        DeliveryIds(Mutex::new(Drawn { slot, ..Drawn::default() }))
    }

    #[test]
    fn nodes_never_draw_the_same_id() {
        let nodes = [0, 1, 1_023].map(|slot| ids(Some(slot)));
        let mut all = HashSet::new();
        for millis in [5, 5, 4, 6, 1_900_000_000_000] {
            for ids in &nodes {
                let mut last = DeliveryId::default();
                for _ in 0..5_000 {
                    let id = ids.draw(Timestamp::from_micros(millis * 1_000));
                    assert!(id > last && all.insert(id));
                    last = id;
                }
            }
        }
    }

    #[test]
    fn a_clock_that_was_ahead_by_years_does_not_take_the_ids_with_it() {
        let (ids, now) = (ids(None), Timestamp::from_secs(1_800_000_000));
        let before = ids.draw(now);
        let astray = ids.draw(Timestamp::from_secs(1_800_000_000 + 3 * YEAR));
        let after = ids.draw(now.plus(Duration::from_secs(1)));
        assert!(before < after && after < astray);
        assert_eq!(after.made_at(), now.plus(Duration::from_secs(1)));
        let then = ids.draw(astray.made_at());
        assert!(then > astray, "when the time comes, what is taken is passed over");
    }

    #[test]
    fn ids_ascend_while_the_clock_is_set_back_by_less_than_a_week() {
        let (ids, now) = (ids(None), Timestamp::from_secs(1_800_000_000));
        let first = ids.draw(now);
        assert!(ids.draw(now.minus(Duration::from_secs(6 * 24 * 3_600))) > first);
    }

    proptest! {
        #[test]
        fn no_id_is_drawn_twice_whatever_the_clock_does(
            jumps in proptest::collection::vec((-5 * YEAR..5 * YEAR, 1_usize..20), 1..60),
            slot in proptest::option::of(0..SLOTS),
        ) {
            let (ids, mut all) = (ids(slot), HashSet::new());
            for (jump, count) in jumps {
                for _ in 0..count {
                    let id = ids.draw(Timestamp::from_secs(1_800_000_000 + jump));
                    prop_assert!(all.insert(id), "{id} again");
                    prop_assert!(slot.is_none_or(|slot| id.number() % SLOTS == slot));
                }
            }
            let taken = &ids.0.lock().taken;
            prop_assert!(taken.len() <= RANGES_MAX && taken.is_sorted());
        }
    }
}
