//! Changes of what an endpoint has chosen: event types that are added to the others, or taken from them. What it has at that moment
//! is known in the transaction alone, so that of two changes at once none is lost.

use std::collections::BTreeSet;

use bellwire_contract::EventChoice;
use bellwire_domain::{EventFilter, EventType, FilterChange};
use bellwire_store::Endpoint;

use crate::endpoint_rules::{ANY, EndpointRules, entitled};
use crate::{AccountAccess, App, AppError, Fault, Resource};

/// Event types that are added to those that an endpoint gets, and taken from them; by their names, aliases or groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChoicePatch {
    /// Those that it is to get as well.
    pub add: Vec<String>,
    /// Those that it is not to get any more.
    pub remove: Vec<String>,
    /// Whether it is refused where it would change nothing.
    pub must_change: bool,
}

impl EndpointRules<'_> {
    /// What is to change of an endpoint's choice, if anything is.
    pub(crate) fn check_choice(&self, asked: &ChoicePatch, faults: &mut Vec<Fault>) -> Result<Option<FilterChange>, AppError> {
        let ChoicePatch { add, remove, must_change } = asked;
        if add.is_empty() && remove.is_empty() {
            return Ok(None);
        }
        if self.contract.subscription().events == EventChoice::All {
            faults.push(Fault::new("/add_events", "under this contract every endpoint gets every event"));
            return Ok(None);
        }
        let added = self.check_types("/add_events", add, faults);
        let removed: BTreeSet<EventType> = remove.iter().flat_map(|text| self.named(text)).collect();
        if *must_change && removed.is_empty() && !remove.is_empty() {
            return Err(AppError::NotFound(Resource::Choice)); // what is no name of a type is not chosen
        }
        let is_listed = self.contract.any_event().is_none();
        let given = self.contract.events().iter().filter(|event| entitled(self.account, event));
        let all = is_listed.then(|| given.map(|event| event.event_type.clone()).collect());
        Ok(Some(FilterChange { added, removed, all, must_change: *must_change }))
    }

    /// The types of a name. One that nobody knows stands for itself.
    fn named(&self, text: &str) -> Vec<EventType> {
        let group = self.contract.group(text);
        if !group.is_empty() {
            return group.into_iter().map(|event| event.event_type.clone()).collect();
        }
        match self.contract.event(text).filter(|event| event.event_type.as_str() != ANY) {
            Some(event) => vec![event.event_type.clone()],
            None => EventType::try_new(text).into_iter().collect(),
        }
    }
}

impl App {
    /// Whether an endpoint gets events of a type, by its name or an alias.
    pub fn gets_event(&self, access: &AccountAccess, endpoint: &Endpoint, event_type: &str) -> bool {
        let own = access.contract().ok().and_then(|contract| contract.event(event_type));
        let name = own.map(|event| event.event_type.as_str()).filter(|name| *name != ANY).unwrap_or(event_type);
        match &endpoint.filter {
            EventFilter::Only(types) => types.iter().any(|chosen| chosen.as_str() == name),
            EventFilter::All => own.is_some_and(|event| entitled(access.account(), event)),
        }
    }
}
