//! Which events an endpoint wants.

use std::collections::BTreeSet;

use crate::EventType;

/// An endpoint's choice among its contract's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFilter {
    /// Every event, also of types that the contract gains later.
    All,
    /// These types only.
    Only(BTreeSet<EventType>),
}

impl EventFilter {
    /// Whether an event of this type goes to the endpoint.
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self {
            Self::All => true,
            Self::Only(types) => types.contains(event_type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_chosen_types_match() {
        let chosen = EventType::try_new("order:shipped").unwrap();
        let other = EventType::try_new("order:shipped.late").unwrap();
        let filter = EventFilter::Only([chosen.clone()].into());
        assert!(filter.matches(&chosen) && !filter.matches(&other));
        assert!(EventFilter::All.matches(&other));
        assert!(!EventFilter::Only(BTreeSet::new()).matches(&chosen));
    }
}
