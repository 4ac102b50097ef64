//! Fan-out: which endpoints an event goes to, and the numbers it gets.
//!
//! An event gets the next `seq` of its account's log; each of its deliveries gets the next `number` of its endpoint. Both come
//! from counters that are written in the same transaction as the event, so neither has gaps.

use crate::{EndpointId, EventFilter, EventType, Gate, HealthStatus};

/// What fan-out has to know of an event.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'e> {
    /// Its type.
    pub event_type: &'e EventType,
    /// Only this endpoint, whatever its filter and its switch say.
    pub only: Option<&'e EndpointId>,
    /// Whether it is a test event.
    pub is_test: bool,
}

/// What fan-out has to know of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its id.
    pub id: EndpointId,
    /// Which events it wants.
    pub filter: EventFilter,
    /// Whether it is sent to.
    pub gate: Gate,
    /// Whether it has never been active, since its contract wants a handshake first.
    pub is_unproven: bool,
    /// The `number` of its latest delivery.
    pub last_number: i64,
}

impl Recipient {
    /// Whether the event makes a delivery for this endpoint. A failed endpoint still gets deliveries: they wait for a resume. So does one
    /// that has to prove itself again, but not one that never has: its backlog might be its account's whole share. One whose lease has
    /// ended takes nothing.
    pub fn takes(&self, offer: Offer<'_>) -> bool {
        if self.gate.health == HealthStatus::Expired {
            return false;
        }
        match offer.only {
            Some(only) => *only == self.id,
            None => self.gate.enabled && !self.is_unproven && self.filter.matches(offer.event_type),
        }
    }

    /// Whether that delivery may be attempted at once.
    pub const fn admits(&self, offer: Offer<'_>) -> bool {
        self.gate.admits(offer.is_test)
    }

    /// The number of the next delivery.
    pub const fn next_number(&mut self) -> i64 {
        self.last_number += 1;
        self.last_number
    }
}

/// An account's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Log {
    /// The `seq` of its latest event.
    pub last_seq: i64,
    /// Its live deliveries.
    pub pending: i64,
}

impl Log {
    /// The `seq` of the next event.
    pub const fn next_seq(&mut self) -> i64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Whether so many more deliveries fit a backlog of at most `backlog_max`. Nothing to add always fits.
    pub fn fits(&self, added: usize, backlog_max: i64) -> bool {
        let room = backlog_max.saturating_sub(self.pending);
        added == 0 || i64::try_from(added).is_ok_and(|added| added <= room)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HealthStatus;

    fn recipient(id: &str, enabled: bool, health: HealthStatus) -> Recipient {
        let filter = EventFilter::Only([EventType::try_new("order").unwrap()].into());
        Recipient {
            id: EndpointId::try_new(id).unwrap(),
            filter,
            gate: Gate { enabled, health },
            is_unproven: false,
            last_number: 0,
        }
    }

    #[test]
    fn who_takes_what() {
        let (order, refill) = (EventType::try_new("order").unwrap(), EventType::try_new("refill").unwrap());
        let (a, b) = (EndpointId::try_new("a").unwrap(), EndpointId::try_new("b").unwrap());
        let event = |event_type, only, is_test| Offer { event_type, only, is_test };
        for (enabled, health, offer, takes, admits) in [
            (true, HealthStatus::Active, event(&order, None, false), true, true),
            (true, HealthStatus::Active, event(&refill, None, false), false, true),
            (true, HealthStatus::Failed, event(&order, None, false), true, false),
            (false, HealthStatus::Active, event(&order, None, false), false, false),
            (false, HealthStatus::Active, event(&refill, Some(&a), true), true, true),
            (false, HealthStatus::Failed, event(&refill, Some(&a), true), true, false),
            (true, HealthStatus::Active, event(&order, Some(&b), true), false, true),
        ] {
            let recipient = recipient("a", enabled, health);
            assert_eq!((recipient.takes(offer), recipient.admits(offer)), (takes, admits), "{recipient:?} {offer:?}");
        }
        let again = recipient("a", true, HealthStatus::Pending);
        let never = Recipient { is_unproven: true, ..again.clone() };
        assert!(again.takes(event(&order, None, false)) && !never.takes(event(&order, None, false)));
        assert!(never.takes(event(&order, Some(&a), true)), "a test event waits for it");
        let over = recipient("a", true, HealthStatus::Expired);
        assert!(!over.takes(event(&order, None, false)) && !over.takes(event(&order, Some(&a), true)));
    }

    proptest! {
        #[test]
        fn counters_have_no_gaps_and_the_backlog_is_bounded(added in proptest::collection::vec(0usize..20, 0..50), max in 0i64..200) {
            let (mut log, mut recipient) = (Log::default(), recipient("a", true, HealthStatus::Active));
            for (index, count) in (1i64..).zip(added) {
                prop_assert_eq!((log.next_seq(), recipient.next_number()), (index, index));
                if log.fits(count, max) {
                    log.pending += i64::try_from(count).unwrap();
                }
                prop_assert!(log.pending <= max);
            }
        }
    }
}
