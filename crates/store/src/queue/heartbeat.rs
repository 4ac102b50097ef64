//! Heartbeats: which are due, what decides whether one is sent, and that one node sends it.

use bellwire_domain::Timestamp;

use super::config::{self, EndpointConfig};
use super::context::WriteContext;
use crate::StoreError;
use crate::rows::lane::LaneKey;
use crate::rows::{account, heartbeat};
use crate::sql::Db;

/// A heartbeat that is due, unless something was sent meanwhile.
#[derive(Debug, Clone)]
pub struct DueHeartbeat {
    /// The endpoint, its account and their secrets; or that they are not what was stored.
    pub config: Result<EndpointConfig, StoreError>,
    /// When it was due.
    pub due_at: Timestamp,
    /// When the last attempt was made, as far as that is easily known.
    pub last_attempt_at: Option<Timestamp>,
}

/// What decides about an endpoint's heartbeat; `None`: it has none, or is gone.
pub(crate) fn find(db: Db<'_>, context: &WriteContext, lane: &LaneKey) -> Result<Option<DueHeartbeat>, StoreError> {
    let Some(due_at) = heartbeat::due_at(db, lane)? else { return Ok(None) };
    let config = match config::find(db, &context.keyring, lane, context.clock.now()) {
        Ok(Some(config)) => config,
        Ok(None) => return Ok(None),
        Err(error) if error.is_of_row() => return Ok(Some(DueHeartbeat { config: Err(error), due_at, last_attempt_at: None })),
        Err(error) => return Err(error),
    };
    let last_attempt_at = heartbeat::last_attempt_at(db, config.endpoint.lane)?;
    Ok(Some(DueHeartbeat { config: Ok(config), due_at, last_attempt_at }))
}

/// Says when a heartbeat that was due at `seen` is due next; `false`: somebody else has.
pub(crate) fn advance(db: Db<'_>, lane: &LaneKey, seen: Timestamp, next: Option<Timestamp>) -> Result<bool, StoreError> {
    account::lock(db, &lane.account_id)?;
    heartbeat::advance(db, lane, seen, next)
}

/// Gives an endpoint that has no heartbeat one of a period.
pub(crate) fn begin(db: Db<'_>, context: &WriteContext, lane: &LaneKey, period: std::time::Duration) -> Result<(), StoreError> {
    account::lock(db, &lane.account_id)?;
    heartbeat::set(db, lane, Some(period), context.clock.now())
}
