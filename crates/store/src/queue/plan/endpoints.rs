//! An account's endpoints, as planning looks through them.
//!
//! Most accounts have a few, and asking each whether it takes an event is as quick as anything. One with thousands, which are kept
//! from one commit to the next, has them by what they want: an event then costs as much as the endpoints that it goes to, however many
//! there are.

use bellwire_domain::{EventFilter, EventType, Recipient};
use foldhash::HashMap;

use crate::queue::publication::SealedEvent;
use crate::rows::endpoint::RecipientColumns;

/// From so many endpoints on, what they want is worth an index.
const INDEXED_FROM: usize = 16;
/// About what an endpoint takes beside its texts, and a type in a filter or in the index.
const ENDPOINT_BYTES: usize = size_of::<PlannedEndpoint>() + 64;
const TYPE_BYTES: usize = 48;

/// One of an account's endpoints.
pub(crate) struct PlannedEndpoint {
    pub(super) lane: i64,
    pub(super) version: i64,
    pub(super) recipient: Recipient,
    /// What it has chosen of its contract's options.
    options: Option<String>,
}

impl From<RecipientColumns> for PlannedEndpoint {
    fn from(columns: RecipientColumns) -> Self {
        let (lane, version, options) = (columns.lane, columns.version, columns.options.clone());
        Self { lane, version, recipient: columns.into(), options }
    }
}

impl PlannedEndpoint {
    /// Whether an event makes a delivery for it.
    fn takes(&self, event: &SealedEvent) -> bool {
        let event_wanted = event.event.wanted.as_ref();
        let is_wanted = || event_wanted.is_none_or(|wanted| wanted.by_options(self.options.as_deref()));
        self.recipient.takes(event.offer()) && (event.event.only_endpoint.is_some() || is_wanted())
    }
}

/// An account's endpoints, in the order of their ids.
#[derive(Default)]
pub(crate) struct PlannedEndpoints {
    list: Vec<PlannedEndpoint>,
    /// Those whose counters have changed, each perhaps several times.
    changed: Vec<usize>,
    index: Option<Index>,
}

/// Where in the list those stand that may want an event.
struct Index {
    /// Of any type.
    all: Vec<usize>,
    /// Of one type.
    only: HashMap<EventType, Vec<usize>>,
}

impl Index {
    fn of(list: &[PlannedEndpoint]) -> Self {
        let mut index = Self { all: Vec::new(), only: HashMap::default() };
        for (at, endpoint) in list.iter().enumerate() {
            match &endpoint.recipient.filter {
                EventFilter::All => index.all.push(at),
                EventFilter::Only(types) => {
                    for event_type in types {
                        index.only.entry(event_type.clone()).or_default().push(at);
                    }
                }
            }
        }
        index
    }

    /// Those that may want an event of this type, in their order.
    fn of_type(&self, event_type: &EventType) -> Vec<usize> {
        let mut found = self.all.clone();
        if let Some(only) = self.only.get(event_type) {
            found.extend_from_slice(only);
            found.sort_unstable();
        }
        found
    }
}

impl PlannedEndpoints {
    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    /// Those for which an event makes a delivery, in their order.
    pub(super) fn takers<'s>(&'s self, event: &'s SealedEvent) -> impl Iterator<Item = &'s PlannedEndpoint> {
        self.places(event).into_iter().filter_map(|at| self.list.get(at)).filter(|endpoint| endpoint.takes(event))
    }

    /// Gives each of them the number of its next delivery; how many they are.
    pub(super) fn number(&mut self, event: &SealedEvent, mut deliver: impl FnMut(&PlannedEndpoint, i64)) -> i64 {
        let mut count = 0;
        for at in self.places(event) {
            let Some(endpoint) = self.list.get_mut(at).filter(|endpoint| endpoint.takes(event)) else { continue };
            let number = endpoint.recipient.next_number();
            deliver(endpoint, number);
            count += 1;
            if self.changed.last() != Some(&at) {
                self.changed.push(at);
            }
        }
        count
    }

    /// The places of those that may take an event, in their order.
    fn places(&self, event: &SealedEvent) -> Vec<usize> {
        match (&self.index, &event.event.only_endpoint) {
            (None, _) => (0..self.len()).collect(),
            (Some(_), Some(only)) => {
                let found = self.list.binary_search_by(|endpoint| endpoint.recipient.id.as_str().cmp(only.as_str()));
                found.ok().into_iter().collect()
            }
            (Some(index), None) => index.of_type(&event.event.event_type),
        }
    }

    /// Those whose counters have changed, each once.
    pub(super) fn changed(&self) -> impl Iterator<Item = &PlannedEndpoint> {
        let mut changed = self.changed.clone();
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().filter_map(|at| self.list.get(at))
    }

    /// About what they take in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let types = |endpoint: &PlannedEndpoint| match &endpoint.recipient.filter {
            EventFilter::All => 0,
            EventFilter::Only(types) => types.iter().map(|name| 2 * (TYPE_BYTES + name.as_str().len())).sum(),
        };
        let options = |endpoint: &PlannedEndpoint| endpoint.options.as_ref().map_or(0, String::len);
        self.list.iter().map(|endpoint| ENDPOINT_BYTES + types(endpoint) + options(endpoint)).sum()
    }

    /// As they are for the next commit, with an index if it is worth it.
    pub(crate) fn kept(mut self) -> Self {
        self.changed.clear();
        if self.index.is_none() && self.len() >= INDEXED_FROM {
            self.index = Some(Index::of(&self.list));
        }
        self
    }
}

impl FromIterator<RecipientColumns> for PlannedEndpoints {
    fn from_iter<I: IntoIterator<Item = RecipientColumns>>(columns: I) -> Self {
        Self { list: columns.into_iter().map(PlannedEndpoint::from).collect(), ..Self::default() }
    }
}

impl Extend<RecipientColumns> for PlannedEndpoints {
    fn extend<I: IntoIterator<Item = RecipientColumns>>(&mut self, columns: I) {
        self.list.extend(columns.into_iter().map(PlannedEndpoint::from));
    }
}
