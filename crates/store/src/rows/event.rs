//! `events`, an account's log.

use bellwire_domain::{DataRemoval, EventId, EventType, Timestamp};

use crate::StoreError;
use crate::sql::{Db, columns, params, table};

/// The bits of an event's place that are its `seq`: an account may have 2^40 events, and a store 2^23 accounts.
const SEQ_BITS: u32 = 40;
/// The last `seq` that fits.
pub(crate) const SEQ_MAX: i64 = (1 << SEQ_BITS) - 1;

/// Where an event stands among all events: its account's number, then its `seq`. The log of an account lies together, in its
/// order.
pub(crate) const fn event_place(account: i64, seq: i64) -> i64 {
    (account << SEQ_BITS) | seq
}

/// The `seq` of the event at a place.
pub(crate) const fn place_seq(place: i64) -> i64 {
    place & SEQ_MAX
}

/// What stands in place of the length of a payload that is gone.
const fn removed_length(why: DataRemoval) -> i64 {
    match why {
        DataRemoval::Erased => -1,
        DataRemoval::Expired => -2,
    }
}

/// Why a payload is gone, if it is.
pub(crate) fn removal(payload_length: i64) -> Option<DataRemoval> {
    [DataRemoval::Erased, DataRemoval::Expired].into_iter().find(|why| removed_length(*why) == payload_length)
}

/// Removes the payload of an event, if it is there: its length says why from then on.
const REMOVE: &str = "UPDATE events SET payload_length = $1, payload_sealed = $2 WHERE place = $3 AND payload_length >= 0";

/// Removes the payload of an event; `false`: it was gone already.
pub(crate) fn remove_payload(db: Db<'_>, place: i64, why: DataRemoval) -> Result<bool, StoreError> {
    Ok(db.execute(REMOVE, params![removed_length(why), &[] as &[u8], place])? > 0)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![REMOVE.to_owned()]
}

table! {
    /// A new event.
    pub(crate) struct EventRow<'a> in "events" key { place: i64 } {
        account: i64,
        id: &'a str,
        event_type: &'a str as "type",
        occurred_at: Timestamp,
        created_at: Timestamp,
        is_test: bool,
        deliveries: i64,
        fingerprint: &'a [u8],
        /// Opened, in bytes, or [why it is gone](removal); it stands before the payload, so that it is found without reading that.
        payload_length: i64,
        payload_sealed: &'a [u8],
        /// The order that its deliveries are in, if any.
        order_key: Option<i64>,
    }
}

columns! {
    /// A stored event, its payload still sealed.
    pub(crate) struct StoredEvent<'r> of "events" {
        pub(crate) id: EventId = "id",
        pub(crate) place: i64 = "place",
        pub(crate) event_type: EventType = "type",
        pub(crate) occurred_at: Timestamp = "occurred_at",
        pub(crate) created_at: Timestamp = "created_at",
        pub(crate) is_test: bool = "is_test",
        pub(crate) deliveries: i64 = "deliveries",
        pub(crate) payload_length: i64 = "payload_length",
        pub(crate) payload_sealed: &'r [u8] = "payload_sealed",
    }
}

columns! {
    /// An event that has an id offered again.
    #[derive(Debug, Clone)]
    pub(crate) struct KnownEvent of "events" {
        pub(crate) id: EventId = "e.id",
        pub(crate) place: i64 = "e.place",
        pub(crate) deliveries: i64 = "e.deliveries",
        pub(crate) fingerprint: [u8; 32] = "e.fingerprint",
        pub(crate) occurred_at: Timestamp = "e.occurred_at",
        pub(crate) payload_length: i64 = "e.payload_length",
    }
}

columns! {
    /// A payload that is still sealed.
    pub(crate) struct SealedPayload<'r> of "events" {
        pub(crate) place: i64 = "place",
        pub(crate) payload_sealed: &'r [u8] = "payload_sealed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_accounts_and_then_of_seqs() {
        let keys = [(1, 0), (1, 1), (1, SEQ_MAX), (2, 0), (2, 7), (8_388_607, SEQ_MAX)];
        let places = keys.map(|(account, seq)| event_place(account, seq));
        assert!(places.is_sorted() && places[0] > 0);
        assert_eq!(places.map(place_seq), keys.map(|(_, seq)| seq));
    }
}
