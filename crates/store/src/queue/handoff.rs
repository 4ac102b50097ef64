//! The hand-off: how deliveries that were just committed, or just claimed, reach the engine in memory.
//!
//! Room is reserved *before* the commit. With room, a delivery is committed as claimed by this process and its payload goes
//! straight to its lane. Without, it is committed unclaimed and its lane is marked as having a backlog in the store, to be
//! claimed when the lane has drained. Losing the hand-off is always safe, because the rows say everything.
//!
//! [`Room`] decides who may hold how much. What was reserved is a [`Reserved`], which gives its room back unless it is kept.

use std::sync::Arc;

use bellwire_domain::{PayloadSize, Room, RoomLimits};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc};

use super::delivery::ClaimedDelivery;
use super::held_events::HeldEvents;
use crate::rows::lane::LaneKey;

/// The hand-off of one store.
#[derive(Debug)]
pub(crate) struct HandOff {
    room: Mutex<Room<LaneKey>>,
    sender: mpsc::UnboundedSender<Vec<ClaimedDelivery>>,
    /// The events that somebody holds.
    pub(crate) events: HeldEvents,
    /// Told when a lane with a backlog has room again, or work has become claimable otherwise.
    pub(crate) claimable: Notify,
}

impl HandOff {
    /// The channel carries only deliveries with reserved room, which bounds it.
    pub(crate) fn new(limits: RoomLimits) -> (Arc<Self>, mpsc::UnboundedReceiver<Vec<ClaimedDelivery>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let room = Mutex::new(Room::new(limits));
        (Arc::new(Self { room, sender, events: HeldEvents::default(), claimable: Notify::new() }), receiver)
    }

    /// The room, locked: for a series of reservations.
    pub(crate) fn room(&self) -> MutexGuard<'_, Room<LaneKey>> {
        self.room.lock()
    }

    /// Gives a delivery's room back. An endpoint that has `answered` is not throttled any more.
    pub(crate) fn release(&self, lane: &LaneKey, payload: PayloadSize, answered: bool) {
        let is_wanted = self.room.lock().release(lane, payload, answered);
        if is_wanted {
            self.claimable.notify_one();
        }
    }

    /// Gives back the room of a delivery that nobody attempted.
    pub(crate) fn release_delivery(&self, delivery: &ClaimedDelivery) {
        self.release(&delivery.lane(), delivery.payload(), false);
    }

    /// Marks lanes as having work in the store.
    pub(crate) fn mark_backlog(&self, lanes: impl IntoIterator<Item = LaneKey>) {
        let mut room = self.room.lock();
        for lane in lanes {
            room.set_backlog(&lane, true);
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
}

/// What takes up room.
pub(crate) trait TakesRoom {
    /// Whose room.
    fn lane(&self) -> LaneKey;

    /// How much.
    fn payload(&self) -> PayloadSize;
}

impl TakesRoom for ClaimedDelivery {
    fn lane(&self) -> LaneKey {
        self.lane()
    }

    fn payload(&self) -> PayloadSize {
        self.payload()
    }
}

/// Things with reserved room. Dropped, as when their transaction fails, they give it back.
pub(crate) struct Reserved<T: TakesRoom> {
    handoff: Arc<HandOff>,
    pub(crate) held: Vec<T>,
    /// Lanes in which more may be attempted once this is committed.
    pub(crate) woken: Vec<LaneKey>,
}

impl<T: TakesRoom> Reserved<T> {
    /// Nothing yet. Whoever adds to `held` has reserved room for it.
    pub(crate) fn none(handoff: &Arc<HandOff>, capacity: usize) -> Self {
        Self { handoff: Arc::clone(handoff), held: Vec::with_capacity(capacity), woken: Vec::new() }
    }

    /// Keeps the room: what was reserved is committed.
    pub(crate) fn keep(mut self) -> Vec<T> {
        std::mem::take(&mut self.held)
    }

    /// Makes it into something else that takes the same room.
    pub(crate) fn map<U: TakesRoom>(mut self, change: impl FnMut(T) -> U) -> Reserved<U> {
        let (handoff, woken) = (Arc::clone(&self.handoff), std::mem::take(&mut self.woken));
        Reserved { handoff, held: self.keep().into_iter().map(change).collect(), woken }
    }
}

impl Reserved<ClaimedDelivery> {
    /// Hands it to the engine.
    pub(crate) fn send(mut self) {
        let (handoff, woken) = (Arc::clone(&self.handoff), std::mem::take(&mut self.woken));
        handoff.send(self.keep());
        if !woken.is_empty() {
            handoff.mark_backlog(woken);
        }
    }
}

impl<T: TakesRoom> Drop for Reserved<T> {
    fn drop(&mut self) {
        for held in &self.held {
            self.handoff.release(&held.lane(), held.payload(), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{AccountId, EndpointId};

    use super::*;

    struct Holder(LaneKey);

    impl TakesRoom for Holder {
        fn lane(&self) -> LaneKey {
            self.0.clone()
        }

        fn payload(&self) -> PayloadSize {
            PayloadSize { event: 7, bytes: 3 }
        }
    }

    fn reserved(handoff: &Arc<HandOff>) -> Reserved<Holder> {
        let lane = LaneKey { account_id: AccountId::try_new("a").unwrap(), endpoint_id: EndpointId::try_new("e").unwrap() };
        let mut reserved = Reserved::none(handoff, 1);
        let holder = Holder(lane);
        assert!(handoff.room().reserve_new(&holder.lane(), holder.payload()));
        reserved.held.push(holder);
        reserved
    }

    #[test]
    fn what_is_not_kept_gives_its_room_back() {
        let (handoff, _receiver) = HandOff::new(RoomLimits::default());
        drop(reserved(&handoff));
        assert_eq!(handoff.room().deliveries(), 0);
        drop(reserved(&handoff).map(|holder| holder));
        assert_eq!(handoff.room().deliveries(), 0);
        drop(reserved(&handoff).keep());
        assert_eq!(handoff.room().deliveries(), 1);
    }
}
