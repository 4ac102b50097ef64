//! When an endpoint's next heartbeat is due: a column of `endpoints`, NULL for the many that have none. It is written once in a period,
//! and never by a delivery: whether something was sent since is read when it is due.

use std::time::Duration;

use bellwire_domain::Timestamp;

use super::due::{DueEndpoints, Look};
use super::endpoint::EndpointName;
use super::lane::LaneKey;
use crate::StoreError;
use crate::sql::{Db, Select, columns, params};

columns! {
    /// When an endpoint's heartbeat is due.
    struct Due of "endpoints" {
        heartbeat_at: Option<Timestamp> = "p.heartbeat_at",
    }
}

columns! {
    /// An endpoint that may have to get one.
    struct Unset of "endpoints" {
        options: Option<String> = "p.options",
        contract_version: Option<String> = "a.contract_version",
    }
}

columns! {
    /// When an attempt was made.
    struct Made of "attempts" {
        started_at: Timestamp = "t.started_at",
    }
}

/// An endpoint that has no heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutHeartbeat {
    /// The endpoint.
    pub lane: LaneKey,
    /// What it has chosen of its contract's options, as a JSON object.
    pub options: Option<String>,
    /// The version of its contract that its account is pinned to.
    pub contract_version: Option<String>,
}

/// An endpoint has one, due no later than this.
const SET: &str = "UPDATE endpoints SET heartbeat_at = CASE WHEN heartbeat_at < $1 THEN heartbeat_at ELSE $1 END \
     WHERE account_id = $2 AND id = $3";
const CLEAR: &str = "UPDATE endpoints SET heartbeat_at = NULL WHERE account_id = $1 AND id = $2 AND heartbeat_at IS NOT NULL";
/// Only who has seen when it was due says when it is due next.
const ADVANCE: &str = "UPDATE endpoints SET heartbeat_at = $1 WHERE account_id = $2 AND id = $3 AND heartbeat_at = $4";
/// In the order of the index, from an instant on.
static DUE: Select<(EndpointName, Due)> = Select::new(
    "FROM endpoints p WHERE p.heartbeat_at > $1 AND p.heartbeat_at <= $2 ORDER BY p.heartbeat_at, p.account_id, p.id \
     LIMIT $3",
);
static FIND: Select<Due> = Select::new("FROM endpoints p WHERE p.account_id = $1 AND p.id = $2");
/// Looked for once after a contract was loaded.
static UNSET: Select<(EndpointName, Unset)> = Select::new(
    "FROM endpoints p JOIN accounts a ON a.id = p.account_id WHERE (p.account_id, p.id) > ($1, $2) AND a.contract = $3 \
     AND p.heartbeat_at IS NULL ORDER BY p.account_id, p.id LIMIT $4",
);
/// Of the deliveries of a lane that were made last, the attempt that ended one.
static LAST_ENDED: Select<Made> = Select::new(
    "FROM (SELECT d.started_at FROM deliveries d WHERE d.lane = $1 ORDER BY d.id DESC LIMIT $2) t \
     WHERE t.started_at IS NOT NULL ORDER BY t.started_at DESC LIMIT 1",
);
/// Of those that live and were made first, the last attempt of one.
static LAST_LIVE: Select<Made> = Select::new(
    "FROM (SELECT q.id, q.attempts FROM queue q WHERE q.lane = $1 ORDER BY q.id LIMIT $2) l \
     JOIN earlier_attempts t ON t.delivery_id = l.id AND t.number = l.attempts ORDER BY t.started_at DESC LIMIT 1",
);
/// Deliveries that are looked at for the last attempt. One that is not among them costs a heartbeat more than needed.
const LOOK_MAX: i64 = 20;

/// An endpoint has a heartbeat of this period, or none.
pub(crate) fn set(db: Db<'_>, lane: &LaneKey, period: Option<Duration>, now: Timestamp) -> Result<(), StoreError> {
    let (account, endpoint) = (lane.account_id.as_str(), lane.endpoint_id.as_str());
    match period {
        Some(period) => db.execute(SET, params![now.plus(period), account, endpoint]),
        None => db.execute(CLEAR, params![account, endpoint]),
    }
    .map(drop)
}

/// Moves one that was due at `seen`; `false`: somebody else has, or the endpoint is gone. `None`: it has none any more.
pub(crate) fn advance(db: Db<'_>, lane: &LaneKey, seen: Timestamp, next: Option<Timestamp>) -> Result<bool, StoreError> {
    Ok(db.execute(ADVANCE, params![next, lane.account_id.as_str(), lane.endpoint_id.as_str(), seen])? > 0)
}

/// Heartbeats that are due.
pub(crate) fn due(db: Db<'_>, look: Look) -> Result<DueEndpoints, StoreError> {
    look.read(db, &DUE, |due| due.heartbeat_at)
}

/// When an endpoint's heartbeat is due.
pub(crate) fn due_at(db: Db<'_>, lane: &LaneKey) -> Result<Option<Timestamp>, StoreError> {
    let found = FIND.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
    Ok(found.and_then(|due| due.heartbeat_at))
}

/// When something was last sent to an endpoint by its deliveries.
pub(crate) fn last_attempt_at(db: Db<'_>, lane: i64) -> Result<Option<Timestamp>, StoreError> {
    let ended = LAST_ENDED.find(db, params![lane, LOOK_MAX])?;
    let live = LAST_LIVE.find(db, params![lane, LOOK_MAX])?;
    Ok(ended.into_iter().chain(live).map(|made| made.started_at).max())
}

/// Endpoints of a contract that have none, after that one, with what they have chosen.
pub(crate) fn unset(
    db: Db<'_>,
    contract: &str,
    after: Option<&LaneKey>,
    limit: u32,
) -> Result<Vec<WithoutHeartbeat>, StoreError> {
    let (account, endpoint) = after.map_or(("", ""), |lane| (lane.account_id.as_str(), lane.endpoint_id.as_str()));
    let found = UNSET.list(db, params![account, endpoint, contract, i64::from(limit)])?;
    let unset = |(name, Unset { options, contract_version }): (EndpointName, Unset)| WithoutHeartbeat {
        lane: name.into(),
        options,
        contract_version,
    };
    Ok(found.into_iter().map(unset).collect())
}

/// What is looked for again and again.
#[cfg(test)]
pub(crate) fn due_statement() -> String {
    DUE.sql()
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [SET, CLEAR, ADVANCE].map(str::to_owned);
    fixed.into_iter().chain([DUE.sql(), FIND.sql(), UNSET.sql(), LAST_ENDED.sql(), LAST_LIVE.sql()]).collect()
}

/// What is looked for on every beat, and what is read of each that is due.
#[cfg(test)]
pub(crate) fn beat_statements() -> [String; 3] {
    [DUE.sql(), LAST_ENDED.sql(), LAST_LIVE.sql()]
}
