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

use std::collections::VecDeque;
use std::sync::Arc;

use bellwire_domain::{AccountId, DeliveryId, EndpointId, EventId, EventType, Timestamp};
use foldhash::HashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

use crate::Origin;
use crate::held_events::HeldEvents;
use crate::lanes::{LaneRefs, event_place};

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

#[derive(Debug, Default, Clone, Copy)]
struct LaneRoom {
    held: usize,
    bytes: usize,
    /// What its endpoint's answers have earned it above [`LANE_FIRST_MAX`].
    earned: usize,
    /// Deliveries of this lane wait in the store.
    backlog: bool,
    /// Its endpoint has stopped answering.
    throttled: bool,
    /// It stands in the queue of lanes to be filled.
    queued: bool,
}

/// What a lane may hold before its endpoint has answered, and by how much each answer raises that.
const LANE_FIRST_MAX: usize = 64;
const EARNED_PER_ANSWER: usize = 4;
/// What a lane may hold while less than a quarter of all room is free, and while less than a sixteenth is.
const SCARCE_LANE_MAX: usize = 4;
const LAST_LANE_MAX: usize = 1;
/// What an endpoint that does not answer may hold.
const THROTTLED_LANE_MAX: usize = 2;
/// The share of the free room that one lane may hold, and of all room that throttled lanes may.
const SHARE: usize = 4;

/// What is reserved now.
#[derive(Debug, Default)]
pub(crate) struct Room {
    lanes: HashMap<LaneKey, LaneRoom>,
    deliveries: usize,
    /// The payloads that are held: by how many deliveries, and their bytes.
    payloads: HashMap<i64, (usize, usize)>,
    /// Bytes of these.
    bytes: usize,
    /// Deliveries of throttled lanes.
    throttled: usize,
    /// Lanes with a backlog and room, to be filled in turn. A name that is no longer wanting is passed over.
    wanting: VecDeque<LaneKey>,
    wanting_throttled: VecDeque<LaneKey>,
}

impl Room {
    /// How many deliveries a lane may hold now.
    fn lane_max(&self, lane: &LaneRoom, limits: &HandOffLimits) -> usize {
        let free = limits.deliveries_max.saturating_sub(self.deliveries);
        if !lane.throttled {
            let earned = limits.lane_deliveries_max.min(LANE_FIRST_MAX + lane.earned);
            let shared = match free {
                0 => 0,
                free if free < limits.deliveries_max / 16 => LAST_LANE_MAX,
                free if free < limits.deliveries_max / SHARE => SCARCE_LANE_MAX,
                free => (free / SHARE).max(1),
            };
            earned.min(shared)
        } else if self.throttled < limits.deliveries_max / SHARE && free > 0 {
            THROTTLED_LANE_MAX
        } else {
            0
        }
    }

    fn fits(&self, lane: &LaneRoom, payload: PayloadSize, limits: &HandOffLimits) -> bool {
        let free_bytes = limits.bytes_max.saturating_sub(self.bytes);
        let first_fits = payload.bytes <= free_bytes || self.payloads.contains_key(&payload.place);
        let bytes_fit = lane.bytes + payload.bytes <= free_bytes / SHARE || (lane.held == 0 && first_fits);
        self.deliveries == 0 || (lane.held < self.lane_max(lane, limits) && self.deliveries < limits.deliveries_max && bytes_fit)
    }

    /// Counts a payload of which one more delivery is held.
    fn hold(&mut self, payload: PayloadSize) {
        let (holders, bytes) = self.payloads.entry(payload.place).or_insert((0, payload.bytes));
        self.bytes += if *holders == 0 { *bytes } else { 0 };
        *holders += 1;
    }

    /// Counts a payload no more when no delivery of it is held.
    fn let_go(&mut self, payload: PayloadSize) {
        let Some((holders, bytes)) = self.payloads.get_mut(&payload.place) else { return };
        *holders -= 1;
        if *holders == 0 {
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.payloads.remove(&payload.place);
        }
    }

