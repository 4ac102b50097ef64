//! Drawing the ids of deliveries: one ascending sequence for each process, so that rows are appended in the order of their ids.
//! Of several nodes over one database each draws numbers of its own slot.

use bellwire_domain::{DeliveryId, Timestamp};
use parking_lot::Mutex;

use crate::StoreError;
use crate::sql::{Db, params};

/// Nodes over one database at most. Of the 2^22 numbers of a millisecond, each then has 2^12.
pub(crate) const SLOTS: i64 = 1_024;

/// The last id drawn. One that a rolled-back transaction drew is never used.
pub(crate) struct DeliveryIds(Mutex<Drawn>);

#[derive(Default)]
struct Drawn {
    last: DeliveryId,
    /// `None`: every number.
    slot: Option<i64>,
}

pub(crate) const LAST_ID: &str =
    "SELECT MAX(id) FROM (SELECT MAX(id) AS id FROM queue UNION ALL SELECT MAX(id) AS id FROM deliveries) x";

impl DeliveryIds {
    /// Goes on after the ids that are stored.
    pub(crate) fn open(db: Db<'_>) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new(Drawn { last: last_stored(db)?, slot: None })))
    }

    /// To be given a slot before any id is drawn.
    pub(crate) fn without_slot() -> Self {
        Self(Mutex::default())
    }

    /// Draws numbers of `slot` from now on. Another node may have had it before, with a clock that was ahead.
    pub(crate) fn take_slot(&self, db: Db<'_>, slot: i64) -> Result<(), StoreError> {
        let stored = last_stored(db)?;
        let mut drawn = self.0.lock();
        *drawn = Drawn { last: drawn.last.max(stored), slot: Some(slot) };
        Ok(())
    }

    /// A new id.
    pub(crate) fn draw(&self, now: Timestamp) -> DeliveryId {
        let mut drawn = self.0.lock();
        let next = DeliveryId::after(drawn.last, now);
        drawn.last = match drawn.slot {
            None => next,
            Some(slot) => {
                let up = (slot - next.number()).rem_euclid(SLOTS);
                DeliveryId::from_number(next.number().saturating_add(up)).unwrap_or(next)
            }
        };
        drawn.last
    }
}

fn last_stored(db: Db<'_>) -> Result<DeliveryId, StoreError> {
    let stored: Option<DeliveryId> = db.get("queue", LAST_ID, params![])?.value("id")?;
    Ok(stored.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nodes_never_draw_the_same_id() {
        let nodes = [0, 1, 1_023].map(|slot| DeliveryIds(Mutex::new(Drawn { slot: Some(slot), ..Drawn::default() })));
        let mut all = HashSet::new();
        for millis in [5, 5, 4, 6, 1_900_000_000_000] {
            for ids in &nodes {
                let mut last = ids.0.lock().last;
                for _ in 0..5_000 {
                    let id = ids.draw(Timestamp::from_micros(millis * 1_000));
                    assert!(id > last && all.insert(id));
                    last = id;
                }
            }
        }
    }
}
