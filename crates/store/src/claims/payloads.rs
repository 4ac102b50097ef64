//! The payloads of claimed deliveries: read and opened once for each event, and not at all while another of its deliveries is held.
//!
//! Reading belongs to the claim's transaction, on the writer; opening is left to whoever takes the rows, so that the writer
//! need not wait for a cipher.

use std::sync::Arc;

use foldhash::HashMap;

use super::{ClaimableRow, set};
use crate::StoreError;
use crate::driver::{Db, Param, params};
use crate::handoff::{ClaimedDelivery, HandOff};
use crate::publish::payload_context;
use crate::seal::Keyring;

pub(super) const PAYLOAD: &str = "SELECT payload_sealed FROM events WHERE place = $1";

/// A row with reserved room. Dropped unopened, as when its transaction fails, it gives the room back.
pub(crate) struct ReservedRow {
    row: Option<ClaimableRow>,
    /// What is to be opened; shared by the rows of one event.
    payload_sealed: Option<Arc<Vec<u8>>>,
    handoff: Arc<HandOff>,
}

impl ReservedRow {
    pub(super) fn new(row: ClaimableRow, handoff: &Arc<HandOff>) -> Self {
        Self { row: Some(row), payload_sealed: None, handoff: Arc::clone(handoff) }
    }

    pub(super) fn delivery(&mut self) -> Option<&mut ClaimedDelivery> {
        self.row.as_mut().map(|row| &mut row.delivery)
    }

    /// Opens the payload. One that does not open is handed on without data, to end as failed with the reason.
    pub(crate) fn open(mut self, keyring: &Keyring) -> Option<ClaimedDelivery> {
        let ClaimableRow { mut delivery, data_key_sealed } = self.row.take()?;
        let Some(payload_sealed) = self.payload_sealed.take() else { return Some(delivery) };
        let place = delivery.event_place();
        if let Some(event) = self.handoff.events.find(place, &delivery.event.id) {
            delivery.event = event;
            return Some(delivery);
        }
        let context = payload_context(&delivery.account_id, &delivery.event.id);
        let opened = keyring
            .unwrap(&delivery.account_id, &data_key_sealed)
            .and_then(|key| key.open("events", &context, &payload_sealed))
            .and_then(|data| String::from_utf8(data).map_err(|_| StoreError::Unsealable { table: "events" }));
        match opened {
            Ok(data) => {
                if let Some(event) = Arc::get_mut(&mut delivery.event) {
                    event.data = Some(data.into());
                }
                self.handoff.events.add(place, &delivery.event);
            }
            Err(error) => tracing::error!(delivery.id = %delivery.id, error = %error, "a payload cannot be opened"),
        }
        Some(delivery)
    }
}

impl Drop for ReservedRow {
    fn drop(&mut self) {
        if let Some(row) = &self.row {
            self.handoff.release_delivery(&row.delivery);
        }
    }
}

/// Gives each row its event, where that is in memory, or else its sealed payload.
pub(super) fn read(db: Db<'_>, handoff: &HandOff, rows: &mut [ReservedRow]) -> Result<(), StoreError> {
    let mut without: HashMap<i64, Vec<usize>> = HashMap::default();
    for (index, row) in rows.iter_mut().enumerate() {
        let Some(delivery) = row.delivery() else { continue };
        let place = delivery.event_place();
        match handoff.events.find(place, &delivery.event.id) {
            Some(event) => delivery.event = event,
            None => without.entry(place).or_default().push(index),
        }
    }
    for (place, payload_sealed) in read_sealed(db, without.keys().copied())? {
        let payload_sealed = Arc::new(payload_sealed);
        for index in without.remove(&place).unwrap_or_default() {
            if let Some(row) = rows.get_mut(index) {
                row.payload_sealed = Some(Arc::clone(&payload_sealed));
            }
        }
    }
    match without.keys().next() {
        None => Ok(()),
        Some(place) => Err(StoreError::Inconsistent { table: "events", column: "payload_sealed", id: place.to_string() }),
    }
}

/// The sealed payloads of these events, with their places.
fn read_sealed(db: Db<'_>, places: impl Iterator<Item = i64>) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let mut payloads = Vec::new();
    match db {
        Db::Sqlite(_) => {
            for place in places {
                if let Some(mut row) = db.find("events", PAYLOAD, params![place])? {
                    payloads.push((place, row.take_bytes(0, "payload_sealed")?));
                }
            }
        }
        Db::Postgres(session) => {
            let places: Vec<Param<'_>> = places.map(Param::from).collect();
            for mut row in set::read_payloads(session, &places)? {
                payloads.push((row.int(0, "place")?, row.take_bytes(1, "payload_sealed")?));
            }
        }
    }
    Ok(payloads)
}
