//! Drawing the ids of deliveries: one sequence for a store, so that rows are appended in the order of their ids.

use bellwire_domain::{DeliveryId, Timestamp};
use parking_lot::Mutex;

use crate::StoreError;
use crate::driver::{Db, params};

/// The last id drawn. One that a rolled-back transaction drew is never used.
pub(crate) struct DeliveryIds(Mutex<DeliveryId>);

pub(crate) const LAST_ID: &str =
    "SELECT MAX(id) FROM (SELECT MAX(id) AS id FROM queue UNION ALL SELECT MAX(id) AS id FROM deliveries) x";

impl DeliveryIds {
    /// Goes on after the ids that are stored.
    pub(crate) fn open(db: Db<'_>) -> Result<Self, StoreError> {
        let stored = db.find("queue", LAST_ID, params![])?.map_or(Ok(None), |row| row.find_int(0, "id"))?;
        Ok(Self(Mutex::new(stored.and_then(DeliveryId::from_number).unwrap_or_default())))
    }

    /// A new id.
    pub(crate) fn draw(&self, now: Timestamp) -> DeliveryId {
        let mut last = self.0.lock();
        *last = DeliveryId::after(*last, now);
        *last
    }
}
