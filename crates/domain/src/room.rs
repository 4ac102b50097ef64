//! How many deliveries may be held in memory, and whose turn it is to be filled from the store.
//!
//! Room is bounded in total, by count and by bytes, and shared the way switches share their buffers (Choudhury and Hahne,
//! 1998): a lane may hold a quarter of what is free, so it gets less as room gets scarce. It starts with little and earns more
//! with each answer. So there is always room for an endpoint that was idle, even while many others are slow. An account has a
//! [share](account_max) too, over all its lanes, and lanes are filled account by account in turn. Endpoints that have stopped
//! answering hold next to nothing, and a quarter of the room between them.

use foldhash::HashMap;

use crate::share::account_max;
use crate::turns::{LaneName, Turns};

/// What a lane may hold before its endpoint has answered.
pub const LANE_FIRST_MAX: usize = 64;
/// What an endpoint that does not answer may hold.
pub const THROTTLED_LANE_MAX: usize = 2;
/// How much more each answer lets a lane hold.
const EARNED_PER_ANSWER: usize = 4;
/// What a lane may hold while less than an eighth of all room is free, and while less than a sixteenth is.
const SCARCE_LANE_MAX: usize = 4;
const LAST_LANE_MAX: usize = 1;
/// The share of the free room that one lane may hold, and of all room that throttled lanes may.
const SHARE: usize = 4;

/// How much may be held in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomLimits {
    /// Deliveries per lane, at most a quarter of what is free.
    pub lane_deliveries_max: usize,
    /// Deliveries in all.
    pub deliveries_max: usize,
    /// Payload bytes in all. A payload that several deliveries share counts once.
    pub bytes_max: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self { lane_deliveries_max: 2_048, deliveries_max: 8_192, bytes_max: 32 << 20 }
    }
}

/// An event's payload, as room counts it: all deliveries of the event share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadSize {
    /// What names the event.
    pub event: i64,
    /// Its length in bytes.
    pub bytes: usize,
}

#[derive(Debug, Default, Clone, Copy)]
struct LaneRoom {
    held: usize,
    bytes: usize,
    /// What its endpoint's answers have earned it on top of [`LANE_FIRST_MAX`].
    earned: usize,
    /// Deliveries of this lane wait in the store.
    has_backlog: bool,
    /// Its endpoint has stopped answering.
    is_throttled: bool,
    /// It stands in the queue of lanes to be filled.
    is_queued: bool,
}

/// What the lanes of one account hold together.
#[derive(Debug, Default, Clone, Copy)]
struct AccountRoom {
    held: usize,
    /// Of payloads, each counted once.
    bytes: usize,
}

/// A payload in memory.
#[derive(Debug, Clone, Copy)]
struct HeldPayload {
    holders: usize,
    bytes: usize,
}

/// What is held now, lane by lane. `L` names a lane.
#[derive(Debug)]
pub struct Room<L: LaneName> {
    limits: RoomLimits,
    lanes: HashMap<L, LaneRoom>,
    accounts: HashMap<L::Account, AccountRoom>,
    deliveries: usize,
    payloads: HashMap<i64, HeldPayload>,
    bytes: usize,
    /// Deliveries of throttled lanes.
    throttled: usize,
    /// Lanes with a backlog and room, to be filled in turn. A name that is not wanting any more is passed over.
    wanting: Turns<L::Account, L>,
    wanting_throttled: Turns<L::Account, L>,
}

