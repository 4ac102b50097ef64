//! The hand-off: how deliveries just committed, or just claimed, reach the engine in memory.
//!
//! Room is reserved *before* the commit. With room, a delivery is committed as claimed by this process and its payload goes
//! straight to its lane; without, it is committed unclaimed and the lane is marked as having a backlog in the store, to be
//! claimed when the lane has drained. Losing the hand-off is always safe: the rows say everything.
//!
//! Room is bounded per lane, so that one slow endpoint cannot take it all, and in total, by count and by bytes.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EndpointId, EventId, EventType, Timestamp};
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

use crate::Origin;

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
    /// The posted bytes of `data`; `None` when the sealed payload does not open any more.
    pub data: Option<Bytes>,
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
    /// The event.
    pub event: Arc<ClaimedEvent>,
}

impl ClaimedDelivery {
    /// The endpoint's place among all lanes.
    pub fn lane(&self) -> LaneKey {
        LaneKey { account_id: self.account_id.clone(), endpoint_id: self.endpoint_id.clone() }
    }
}

/// Names one lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LaneKey {
    /// The account.
    pub account_id: AccountId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
}

/// How much may be held in memory.
#[derive(Debug, Clone, Copy)]
pub struct HandOffLimits {
    /// Deliveries per endpoint.
    pub lane_deliveries_max: usize,
    /// Deliveries in all.
    pub deliveries_max: usize,
    /// Payload bytes in all, each delivery counted with its whole payload.
    pub bytes_max: usize,
}

impl Default for HandOffLimits {
    fn default() -> Self {
        Self { lane_deliveries_max: 2_048, deliveries_max: 8_192, bytes_max: 32 << 20 }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct LaneRoom {
    held: usize,
    backlog: bool,
}

/// What is reserved now.
#[derive(Debug, Default)]
pub(crate) struct Room {
    lanes: HashMap<LaneKey, LaneRoom>,
    deliveries: usize,
    bytes: usize,
}

impl Room {
    /// Lanes are filled from the store in large steps, not delivery by delivery.
    fn is_half_free(&self, limits: &HandOffLimits) -> bool {
        self.deliveries <= limits.deliveries_max / 2 && self.bytes <= limits.bytes_max / 2
    }
}

/// The shared hand-off of one store.
#[derive(Debug)]
pub(crate) struct HandOff {
    limits: HandOffLimits,
    room: Mutex<Room>,
    sender: mpsc::UnboundedSender<Vec<ClaimedDelivery>>,
    /// Told when a lane with a backlog has room again, or work has become claimable otherwise.
    pub(crate) claimable: Notify,
}

impl HandOff {
    /// The channel carries only deliveries with reserved room, which bounds it.
    pub(crate) fn new(limits: HandOffLimits) -> (Self, mpsc::UnboundedReceiver<Vec<ClaimedDelivery>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { limits, room: Mutex::default(), sender, claimable: Notify::new() }, receiver)
    }

    /// Takes the lock for a series of reservations.
    pub(crate) fn reserve(&self) -> Reservations<'_> {
        Reservations { limits: self.limits, room: self.room.lock() }
    }

    /// Gives room back.
    pub(crate) fn release(&self, lane: &LaneKey, bytes: usize) {
        let mut room = self.room.lock();
        room.deliveries = room.deliveries.saturating_sub(1);
        room.bytes = room.bytes.saturating_sub(bytes);
        let Some(state) = room.lanes.get_mut(lane) else { return };
        state.held = state.held.saturating_sub(1);
        let wants = state.backlog && state.held <= self.limits.lane_deliveries_max / 2;
        if state.held == 0 && !state.backlog {
            room.lanes.remove(lane);
        }
        let wants = wants && room.is_half_free(&self.limits);
        drop(room);
        if wants {
            self.claimable.notify_one();
        }
    }

    pub(crate) fn release_delivery(&self, delivery: &ClaimedDelivery) {
        self.release(&delivery.lane(), delivery.event.size);
    }

