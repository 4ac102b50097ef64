//! What people and platforms ask of the store: accounts, endpoints, keys, events, deliveries, resources and replays.
//!
//! Each file has the statements of one kind of record, over either database. [`Records`] is the facade for the use-cases: it
//! sends each operation to the writer or to a reader, and forgets what is in memory of whatever has changed.
//!
//! To add an operation: write its statement in the file of its record and list it in that file's `statements()`, which a test
//! prepares on both databases; give [`Records`] a method; add a case to `tests/conformance`.

mod accounts;
mod bulk_retries;
mod deliveries;
mod delivery_list;
mod delivery_numbers;
mod description;
mod disclosures;
mod endpoints;
mod erasures;
mod events;
pub(crate) mod facade;
mod finding;
mod holds;
mod incidents;
mod keys;
mod replays;
mod resources;
mod rollups;
pub(crate) mod sessions;
pub(crate) mod standing;
pub(crate) mod watching;

pub use accounts::{PutAccount, PutAccountError};
pub use bulk_retries::{BulkRetry, BulkRetryStep, Matched, NewBulkRetry, StartBulkRetryError};
pub use deliveries::{Attempt, Delivery, RetryResult};
pub use delivery_list::DeliveryQuery;
pub use description::{Node, StoreDescription};
pub use disclosures::{Disclosure, DisclosureQuery};
pub use endpoints::{EndpointChanges, ExpectedError, LimitedError, NamedEndpoint, NewEndpoint, Rotation};
pub use erasures::{ErasedSubject, Erasure, NewErasure, StartErasureError};
pub use events::{Arrival, Event, EventQuery};
pub use facade::Records;
pub use finding::Found;
pub use holds::{Hold, NewHold};
pub use incidents::{IncidentChange, IncidentQuery};
pub use keys::{KeyDeletion, key_hash};
pub use replays::{NewReplay, StartReplayError, StartedReplay};
pub use resources::{Precondition, PutResource, PutResourceAnswer, PutResourceError, Resource, ResourceDecision, ResourceUpdate};
pub use rollups::{FiguresOfSpan, FiguresQuery};
pub use standing::{AccountStanding, STANDING_ENDPOINTS_MAX, STANDING_WAITING_MAX};
pub use watching::{COUNTED_MAX, EndpointCounts, StoreWatch};

/// Every statement of this layer.
#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let all = [accounts::statements(), deliveries::statements(), endpoints::statements(), events::statements()];
    let others = [keys::statements(), replays::statements(), resources::statements(), sessions::statements()];
    let [lists, ..] = delivery_list::statements();
    all.into_iter()
        .chain(others)
        .chain([disclosures::statements(), delivery_numbers::statements()])
        .chain([bulk_retries::statements(), finding::statements(), incidents::statements(), lists])
        .flatten()
        .chain(watching::statements().into_iter().map(|(text, _)| text))
        .chain(standing::statements().into_iter().map(|(text, _)| text))
        .collect()
}

/// Those that list deliveries.
#[cfg(test)]
pub(crate) fn list_statements() -> Vec<String> {
    let [lists, ..] = delivery_list::statements();
    lists
}

/// Those of one database alone: SQLite, PostgreSQL.
#[cfg(test)]
pub(crate) fn own_statements() -> [Vec<String>; 2] {
    let [_, sqlite, postgres] = delivery_list::statements();
    [sqlite, postgres]
}

/// Those that describe one database: SQLite, PostgreSQL.
#[cfg(test)]
pub(crate) fn description_statements() -> [Vec<String>; 2] {
    description::statements()
}

/// Those that read an account's log.
#[cfg(test)]
pub(crate) fn log_statements() -> Vec<String> {
    events::statements()
}
