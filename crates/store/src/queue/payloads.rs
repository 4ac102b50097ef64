//! The payloads of claimed deliveries: read and opened once for each event, and not at all while another of its deliveries is
//! held.
//!
//! Reading belongs to the claim's transaction, on the writer. Opening is left to whoever takes the deliveries, so that the writer
//! need not wait for a cipher.

use std::sync::Arc;

use bellwire_domain::PayloadSize;
use foldhash::HashMap;

use super::backend::Backend;
use super::claimable::Claimable;
use super::delivery::ClaimedDelivery;
use super::handoff::{HandOff, Reserved, TakesRoom};
use crate::StoreError;
use crate::rows::event::SealedPayload;
use crate::rows::lane::LaneKey;
use crate::seal::{Keyring, Place};
use crate::sql::Row;

/// A claimed delivery whose payload may still have to be opened.
pub(crate) struct SealedDelivery {
    claimable: Claimable,
    /// What has to be opened; the deliveries of one event share it.
    payload: Option<Arc<Row>>,
}

impl TakesRoom for SealedDelivery {
    fn lane(&self) -> LaneKey {
        self.claimable.lane()
    }

    fn payload(&self) -> PayloadSize {
        self.claimable.payload()
    }
}

impl SealedDelivery {
    /// Opens the payload. One that does not open is handed on without data, to end as failed with the reason.
    pub(crate) fn open(self, keyring: &Keyring, handoff: &HandOff) -> ClaimedDelivery {
        let Claimable { mut delivery, data_key_sealed } = self.claimable;
        let Some(payload) = self.payload else { return delivery };
        let place = delivery.event_place();
        if let Some(event) = handoff.events.find(place, &delivery.event.id) {
            delivery.event = event;
            return delivery;
        }
        match open(keyring, &delivery, &data_key_sealed, &payload) {
            Ok(data) => {
                if let Some(event) = Arc::get_mut(&mut delivery.event) {
                    event.data = Some(data.into());
                }
                handoff.events.add(place, &delivery.event);
            }
            Err(error) => tracing::error!(delivery.id = %delivery.id, error = %error, "a payload cannot be opened"),
        }
        delivery
    }
}

fn open(keyring: &Keyring, delivery: &ClaimedDelivery, data_key_sealed: &[u8], payload: &Row) -> Result<String, StoreError> {
    let sealed: SealedPayload<'_> = payload.read()?;
    let key = keyring.open_key(&delivery.account_id, data_key_sealed)?;
    key.open_text(&Place::payload(&delivery.account_id, &delivery.event.id), sealed.payload_sealed)
}

/// Gives each delivery its event, where that is in memory, or else its sealed payload.
pub(super) fn read(
    backend: &dyn Backend,
    handoff: &HandOff,
    claimed: Reserved<Claimable>,
) -> Result<Reserved<SealedDelivery>, StoreError> {
    let mut claimed = claimed.map(|claimable| SealedDelivery { claimable, payload: None });
    let mut without: HashMap<i64, Vec<&mut SealedDelivery>> = HashMap::default();
    for sealed in &mut claimed.held {
        let delivery = &mut sealed.claimable.delivery;
        let place = delivery.event_place();
        match handoff.events.find(place, &delivery.event.id) {
            Some(event) => delivery.event = event,
            None => without.entry(place).or_default().push(sealed),
        }
    }
    let places: Vec<i64> = without.keys().copied().collect();
    for row in backend.read_payloads(&places)? {
        let place = row.read::<SealedPayload<'_>>()?.place;
        let payload = Arc::new(row);
        for sealed in without.remove(&place).unwrap_or_default() {
            sealed.payload = Some(Arc::clone(&payload));
        }
    }
    match without.keys().next() {
        None => Ok(claimed),
        Some(place) => Err(StoreError::Inconsistent { table: "events", column: "payload_sealed", id: place.to_string() }),
    }
}
