//! What a claim round finds in the store, before it is claimed.

use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EndpointId, EventId, EventType, PayloadSize, Suspicion, Timestamp};

use super::delivery::{ClaimedDelivery, ClaimedEvent};
use super::handoff::TakesRoom;
use crate::StoreError;
use crate::rows::event::place_seq;
use crate::rows::lane::{LaneKey, LaneRefs};
use crate::rows::queued::Origin;
use crate::sql::{Row, columns};

/// Deliveries claimed for one lane in one round: the lanes behind it wait no longer than that.
pub(crate) const LANE_STEP_MAX: usize = 256;

columns! {
    /// A row that may be claimed, with all that an attempt needs but the payload: `q` of the queue, its event `e`, its endpoint
    /// `p` and its account `a`.
    pub(crate) struct ClaimableColumns of "queue" {
        id: DeliveryId = "q.id",
        number: i64 = "q.number",
        attempts: u32 = "q.attempts",
        created_at: Timestamp = "q.created_at",
        due_at: Timestamp = "q.due_at",
        event_place: i64 = "q.event",
        origin: Origin = "q.origin",
        manual_attempt: Option<u32> = "q.manual_attempt",
        suspicion: Suspicion = "q.suspicion",
        about: Option<i64> = "q.about",
        order_key: Option<i64> = "q.order_key",
        lane: i64 = "q.lane",
        event_id: EventId = "e.id",
        event_type: EventType = "e.type",
        occurred_at: Timestamp = "e.occurred_at",
        is_test: bool = "e.is_test",
        payload_length: i64 = "e.payload_length",
        endpoint_id: EndpointId = "p.id",
        endpoint_version: i64 = "p.version",
        account_id: AccountId = "a.id",
        account: i64 = "a.ref",
        data_key_sealed: Vec<u8> = "a.data_key_sealed",
    }
}

/// A row that may be claimed.
pub(crate) struct Claimable {
    pub(super) delivery: ClaimedDelivery,
    pub(super) data_key_sealed: Vec<u8>,
}

impl Claimable {
    /// Reads [`ClaimableColumns`].
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let columns: ClaimableColumns = row.read()?;
        let event = ClaimedEvent {
            id: columns.event_id,
            event_type: columns.event_type,
            occurred_at: columns.occurred_at,
            seq: place_seq(columns.event_place),
            is_test: columns.is_test,
            has_subjects: columns.about.is_some(),
            size: usize::try_from(columns.payload_length).unwrap_or(0),
            data: None,
        };
        let delivery = ClaimedDelivery {
            id: columns.id,
            account_id: columns.account_id,
            endpoint_id: columns.endpoint_id,
            endpoint_version: columns.endpoint_version,
            number: columns.number,
            attempts: columns.attempts,
            created_at: columns.created_at,
            due_at: columns.due_at,
            origin: columns.origin,
            manual_attempt: columns.manual_attempt,
            suspicion: columns.suspicion,
            order_key: columns.order_key,
            refs: LaneRefs { account: columns.account, lane: columns.lane },
            epoch: 0, // until it is marked as claimed
            event: Arc::new(event),
        };
        Ok(Self { delivery, data_key_sealed: columns.data_key_sealed })
    }

    pub(crate) fn lane(&self) -> LaneKey {
        self.delivery.lane()
    }
}

impl TakesRoom for Claimable {
    fn lane(&self) -> LaneKey {
        self.delivery.lane()
    }

    fn payload(&self) -> PayloadSize {
        self.delivery.payload()
    }
}

/// What waits in some lanes.
#[derive(Default)]
pub(crate) struct LaneSearch {
    /// The lanes that were looked at.
    pub(crate) lanes: Vec<LaneRows>,
    /// Lanes that are not sent to now. Whoever resumes or enables the endpoint marks them again.
    pub(crate) closed: Vec<LaneKey>,
    /// Whether the limit kept some lanes from being looked at.
    pub(crate) is_cut: bool,
}

/// What waits in one lane.
pub(crate) struct LaneRows {
    pub(crate) lane: LaneKey,
    /// How many were looked for.
    pub(crate) wanted: usize,
    pub(crate) rows: Vec<Claimable>,
}
