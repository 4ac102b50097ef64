//! What each database does in its own way, because it decides the store's speed: publishing, claiming and recording.
//!
//! SQLite runs a cached statement for each row, inside the process. PostgreSQL runs one statement for a whole set, because each
//! is a round trip. Everything else in the store is one text that runs on either.

use std::sync::Arc;

use bellwire_domain::{DeliveryId, Suspicion, Timestamp};

use super::claimable::{Claimable, LaneSearch};
use super::lease::Claimant;
use super::outcome::{RecordJob, Recording};
use super::plan::{Loaded, Plan};
use super::publication::Publication;
use crate::StoreError;
use crate::rows::lane::LaneKey;
use crate::sql::{Db, Row};

/// How rows of the queue are marked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark<'m> {
    /// Held by the process with this token.
    Claimed(&'m str),
    /// Waiting in their lane; they were waiting for an instant.
    Parked,
    /// Waiting in their lane; they were held by the process with this token.
    Unclaimed(&'m str),
    /// Suspect so far, of those that the process with this token holds.
    Suspect(Suspicion, &'m str),
}

/// A database within a transaction.
pub(crate) trait Backend {
    /// The same, for every other statement.
    fn db(&self) -> Db<'_>;

    /// Who claims in this transaction. Until it ends, no other node can take this one for dead.
    fn claimant(&self) -> Result<Arc<Claimant>, StoreError>;

    /// Reads what planning these publications has to know.
    fn load(&self, publications: &[&Publication]) -> Result<Loaded, StoreError>;

    /// Writes a plan.
    fn write(&self, plan: &Plan<'_>) -> Result<(), StoreError>;

    /// Looks for deliveries that wait in these lanes, at most as many as each has room for, and about `limit` in all.
    fn search_lanes(&self, lanes: &[(LaneKey, usize)], limit: usize) -> Result<LaneSearch, StoreError>;

    /// Looks for deliveries whose instant has come.
    fn search_due(&self, now: Timestamp, limit: i64) -> Result<Vec<Claimable>, StoreError>;

    /// Marks rows of the queue.
    fn mark(&self, mark: Mark<'_>, ids: &[DeliveryId]) -> Result<(), StoreError>;

    /// The sealed payloads of the events at these places, to be read as `SealedPayload`.
    fn read_payloads(&self, places: &[i64]) -> Result<Vec<Row>, StoreError>;

    /// Records what came of attempts.
    fn record(&self, jobs: &[RecordJob]) -> Result<Vec<Recording>, StoreError>;
}