impl<L: LaneName> Room<L> {
    /// Empty room.
    pub fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            lanes: HashMap::default(),
            accounts: HashMap::default(),
            deliveries: 0,
            payloads: HashMap::default(),
            bytes: 0,
            throttled: 0,
            wanting: Turns::default(),
            wanting_throttled: Turns::default(),
        }
    }

    /// Deliveries held now.
    pub const fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// How many deliveries a lane may hold now.
    fn lane_max(&self, lane: LaneRoom) -> usize {
        let total = self.limits.deliveries_max;
        let free = total.saturating_sub(self.deliveries);
        if lane.is_throttled {
            return if self.throttled < total / SHARE && free > 0 { THROTTLED_LANE_MAX } else { 0 };
        }
        let earned = self.limits.lane_deliveries_max.min(LANE_FIRST_MAX + lane.earned);
        let shared = match free {
            0 => 0,
            free if free < total / 16 => LAST_LANE_MAX,
            free if free < total / 8 => SCARCE_LANE_MAX,
            free => (free / SHARE).max(1),
        };
        earned.min(shared)
    }

    /// How many deliveries more an account may hold now, over all its lanes.
    fn account_room(&self, account: &L::Account) -> usize {
        let held = self.accounts.get(account).copied().unwrap_or_default();
        let free_bytes = self.limits.bytes_max.saturating_sub(self.bytes);
        if held.held > 0 && held.bytes > account_max(free_bytes) {
            return 0;
        }
        account_max(self.limits.deliveries_max.saturating_sub(self.deliveries)).saturating_sub(held.held)
    }

    /// An empty room takes a payload of any size, or the largest would never leave.
    fn fits(&self, lane: LaneRoom, account: &L::Account, payload: PayloadSize) -> bool {
        let free_bytes = self.limits.bytes_max.saturating_sub(self.bytes);
        let first_fits = payload.bytes <= free_bytes || self.payloads.contains_key(&payload.event);
        let bytes_fit = lane.bytes + payload.bytes <= free_bytes / SHARE || (lane.held == 0 && first_fits);
        let count_fits = lane.held < self.lane_max(lane) && self.deliveries < self.limits.deliveries_max;
        self.deliveries == 0 || (count_fits && bytes_fit && self.account_room(account) > 0)
    }

    /// Counts one more holder of a payload of `account`.
    fn hold(&mut self, account: &L::Account, payload: PayloadSize) {
        let held = self.payloads.entry(payload.event).or_insert(HeldPayload { holders: 0, bytes: payload.bytes });
        let bytes = if held.holders == 0 { held.bytes } else { 0 };
        held.holders += 1;
        self.bytes += bytes;
        let room = self.accounts.entry(account.clone()).or_default();
        room.held += 1;
        room.bytes += bytes;
    }

    /// Counts one holder less; the last one frees the payload's bytes.
    fn let_go(&mut self, account: &L::Account, payload: PayloadSize) {
        let mut freed = 0;
        if let Some(held) = self.payloads.get_mut(&payload.event) {
            held.holders -= 1;
            if held.holders == 0 {
                freed = held.bytes;
                self.payloads.remove(&payload.event);
            }
        }
        self.bytes = self.bytes.saturating_sub(freed);
        if let Some(room) = self.accounts.get_mut(account) {
            room.held = room.held.saturating_sub(1);
            room.bytes = room.bytes.saturating_sub(freed);
            if room.held == 0 {
                self.accounts.remove(account);
            }
        }
    }

    /// Reserves room for one new delivery. It gets none while others of its lane wait in the store, so that a lane stays in
    /// order. Without room the lane is marked as having a backlog.
    pub fn reserve_new(&mut self, lane: &L, payload: PayloadSize) -> bool {
        if self.lanes.get(lane).is_some_and(|lane| lane.has_backlog) {
            return false;
        }
        let fits = self.reserve(lane, payload);
        if !fits {
            self.set_backlog(lane, true);
        }
        fits
    }

    /// Reserves room for one delivery that is claimed from the store, if it fits.
    pub fn reserve(&mut self, lane: &L, payload: PayloadSize) -> bool {
        let found = self.lanes.get(lane).copied().unwrap_or_default();
        if !self.fits(found, lane.account(), payload) {
            return false;
        }
        self.deliveries += 1;
        self.hold(lane.account(), payload);
        self.throttled += usize::from(found.is_throttled);
        let lane = self.lanes.entry(lane.clone()).or_default();
        lane.held += 1;
        lane.bytes += payload.bytes;
        debug_assert!(self.deliveries <= self.limits.deliveries_max.max(1), "more is held than may be");
        true
    }

    /// Gives a delivery's room back. An endpoint that has `answered` is not throttled any more. Whether a lane is to be filled.
    pub fn release(&mut self, lane: &L, payload: PayloadSize, answered: bool) -> bool {
        self.deliveries = self.deliveries.saturating_sub(1);
        self.let_go(lane.account(), payload);
        let Some(found) = self.lanes.get_mut(lane) else { return false };
        found.held = found.held.saturating_sub(1);
        found.bytes = found.bytes.saturating_sub(payload.bytes);
        if answered {
            found.earned = (found.earned + EARNED_PER_ANSWER).min(self.limits.lane_deliveries_max);
        }
        if found.is_throttled {
            self.throttled = self.throttled.saturating_sub(1);
            self.set_throttled(lane, !answered);
        }
        self.queue(lane);
        self.forget_if_idle(lane);
        let may = |account: &L::Account| self.account_room(account) > 0;
        self.wanting.any(may) || self.wanting_throttled.any(may)
    }

    /// Notes whether deliveries of a lane wait in the store.
    pub fn set_backlog(&mut self, lane: &L, has_backlog: bool) {
        self.lanes.entry(lane.clone()).or_default().has_backlog = has_backlog;
        self.queue(lane);
        self.forget_if_idle(lane);
    }

    /// An endpoint has stopped answering: until it answers, it may hold next to nothing.
    pub fn throttle(&mut self, lane: &L) {
        self.set_throttled(lane, true);
        self.queue(lane);
    }

    /// Puts every lane with a backlog back into its queue: a claim round failed.
    pub fn queue_all(&mut self) {
        let mut lanes: Vec<L> = self.lanes.iter().filter(|(_, lane)| lane.has_backlog).map(|(key, _)| key.clone()).collect();
        lanes.sort_unstable();
        for lane in &lanes {
            self.queue(lane);
        }
    }

    /// Puts a lane into the queue of those to be filled, if it has a backlog and at least half its room is free. Lanes are
    /// filled in large steps, not delivery by delivery.
    pub fn queue(&mut self, lane: &L) {
        let Some(found) = self.lanes.get(lane).copied() else { return };
        if found.is_queued || !found.has_backlog || found.held > self.lane_max(found) / 2 {
            return;
        }
        self.turns(found.is_throttled).push_back(lane.account(), lane.clone());
        if let Some(found) = self.lanes.get_mut(lane) {
            found.is_queued = true;
        }
    }

    /// The next lanes to be filled, each with its room. Those whose endpoints answer go first.
    pub fn take_wanting(&mut self, lanes_max: usize) -> Vec<(L, usize)> {
        let mut lanes: Vec<_> = std::iter::from_fn(|| self.next_wanting(false)).take(lanes_max).collect();
        let rest = lanes_max - lanes.len();
        lanes.extend(std::iter::from_fn(|| self.next_wanting(true)).take(rest));
        lanes
    }

    fn next_wanting(&mut self, is_throttled: bool) -> Option<(L, usize)> {
        loop {
            let mut turns = std::mem::take(self.turns(is_throttled));
            let key = turns.pop(|account, _| self.account_room(account) > 0);
            *self.turns(is_throttled) = turns;
            let key = key?;
            let stands_here = |lane: &LaneRoom| lane.is_queued && lane.is_throttled == is_throttled;
            let Some(lane) = self.lanes.get(&key).copied().filter(stands_here) else { continue };
            let room = self.lane_max(lane).saturating_sub(lane.held).min(self.account_room(key.account()));
            if room == 0 {
                self.turns(is_throttled).push_front(&key.account().clone(), key);
                return None;
            }
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.is_queued = false;
            }
            if lane.has_backlog {
                return Some((key, room));
            }
        }
    }

    fn turns(&mut self, is_throttled: bool) -> &mut Turns<L::Account, L> {
        if is_throttled { &mut self.wanting_throttled } else { &mut self.wanting }
    }

    fn forget_if_idle(&mut self, lane: &L) {
        if self.lanes.get(lane).is_some_and(|lane| lane.held == 0 && !lane.has_backlog) {
            self.lanes.remove(lane);
        }
    }

    fn set_throttled(&mut self, lane: &L, is_throttled: bool) {
        let Some(found) = self.lanes.get_mut(lane).filter(|lane| lane.is_throttled != is_throttled) else { return };
        found.is_throttled = is_throttled;
        found.is_queued = false; // it stood in the other queue
        let held = found.held;
        self.throttled = if is_throttled { self.throttled + held } else { self.throttled.saturating_sub(held) };
    }
}

#[cfg(test)]
mod tests;
