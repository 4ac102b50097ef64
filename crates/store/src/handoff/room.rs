//! Counting the room in memory: who may hold how much of it, and whose turn it is to be filled from the store.
//!
//! Pure bookkeeping, behind the lock of the hand-off.

use std::collections::VecDeque;

use foldhash::HashMap;

use super::{HandOffLimits, LaneKey, PayloadSize};

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct LaneRoom {
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
pub(super) const LANE_FIRST_MAX: usize = 64;
const EARNED_PER_ANSWER: usize = 4;
/// What a lane may hold while less than a quarter of all room is free, and while less than a sixteenth is.
const SCARCE_LANE_MAX: usize = 4;
const LAST_LANE_MAX: usize = 1;
/// What an endpoint that does not answer may hold.
pub(super) const THROTTLED_LANE_MAX: usize = 2;
/// The share of the free room that one lane may hold, and of all room that throttled lanes may.
const SHARE: usize = 4;

/// What is reserved now.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) lanes: HashMap<LaneKey, LaneRoom>,
    pub(super) deliveries: usize,
    /// The payloads that are held: by how many deliveries, and their bytes.
    pub(super) payloads: HashMap<i64, (usize, usize)>,
    /// Bytes of these.
    pub(super) bytes: usize,
    /// Deliveries of throttled lanes.
    pub(super) throttled: usize,
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

    /// Reserves room for one delivery, if it fits.
    pub(super) fn reserve(&mut self, key: &LaneKey, payload: PayloadSize, limits: &HandOffLimits) -> bool {
        let lane = self.lanes.get(key).copied().unwrap_or_default();
        let fits = self.fits(&lane, payload, limits);
        if fits {
            self.deliveries += 1;
            self.hold(payload);
            self.throttled += usize::from(lane.throttled);
            let lane = self.lanes.entry(key.clone()).or_default();
            lane.held += 1;
            lane.bytes += payload.bytes;
        }
        fits
    }

    /// Gives a delivery's room back. An endpoint that has `answered` is not throttled any more. Whether a lane is to be filled.
    pub(super) fn release(&mut self, key: &LaneKey, payload: PayloadSize, answered: bool, limits: &HandOffLimits) -> bool {
        self.deliveries = self.deliveries.saturating_sub(1);
        self.let_go(payload);
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        lane.held = lane.held.saturating_sub(1);
        lane.bytes = lane.bytes.saturating_sub(payload.bytes);
        if answered {
            lane.earned = (lane.earned + EARNED_PER_ANSWER).min(limits.lane_deliveries_max);
        }
        if lane.throttled {
            self.throttled = self.throttled.saturating_sub(1);
            self.set_throttled(key, !answered);
        }
        self.queue(key, limits);
        self.forget_if_idle(key);
        !self.wanting.is_empty() || !self.wanting_throttled.is_empty()
    }

    /// Whether deliveries of a lane wait in the store.
    pub(super) fn has_backlog(&self, key: &LaneKey) -> bool {
        self.lanes.get(key).is_some_and(|lane| lane.backlog)
    }

    /// Notes whether deliveries of a lane wait in the store.
    pub(super) fn set_backlog(&mut self, key: &LaneKey, backlog: bool, limits: &HandOffLimits) {
        self.lanes.entry(key.clone()).or_default().backlog = backlog;
        self.queue(key, limits);
        self.forget_if_idle(key);
    }

    /// Puts every lane with a backlog back into its queue.
    pub(super) fn queue_again(&mut self, limits: &HandOffLimits) {
        let mut lanes: Vec<LaneKey> = self.lanes.iter().filter(|(_, lane)| lane.backlog).map(|(key, _)| key.clone()).collect();
        lanes.sort_unstable();
        for key in &lanes {
            self.queue(key, limits);
        }
    }

    /// Puts a lane into the queue of those to be filled, if it has a backlog and at least half its room free. Lanes are filled
    /// in large steps, not delivery by delivery.
    pub(super) fn queue(&mut self, key: &LaneKey, limits: &HandOffLimits) {
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

    pub(super) fn set_throttled(&mut self, key: &LaneKey, throttled: bool) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.throttled != throttled) else { return };
        lane.throttled = throttled;
        lane.queued = false; // it stood in the other queue
        let held = lane.held;
        self.throttled = if throttled { self.throttled + held } else { self.throttled.saturating_sub(held) };
    }

    /// Takes the next lane to be filled from one of the two queues, with its room.
    pub(super) fn take_wanting(&mut self, throttled: bool, limits: &HandOffLimits) -> Option<(LaneKey, usize)> {
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
