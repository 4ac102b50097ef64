//! When endpoints' leases end and when those that are muted go on, and what is due about that: columns of `endpoints`.

use bellwire_domain::{HealthStatus, Timestamp};

use super::endpoint::EndpointName;
use super::lane::LaneKey;
use crate::StoreError;
use crate::sql::{Db, Select, columns, params};

columns! {
    /// How an endpoint's lease stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct LeaseColumns of "endpoints" {
        pub(crate) expires_at: Option<Timestamp> = "p.expires_at",
        pub(crate) due_at: Option<Timestamp> = "p.lease_due",
        pub(crate) health: HealthStatus = "p.health",
        pub(crate) lane: i64 = "p.lane",
    }
}

static FIND: Select<LeaseColumns> = Select::new("FROM endpoints p WHERE p.account_id = $1 AND p.id = $2");
/// The first of each account before the second of any.
static DUE: Select<EndpointName> = Select::new(
    "FROM (SELECT e.account_id, e.id, e.lease_due, ROW_NUMBER() OVER (PARTITION BY e.account_id ORDER BY e.lease_due, e.id) \
     AS place FROM endpoints e WHERE e.lease_due <= $1) p ORDER BY p.place, p.lease_due, p.account_id, p.id LIMIT $2",
);
const SET_DUE: &str = "UPDATE endpoints SET lease_due = $1 WHERE account_id = $2 AND id = $3";
const END: &str = "UPDATE endpoints SET health = $1, consecutive_failures = 0, failing_since = NULL, unhealthy_since = NULL, resumes_at = NULL, \
     lease_due = NULL, version = version + 1, updated_at = $2 WHERE account_id = $3 AND id = $4";

static MUTED: Select<EndpointName> =
    Select::new("FROM endpoints p WHERE p.resumes_at <= $1 ORDER BY p.resumes_at, p.account_id, p.id LIMIT $2");
const RESUME: &str = "UPDATE endpoints SET health = $1, consecutive_failures = 0, failing_since = NULL, unhealthy_since = NULL, \
     resumes_at = NULL, version = version + 1, updated_at = $2 WHERE account_id = $3 AND id = $4 AND health = $5 AND resumes_at <= $2";

/// Endpoints that were muted until `now`.
pub(crate) fn muted(db: Db<'_>, now: Timestamp, limit: u32) -> Result<Vec<LaneKey>, StoreError> {
    let muted = MUTED.list(db, params![now, i64::from(limit)])?;
    Ok(muted.into_iter().map(LaneKey::from).collect())
}

/// Makes an endpoint that was muted until `now` healthy again; `false`: somebody has done that.
pub(crate) fn resume(db: Db<'_>, lane: &LaneKey, now: Timestamp) -> Result<bool, StoreError> {
    let (active, failed) = (HealthStatus::Active.as_str(), HealthStatus::Failed.as_str());
    Ok(db.execute(RESUME, params![active, now, lane.account_id.as_str(), lane.endpoint_id.as_str(), failed])? > 0)
}

pub(crate) fn find(db: Db<'_>, lane: &LaneKey) -> Result<Option<LeaseColumns>, StoreError> {
    FIND.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])
}

/// Endpoints about whose lease something has to be done at `now`.
pub(crate) fn due(db: Db<'_>, now: Timestamp, limit: u32) -> Result<Vec<LaneKey>, StoreError> {
    let due = DUE.list(db, params![now, i64::from(limit)])?;
    Ok(due.into_iter().map(LaneKey::from).collect())
}

/// Puts off what is due next.
pub(crate) fn set_due(db: Db<'_>, lane: &LaneKey, due_at: Timestamp) -> Result<(), StoreError> {
    db.execute(SET_DUE, params![due_at, lane.account_id.as_str(), lane.endpoint_id.as_str()]).map(drop)
}

/// The lease is over: nothing is sent any more.
pub(crate) fn end(db: Db<'_>, lane: &LaneKey, now: Timestamp) -> Result<(), StoreError> {
    let expired = HealthStatus::Expired.as_str();
    db.execute(END, params![expired, now, lane.account_id.as_str(), lane.endpoint_id.as_str()]).map(drop)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![FIND.sql(), DUE.sql(), SET_DUE.to_owned(), END.to_owned(), MUTED.sql(), RESUME.to_owned()]
}

/// What is looked for on every beat.
#[cfg(test)]
pub(crate) fn due_statements() -> [String; 2] {
    [DUE.sql(), MUTED.sql()]
}
