//! Deliveries that this process holds, with their events in memory.

use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EndpointId, EventId, EventType, PayloadSize, Suspicion, Timestamp, Trigger};

use crate::rows::event::event_place;
use crate::rows::lane::{LaneKey, LaneRefs};
use crate::rows::queued::Origin;

/// The event behind a claimed delivery, its payload in memory; all its deliveries share it.
#[derive(Debug)]
pub struct ClaimedEvent {
    /// The event's id.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its place in its account's log.
    pub seq: i64,
    /// Whether it is a test event.
    pub is_test: bool,
    /// Whether it names whom it is about: what receivers are told then is a disclosure.
    pub has_subjects: bool,
    /// The length of the payload in bytes, by which room is counted.
    pub size: usize,
    /// The posted text of `data`; `None` when the sealed payload does not open any more.
    pub data: Option<Box<str>>,
}

/// A delivery that this process holds and may attempt.
#[derive(Debug, Clone)]
pub struct ClaimedDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The account.
    pub account_id: AccountId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// The version that the endpoint had when this was claimed; its configuration must be at least as new.
    pub endpoint_version: i64,
    /// Its place among the endpoint's deliveries.
    pub number: i64,
    /// Attempts already made.
    pub attempts: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the attempt that it is claimed for was due.
    pub due_at: Timestamp,
    /// Why it exists.
    pub origin: Origin,
    /// The attempt that somebody asked for by hand, once there was one.
    pub manual_attempt: Option<u32>,
    /// What is held against it.
    pub suspicion: Suspicion,
    /// Which deliveries of its lane it waits for, and which for it: those with the same key.
    pub(crate) order_key: Option<i64>,
    /// The numbers of its lane in the store.
    pub(crate) refs: LaneRefs,
    /// Under which of this process's tokens it is held.
    pub(crate) epoch: u64,
    /// The event.
    pub event: Arc<ClaimedEvent>,
}

impl ClaimedDelivery {
    /// Where its event stands in the store.
    pub(crate) fn event_place(&self) -> i64 {
        event_place(self.refs.account, self.event.seq)
    }

    /// Why the attempt is made that it is claimed for. Those that follow from it by schedule are automatic again.
    pub fn trigger(&self) -> Trigger {
        let is_sent_anew = match self.origin {
            Origin::Published | Origin::Tested => false,
            Origin::Redelivered | Origin::Replayed(_) => self.attempts == 0,
        };
        let is_asked_for = self.manual_attempt == Some(self.attempts.saturating_add(1));
        if is_sent_anew || is_asked_for { Trigger::Manual } else { Trigger::Automatic }
    }

    /// Whether others may wait for it.
    pub const fn is_in_order(&self) -> bool {
        self.order_key.is_some()
    }

    /// The endpoint that it goes to.
    pub fn lane(&self) -> LaneKey {
        LaneKey { account_id: self.account_id.clone(), endpoint_id: self.endpoint_id.clone() }
    }

    /// What room it takes.
    pub(crate) fn payload(&self) -> PayloadSize {
        PayloadSize { event: self.event_place(), bytes: self.event.size }
    }
}
