//! `deliveries`: those that have ended. It is history, which only grows until retention removes it.

use bellwire_domain::{DeliveryId, DeliveryState, EventId, EventType, Timestamp};

use super::attempt::AttemptResult;
use super::queued::Origin;
use crate::sql::{columns, table};

table! {
    /// A delivery that has ended, with the attempt that ended it, because most have no other. One that was cancelled has none
    /// there.
    pub(crate) struct EndedRow<'a> in "deliveries" key { id: DeliveryId } {
        account: i64,
        lane: i64,
        number: i64,
        event: i64,
        state: &'a str,
        attempts: u32,
        created_at: Timestamp,
        ended_at: Timestamp,
        origin: &'a Origin,
    } with { result: AttemptResult<'a> }
}

columns! {
    /// A delivery, live or ended, as `d` with its event as `e`.
    pub(crate) struct DeliveryColumns of "deliveries" {
        pub(crate) id: DeliveryId = "d.id",
        pub(crate) number: i64 = "d.number",
        pub(crate) attempts: u32 = "d.attempts",
        pub(crate) created_at: Timestamp = "d.created_at",
        pub(crate) event_id: EventId = "e.id",
        pub(crate) event_type: EventType = "e.type",
    }
}

columns! {
    /// How a delivery ended.
    pub(crate) struct EndColumns of "deliveries" {
        pub(crate) state: DeliveryState = "d.state",
        pub(crate) ended_at: Timestamp = "d.ended_at",
    }
}

columns! {
    /// When a live delivery is due.
    pub(crate) struct DueColumns of "queue" {
        pub(crate) due_at: Timestamp = "d.due_at",
        pub(crate) wake_at: Option<Timestamp> = "d.wake_at",
    }
}
