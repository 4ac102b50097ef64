//! The one store of Bellwire: all SQL, and everything that must happen in one transaction.
//!
//! What it is for: accounts, endpoints, keys, events with their deliveries, attempts. Its promises: an event and all its
//! deliveries are committed together before [`Store::commit_events`] answers; `seq` and `number` have no gaps; concurrent
//! writes share commits; secrets and payloads are sealed before they reach the file; an outcome is written only by the
//! process that holds the delivery.
//!
//! What it may not know: HTTP, contracts (beyond their names), when to retry (it is told), who is asking.
//!
//! The way through the files: [`Store`] is the public face; `jobs` says what shares a commit, and `writer` makes it; `publish`, `outcomes` and `claims` are the
//! hot statements; `accounts`, `endpoints`, `keys`, `events`, `deliveries`,
//! `replays` and `resources` the others; `lanes` gives numbers to what large tables name; `handoff` bounds what is in memory;
//! `seal` encrypts; `retention` removes what is old; [`doctor`] examines what is written; `relocation` moves a store to
//! PostgreSQL; `driver` is all that knows the database library.
//!
//! To add an operation: write its statement as a constant in the resource's file and a function over `Db`, list the statement
//! in that file's `statements()` (a test prepares them all), give [`Store`] a method that sends it to the writer or a reader,
//! and add a case to `tests/conformance.rs`.

mod accounts;
mod cache;
mod checkpointer;
mod claims;
mod deliveries;
mod delivery_ids;
pub mod doctor;
mod driver;
mod endpoints;
mod error;
mod events;
mod handoff;
mod held_events;
mod jobs;
mod keys;
mod lanes;
mod lease;
mod location;
mod migrations;
mod origin;
mod outcomes;
mod page;
mod postgres;
mod publish;
mod readers;
mod relocation;
mod replays;
mod resources;
mod retention;
mod seal;
mod store;
mod writer;

pub use accounts::{Account, ActiveSecret, PutAccount, PutAccountError};
pub use claims::ClaimReport;
pub use deliveries::{Attempt, Delivery, DeliveryQuery, RetryResult};
pub use endpoints::{Endpoint, EndpointChanges, EndpointConfig, NewEndpoint};
pub use error::{OpenError, StoreError};
pub use events::{Arrival, Event, EventQuery};
pub use handoff::{ClaimedDelivery, ClaimedEvent, HandOffLimits, LaneKey};
pub use keys::{ApiKey, Role, key_hash};
pub use location::{InvalidLocation, Location};
pub use origin::Origin;
pub use outcomes::{HealthChange, Outcome, Recording};
pub use page::{Page, PageRequest};
pub use postgres::{InvalidUrl, PostgresUrl};
pub use publish::{EventReceipt, NewEvent, PublishError};
pub use relocation::{Relocated, Relocation, RelocationProgress, Report, TableRows, relocate};
pub use replays::{NewReplay, Replay, ReplayCase, ReplayState, ReplayStep, StartReplayError};
pub use resources::{
    Precondition, PutResource, PutResourceAnswer, PutResourceError, Resource, ResourceDecision, ResourceHead, ResourceUpdate,
};
pub use retention::Removed;
pub use seal::MasterKey;
pub use store::{Claimed, Execution, Store, StoreOptions};

use seal::DataKey;
