//! The one store of Bellwire: all SQL, and everything that must happen in one transaction.
//!
//! [`open`] returns two facades. [`Records`] is for the use-cases: accounts, endpoints, keys, events, deliveries, resources,
//! replays. [`Queue`] is for the engine: what may be attempted, and what came of it. Neither shows SQL, and neither shows the
//! other.
//!
//! Its promises: an event and all its deliveries are committed together before [`Records::commit_events`] answers; `seq` and
//! `number` have no gaps; concurrent writes share commits; secrets and payloads are sealed before they reach the disk; an outcome
//! is written only by the process that holds the delivery.
//!
//! What it may not know: HTTP, contracts (beyond their names), when to retry (it is told), who is asking.
//!
//! The modules are layers, and a test holds them to it. Each uses only those before it:
//!
//! ```text
//! error page sql                  either database, without a table's name
//! location seal rows schema moves what is stored, and how it is sealed
//! audit                           what was done, in a log that tells when it was changed
//! queue                           live deliveries: publish, claim, record
//! records                         everything else that is asked of the store
//! sqlite postgres                 the two databases: opening, writing, the hot operations
//! open doctor evidence relocation rotation on top
//! ```
//!
//! To add a column: a migration for each database in `migrations/`, a field in its table's file in `rows/`, and whatever uses it.
//! To add an operation: see `records`.

mod audit;
pub mod doctor;
mod error;
pub mod evidence;
mod location;
mod moves;
mod open;
mod page;
mod postgres;
mod queue;
mod records;
mod relocation;
pub mod rotation;
mod rows;
mod schema;
mod seal;
mod sql;
mod sqlite;
#[cfg(test)]
mod tests;

pub use audit::{AuditCheckpoint, AuditEvidence, AuditQuery, AuditRecord, AuditVerification};
pub use error::{OpenError, StoreError};
pub use location::{InvalidLocation, Location};
pub use open::{StoreOptions, open};
pub use page::{Page, PageRequest};
pub use queue::Queue;
pub use queue::access::Execution;
pub use queue::activation::{ActivationEnd, TakenActivation};
pub use queue::claim::ClaimReport;
pub use queue::config::EndpointConfig;
pub use queue::deletion::{Deletion, DeletionStep};
pub use queue::delivery::{ClaimedDelivery, ClaimedEvent};
pub use queue::erasure::{ErasureStep, StepState};
pub use queue::expiry::Expired;
pub use queue::heartbeat::DueHeartbeat;
pub use queue::lapse::Lapse;
pub use queue::outcome::{ANSWERED, HealthChange, Outcome, Recording, Told};
pub use queue::publication::{EventReceipt, NewEvent, NewOrder, PublishError, Wanted};
pub use queue::renewal::RenewDataKeyError;
pub use queue::replay::ReplayStep;
pub use queue::retention::Removed;
pub use records::{
    AccountStanding, Arrival, Attempt, BulkRetry, BulkRetryStep, COUNTED_MAX, Delivery, DeliveryQuery, Disclosure,
    DisclosureQuery, EndpointChanges, EndpointCounts, ErasedSubject, Erasure, Event, EventQuery, ExpectedError, FiguresOfSpan,
    FiguresQuery, Found, Hold, IncidentChange, IncidentQuery, KeyDeletion, LimitedError, Matched, NamedEndpoint, NewBulkRetry,
    NewEndpoint, NewErasure, NewHold, NewReplay, Node, Precondition, PutAccount, PutAccountError, PutResource, PutResourceAnswer,
    PutResourceError, Records, Resource, ResourceDecision, ResourceUpdate, RetryResult, Rotation, STANDING_ENDPOINTS_MAX,
    STANDING_WAITING_MAX, StartBulkRetryError, StartErasureError, StartReplayError, StartedReplay, StoreDescription, StoreWatch,
    key_hash,
};
pub use relocation::{Relocated, Relocation, RelocationProgress, Report, TableRows, relocate};
pub use rows::account::{Account, AccountsOfContract};
pub use rows::activation::Activation;
pub use rows::attempt::Past;
pub use rows::client::{Client, ClientKeySource};
pub use rows::contract_key::ContractKeys;
pub use rows::due::DueEndpoints;
pub use rows::endpoint::Endpoint;
pub use rows::erasure::Erased;
pub use rows::heartbeat::WithoutHeartbeat;
pub use rows::incident::Incident;
pub use rows::key::{ApiKey, KeyBounds};
pub use rows::lane::LaneKey;
pub use rows::operator_notice::StoredNotice;
pub use rows::queued::Origin;
pub use rows::replay::Replay;
pub use rows::resource::ResourceHead;
pub use rows::secret::ActiveSecret;
pub use rows::session::{PortalLink, Session};
pub use seal::{MasterKey, SubjectHash};
pub use sql::{InvalidUrl, PostgresUrl};