    /// Marks lanes as having work in the store.
    pub(crate) fn mark_backlog(&self, lanes: impl IntoIterator<Item = LaneKey>) {
        let mut room = self.room.lock();
        for lane in lanes {
            room.lanes.entry(lane).or_default().backlog = true;
        }
        drop(room);
        self.claimable.notify_one();
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
    pub(crate) fn for_new(&mut self, lane: &LaneKey, bytes: usize) -> bool {
        let behind = self.room.lanes.get(lane).is_some_and(|state| state.backlog);
        if !behind && self.for_claim(lane, bytes) {
            return true;
        }
        self.set_backlog(lane, true);
        false
    }

    /// Reserves room for one delivery that is claimed from the store.
    pub(crate) fn for_claim(&mut self, lane: &LaneKey, bytes: usize) -> bool {
        let limits = self.limits;
        let held = self.room.lanes.get(lane).map_or(0, |state| state.held);
        let fits = held < limits.lane_deliveries_max
            && self.room.deliveries < limits.deliveries_max
            && (self.room.bytes + bytes <= limits.bytes_max || self.room.deliveries == 0);
        if fits {
            self.room.deliveries += 1;
            self.room.bytes += bytes;
            self.room.lanes.entry(lane.clone()).or_default().held += 1;
        }
        fits
    }

    pub(crate) fn set_backlog(&mut self, lane: &LaneKey, backlog: bool) {
        let state = self.room.lanes.entry(lane.clone()).or_default();
        state.backlog = backlog;
        if state.held == 0 && !backlog {
            self.room.lanes.remove(lane);
        }
    }

    /// Lanes with a backlog and at least half their room free, with that room.
    pub(crate) fn wanting(&self, lanes_max: usize) -> Vec<(LaneKey, usize)> {
        if !self.room.is_half_free(&self.limits) {
            return Vec::new();
        }
        let max = self.limits.lane_deliveries_max;
        let free = self.limits.deliveries_max.saturating_sub(self.room.deliveries);
        let wants = |state: &LaneRoom| state.backlog && state.held <= max / 2;
        let wanting = self.room.lanes.iter().filter(|(_, state)| wants(state)).take(lanes_max);
        wanting.map(|(lane, state)| (lane.clone(), (max - state.held).min(free))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> LaneKey {
        LaneKey { account_id: AccountId::try_new("a").unwrap(), endpoint_id: EndpointId::try_new(name).unwrap() }
    }

    fn handoff() -> HandOff {
        HandOff::new(HandOffLimits { lane_deliveries_max: 2, deliveries_max: 3, bytes_max: 100 }).0
    }

    #[test]
    fn one_lane_cannot_take_all_the_room() {
        let handoff = handoff();
        let mut room = handoff.reserve();
        assert!(room.for_new(&lane("slow"), 1) && room.for_new(&lane("slow"), 1));
        assert!(!room.for_new(&lane("slow"), 1), "its own cap");
        assert!(room.for_new(&lane("quick"), 1));
        assert!(!room.for_new(&lane("third"), 1), "the cap in all");
    }

    #[test]
    fn payload_bytes_are_bounded_but_a_single_large_one_passes() {
        let handoff = handoff();
        let mut room = handoff.reserve();
        assert!(room.for_new(&lane("a"), 1_000), "an empty hand-off takes any size");
        assert!(!room.for_new(&lane("b"), 1));
    }

    #[test]
    fn a_lane_with_a_backlog_takes_nothing_new_until_it_is_claimed() {
        let handoff = handoff();
        handoff.mark_backlog([lane("a")]);
        let mut room = handoff.reserve();
        assert!(!room.for_new(&lane("a"), 1), "new deliveries queue behind those in the store");
        assert_eq!(room.wanting(10), [(lane("a"), 2)]);
        assert!(room.for_claim(&lane("a"), 1));
        room.set_backlog(&lane("a"), false);
        assert!(room.for_new(&lane("a"), 1));
    }

    #[test]
    fn released_room_is_free_again_and_idle_lanes_cost_nothing() {
        let handoff = handoff();
        assert!(handoff.reserve().for_new(&lane("a"), 10));
        handoff.release(&lane("a"), 10);
        assert_eq!(handoff.held(), 0);
        assert!(handoff.room.lock().lanes.is_empty() && handoff.room.lock().bytes == 0);
    }
}