    /// Puts a lane into the queue of those to be filled, if it has a backlog and at least half its room free. Lanes are filled
    /// in large steps, not delivery by delivery.
    fn queue(&mut self, key: &LaneKey, limits: &HandOffLimits) {
        let Some(lane) = self.lanes.get(key).copied() else { return };
        if lane.queued || !lane.backlog || lane.held > self.lane_max(&lane, limits) / 2 {
            return;
        }
        let queue = if lane.throttled { &mut self.wanting_throttled } else { &mut self.wanting };
        queue.push_back(key.clone());
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.queued = true;
        }
    }

    fn forget_if_idle(&mut self, key: &LaneKey) {
        if self.lanes.get(key).is_some_and(|lane| lane.held == 0 && !lane.backlog) {
            self.lanes.remove(key);
        }
    }

    fn set_throttled(&mut self, key: &LaneKey, throttled: bool) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.throttled != throttled) else { return };
        lane.throttled = throttled;
        lane.queued = false; // it stood in the other queue
        let held = lane.held;
        self.throttled = if throttled { self.throttled + held } else { self.throttled.saturating_sub(held) };
    }

    /// Takes the next lane to be filled from one of the two queues, with its room.
    fn take_wanting(&mut self, throttled: bool, limits: &HandOffLimits) -> Option<(LaneKey, usize)> {
        loop {
            let key = if throttled { self.wanting_throttled.pop_front() } else { self.wanting.pop_front() }?;
            let Some(lane) = self.lanes.get(&key).copied().filter(|lane| lane.queued && lane.throttled == throttled) else {
                continue;
            };
            let room = self.lane_max(&lane, limits).saturating_sub(lane.held);
            if room == 0 {
                let queue = if throttled { &mut self.wanting_throttled } else { &mut self.wanting };
                queue.push_front(key);
                return None;
            }
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.queued = false;
            }
            if lane.backlog {
                return Some((key, room));
            }
        }
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
        let mut room = self.room.lock();
        room.deliveries = room.deliveries.saturating_sub(1);
        room.let_go(payload);
        let Some(lane) = room.lanes.get_mut(key) else { return };
        lane.held = lane.held.saturating_sub(1);
        lane.bytes = lane.bytes.saturating_sub(payload.bytes);
        if answered {
            lane.earned = (lane.earned + EARNED_PER_ANSWER).min(self.limits.lane_deliveries_max);
        }
        if lane.throttled {
            room.throttled = room.throttled.saturating_sub(1);
            room.set_throttled(key, !answered);
        }
        room.queue(key, &self.limits);
        room.forget_if_idle(key);
        let wanted = !room.wanting.is_empty() || !room.wanting_throttled.is_empty();
        drop(room);
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
        let mut room = self.room.lock();
        let mut lanes: Vec<LaneKey> = room.lanes.iter().filter(|(_, lane)| lane.backlog).map(|(key, _)| key.clone()).collect();
        lanes.sort_unstable();
        for key in &lanes {
            room.queue(key, &self.limits);
        }
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
        let behind = self.room.lanes.get(lane).is_some_and(|state| state.backlog);
        if !behind && self.for_claim(lane, payload) {
            return true;
        }
        self.set_backlog(lane, true);
        false
    }

    /// Reserves room for one delivery that is claimed from the store.
    pub(crate) fn for_claim(&mut self, key: &LaneKey, payload: PayloadSize) -> bool {
        let lane = self.room.lanes.get(key).copied().unwrap_or_default();
        let fits = self.room.fits(&lane, payload, &self.limits);
        if fits {
            self.room.deliveries += 1;
            self.room.hold(payload);
            self.room.throttled += usize::from(lane.throttled);
            let lane = self.room.lanes.entry(key.clone()).or_default();
            lane.held += 1;
            lane.bytes += payload.bytes;
        }
        fits
    }

    pub(crate) fn set_backlog(&mut self, key: &LaneKey, backlog: bool) {
        self.room.lanes.entry(key.clone()).or_default().backlog = backlog;
        self.room.queue(key, &self.limits);
        self.room.forget_if_idle(key);
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
