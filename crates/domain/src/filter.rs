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

/// What is added to an endpoint's choice and taken from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilterChange {
    /// Types that it gets from then on.
    pub added: BTreeSet<EventType>,
    /// Types that it does not get any more.
    pub removed: BTreeSet<EventType>,
    /// Every type that there is, for an endpoint that gets all; `None`: nobody can list them.
    pub all: Option<BTreeSet<EventType>>,
    /// Whether it is refused where it would change nothing.
    pub must_change: bool,
}

/// Why a choice is not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// What is added was chosen already.
    Chosen,
    /// What is removed was not chosen.
    NotChosen,
    /// It gets every type, and those that are left cannot be listed.
    GetsAll,
}

impl EventFilter {
    /// This choice with a change. Without its last type it is a choice of nothing.
    ///
    /// # Errors
    /// Nothing would change, and has to; or what is left of all types cannot be listed.
    pub fn changed(&self, change: &FilterChange) -> Result<Self, Unchanged> {
        let FilterChange { added, removed, all, must_change } = change;
        let is_given = |types: &BTreeSet<EventType>| *must_change && !types.is_empty();
        let mut types = match self {
            Self::Only(types) => types.clone(),
            Self::All if removed.is_empty() => return if is_given(added) { Err(Unchanged::Chosen) } else { Ok(Self::All) },
            Self::All => all.clone().ok_or(Unchanged::GetsAll)?,
        };
        if is_given(added) && added.is_subset(&types) {
            return Err(Unchanged::Chosen);
        }
        if is_given(removed) && removed.is_disjoint(&types) {
            return Err(Unchanged::NotChosen);
        }
        types.extend(added.iter().cloned());
        types.retain(|one| !removed.contains(one));
        Ok(Self::Only(types))
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
    #[test]
    fn types_are_added_and_removed_and_what_changes_nothing_is_told() {
        let types = |names: &[&str]| names.iter().map(|name| EventType::try_new(name).unwrap()).collect::<BTreeSet<_>>();
        let change = |added: &[&str], removed: &[&str]| FilterChange {
            added: types(added),
            removed: types(removed),
            all: Some(types(&["a", "b", "c"])),
            must_change: true,
        };
        let only = |names: &[&str]| Ok(EventFilter::Only(types(names)));
        let none = EventFilter::Only(BTreeSet::new());
        assert_eq!(none.changed(&change(&["a"], &[])), only(&["a"]));
        let one = EventFilter::Only(types(&["a"]));
        assert_eq!(one.changed(&change(&["a", "b"], &[])), only(&["a", "b"]));
        assert_eq!(one.changed(&change(&["a"], &[])), Err(Unchanged::Chosen));
        assert_eq!(one.changed(&change(&[], &["a"])), Ok(none.clone()), "nothing, and not everything");
        assert_eq!(one.changed(&change(&[], &["b"])), Err(Unchanged::NotChosen));
        assert_eq!(one.changed(&change(&["b"], &["a"])), only(&["b"]));
        let may = |change: FilterChange| FilterChange { must_change: false, ..change };
        assert_eq!(one.changed(&may(change(&["a"], &["b"]))), Ok(one.clone()));
        assert_eq!(EventFilter::All.changed(&may(change(&["a"], &[]))), Ok(EventFilter::All));
        assert_eq!(EventFilter::All.changed(&change(&["a"], &[])), Err(Unchanged::Chosen));
        assert_eq!(EventFilter::All.changed(&change(&[], &["b"])), only(&["a", "c"]));
        let unlisted = FilterChange { all: None, ..change(&[], &["b"]) };
        assert_eq!(EventFilter::All.changed(&may(unlisted)), Err(Unchanged::GetsAll));
    }
}
