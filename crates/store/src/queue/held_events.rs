//! Events whose payload is in memory, because some of their deliveries are held: others of their deliveries, claimed meanwhile,
//! share it. So the payload of an event with ten endpoints is read, opened and kept once, not ten times.

use std::sync::{Arc, Weak};

use bellwire_domain::EventId;
use foldhash::HashMap;
use parking_lot::Mutex;

use super::delivery::ClaimedEvent;

/// Names kept at least before those of dropped events are looked for.
const CLEANED_FROM: usize = 1_024;

/// The events, by their places. It keeps none of them in memory itself.
#[derive(Debug, Default)]
pub(crate) struct HeldEvents(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    by_place: HashMap<i64, Weak<ClaimedEvent>>,
    /// With how many names dropped events are looked for next: twice as many as were left the last time.
    cleaned_at: usize,
}

impl HeldEvents {
    /// Lets others find the event for as long as somebody holds it.
    pub(crate) fn add(&self, place: i64, event: &Arc<ClaimedEvent>) {
        let mut events = self.0.lock();
        if events.by_place.len() >= events.cleaned_at.max(CLEANED_FROM) {
            events.by_place.retain(|_, event| event.strong_count() > 0);
            events.cleaned_at = events.by_place.len() * 2;
        }
        events.by_place.insert(place, Arc::downgrade(event));
    }

    /// The event with this id at this place. A place may come again with another id, when a database goes back to an earlier
    /// state under a running process.
    pub(crate) fn find(&self, place: i64, id: &EventId) -> Option<Arc<ClaimedEvent>> {
        let found = self.0.lock().by_place.get(&place)?.upgrade()?;
        (found.id == *id).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{EventType, Timestamp};

    use super::*;

    fn event(id: &str) -> Arc<ClaimedEvent> {
        Arc::new(ClaimedEvent {
            id: EventId::try_new(id).unwrap(),
            event_type: EventType::try_new("a").unwrap(),
            occurred_at: Timestamp::from_micros(0),
            seq: 1,
            is_test: false,
            has_subjects: false,
            size: 0,
            data: None,
        })
    }

    #[test]
    fn an_event_is_found_while_it_is_held_and_not_by_another_id() {
        let (events, held) = (HeldEvents::default(), event("a"));
        events.add(7, &held);
        assert!(events.find(7, &held.id).is_some_and(|found| Arc::ptr_eq(&found, &held)));
        assert!(events.find(7, &EventId::try_new("b").unwrap()).is_none());
        assert!(events.find(8, &held.id).is_none());
        let id = held.id.clone();
        drop(held);
        assert!(events.find(7, &id).is_none());
    }

    #[test]
    fn names_of_dropped_events_do_not_pile_up() {
        let (events, kept) = (HeldEvents::default(), event("kept"));
        events.add(0, &kept);
        for place in 1..100_000 {
            events.add(place, &event("dropped"));
            assert!(events.0.lock().by_place.len() <= CLEANED_FROM + 1);
        }
        assert!(events.find(0, &kept.id).is_some());
    }
}
