//! The hand-off: how deliveries just committed, or just claimed, reach the engine in memory.
//!
//! Room is reserved *before* the commit. With room, a delivery is committed as claimed by this process and its payload goes
//! straight to its lane; without, it is committed unclaimed and the lane is marked as having a backlog in the store, to be
//! claimed when the lane has drained. Losing the hand-off is always safe: the rows say everything.
//!
//! Room is bounded in total, by count and by bytes, and shared as switches share their buffers (Choudhury and Hahne, 1998): a
//! lane may hold a quarter of what is free, and less the scarcer room gets. It starts with little and earns more with each
//! answer. So some room is free for an endpoint that was idle, also while many others are slow. Endpoints that have stopped
//! answering hold next to nothing, and a quarter of the room all together.

mod room;

use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EndpointId, EventId, EventType, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

use crate::Origin;
use crate::held_events::HeldEvents;
use crate::lanes::{LaneRefs, event_place};
use room::Room;

/// The event behind a claimed delivery, payload in memory; shared by all its deliveries.
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
    /// Why it exists.
    pub origin: Origin,
    /// The numbers of its lane in the store.
    pub(crate) refs: LaneRefs,
    /// Under which of this process's claims it is held.
    pub(crate) epoch: u64,
    /// The event.
    pub event: Arc<ClaimedEvent>,
}

impl ClaimedDelivery {
    /// Where its event stands in the store.
    pub(crate) fn event_place(&self) -> i64 {
        event_place(self.refs.account, self.event.seq)
    }

    /// What room is counted by.
    pub(crate) fn payload(&self) -> PayloadSize {
        PayloadSize { place: self.event_place(), bytes: self.event.size }
    }

    /// The endpoint's place among all lanes.
    pub fn lane(&self) -> LaneKey {
        LaneKey { account_id: self.account_id.clone(), endpoint_id: self.endpoint_id.clone() }
    }
}

/// Names one lane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The account.
    pub account_id: AccountId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
}

/// An event's payload, as room is counted: deliveries of one event share it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadSize {
    /// Where the event stands in the store.
    pub(crate) place: i64,
    pub(crate) bytes: usize,
}

/// How much may be held in memory.
#[derive(Debug, Clone, Copy)]
pub struct HandOffLimits {
    /// Deliveries per endpoint, at most a quarter of what is free.
    pub lane_deliveries_max: usize,
    /// Deliveries in all.
    pub deliveries_max: usize,
    /// Payload bytes in all, those that several deliveries share counted once.
    pub bytes_max: usize,
}

impl Default for HandOffLimits {
    fn default() -> Self {
        Self { lane_deliveries_max: 2_048, deliveries_max: 8_192, bytes_max: 32 << 20 }
    }
}

/// The shared hand-off of one store.
#[derive(Debug)]
pub(crate) struct HandOff {
    limits: HandOffLimits,
    room: Mutex<Room>,
    sender: mpsc::UnboundedSender<Vec<ClaimedDelivery>>,
    /// The events that somebody holds.
    pub(crate) events: HeldEvents,
    /// Told when a lane with a backlog has room again, or work has become claimable otherwise.
    pub(crate) claimable: Notify,
}

impl HandOff {
    /// The channel carries only deliveries with reserved room, which bounds it.
    pub(crate) fn new(limits: HandOffLimits) -> (Self, mpsc::UnboundedReceiver<Vec<ClaimedDelivery>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { limits, room: Mutex::default(), sender, events: HeldEvents::default(), claimable: Notify::new() }, receiver)
    }

    /// Takes the lock for a series of reservations.
    pub(crate) fn reserve(&self) -> Reservations<'_> {
        Reservations { limits: self.limits, room: self.room.lock() }
    }

    /// Gives a delivery's room back.
    pub(crate) fn release_delivery(&self, delivery: &ClaimedDelivery) {
        self.release(&delivery.lane(), delivery.payload(), false);
    }

    /// Gives room back. An endpoint that has `answered` is not throttled any more.
    pub(crate) fn release(&self, key: &LaneKey, payload: PayloadSize, answered: bool) {
        let wanted = self.room.lock().release(key, payload, answered, &self.limits);
        if wanted {
            self.claimable.notify_one();
        }
    }

    /// An endpoint has stopped answering: until it answers, it may hold next to nothing.
    pub(crate) fn throttle(&self, key: &LaneKey) {
        let mut room = self.room.lock();
        room.set_throttled(key, true);
        room.queue(key, &self.limits);
    }

    /// Marks lanes as having work in the store.
    pub(crate) fn mark_backlog(&self, lanes: impl IntoIterator<Item = LaneKey>) {
        let mut room = self.reserve();
        for lane in lanes {
            room.set_backlog(&lane, true);
        }
        drop(room);
        self.claimable.notify_one();
    }

    /// Puts every lane with a backlog back into its queue: a claim round failed.
    pub(crate) fn queue_again(&self) {
        self.room.lock().queue_again(&self.limits);
    }

    /// Hands deliveries with reserved room to the engine. Without an engine they stay claimed until the next start.
    pub(crate) fn send(&self, deliveries: Vec<ClaimedDelivery>) {
        if !deliveries.is_empty() {
            let _ = self.sender.send(deliveries);
        }
    }

    /// Deliveries held in memory now.
    pub(crate) fn held(&self) -> usize {
        self.room.lock().deliveries
    }
}

/// The locked room.
pub(crate) struct Reservations<'a> {
    limits: HandOffLimits,
    room: MutexGuard<'a, Room>,
}

impl Reservations<'_> {
    /// Reserves room for one first attempt: only when nothing of its lane waits in the store, so that a lane stays in order.
    /// Without room the lane is marked as having a backlog.
    pub(crate) fn for_new(&mut self, lane: &LaneKey, payload: PayloadSize) -> bool {
        if self.room.has_backlog(lane) {
            return false;
        }
        let fits = self.for_claim(lane, payload);
        if !fits {
            self.set_backlog(lane, true);
        }
        fits
    }

    /// Reserves room for one delivery that is claimed from the store.
    pub(crate) fn for_claim(&mut self, key: &LaneKey, payload: PayloadSize) -> bool {
        self.room.reserve(key, payload, &self.limits)
    }

    pub(crate) fn set_backlog(&mut self, key: &LaneKey, backlog: bool) {
        self.room.set_backlog(key, backlog, &self.limits);
    }

    /// The next lanes to be filled, each with its room: first those whose endpoints answer.
    pub(crate) fn take_wanting(&mut self, lanes_max: usize) -> Vec<(LaneKey, usize)> {
        let mut lanes: Vec<_> = std::iter::from_fn(|| self.room.take_wanting(false, &self.limits)).take(lanes_max).collect();
        let rest = lanes_max - lanes.len();
        lanes.extend(std::iter::from_fn(|| self.room.take_wanting(true, &self.limits)).take(rest));
        lanes
    }

    /// A lane was filled in part: it stands in the queue again if it still wants.
    pub(crate) fn queue(&mut self, key: &LaneKey) {
        self.room.queue(key, &self.limits);
    }
}

#[cfg(test)]
mod tests;
