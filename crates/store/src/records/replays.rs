//! Replays, as they are asked for. The queue advances them.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_domain::{AccountId, ReplayCase, ReplayId, ReplayRange, ReplayState, Timestamp};

use super::bulk_retries::Matched;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::{
    self,
    replay::{ReplayTarget, find_target},
};
use crate::rows::account;
use crate::rows::lane::LaneKey;
use crate::rows::replay::{self, Replay, ReplayRow, select_where};
use crate::sql::{Db, Insert, params, write_list};

/// How far an account's log may be out of order in time, because the clock was set back.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(60);

/// A replay to be started.
#[derive(Debug, Clone)]
pub struct NewReplay {
    /// Its id.
    pub id: ReplayId,
    /// The endpoint to send to.
    pub lane: LaneKey,
    /// Only events accepted at this instant or later.
    pub since: Timestamp,
    /// Only events accepted before this instant.
    pub until: Option<Timestamp>,
    /// Only events that have come to one of these.
    pub cases: BTreeSet<ReplayCase>,
    /// Replays of the endpoint that may run at once.
    pub running_max: u32,
    /// Replays of all the account's endpoints that may run at once.
    pub account_running_max: u32,
}

/// A replay that has been started.
#[derive(Debug, Clone)]
pub struct StartedReplay {
    /// The replay.
    pub replay: Replay,
    /// Replays of the endpoint that run now, this one included.
    pub running: u32,
    /// Replays of all the account's endpoints that run now, this one included.
    pub account_running: u32,
}

crate::audit::effect::always!(StartedReplay);

/// Why a replay was not started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartReplayError {
    /// The endpoint does not exist.
    #[error("the endpoint does not exist")]
    EndpointNotFound,
    /// So many replays of the endpoint run already.
    #[error("{max} replays of this endpoint run already")]
    TooMany {
        /// The limit.
        max: u32,
    },
    /// So many replays of the account run already.
    #[error("{max} replays of this account's endpoints run already")]
    TooManyOfAccount {
        /// The limit.
        max: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const PAGE: &str = "WHERE l.account_id = $1 AND l.endpoint_id = $2 AND (l.id < $3 OR CAST($4 AS TEXT) IS NULL) \
     ORDER BY l.id DESC LIMIT $5";
const RUNNING: &str = "WHERE l.state = 'running' AND l.id > $1 ORDER BY l.id LIMIT $2";
const RUNNING_OF_ACCOUNT: &str = "WHERE l.state = 'running' AND l.id > $1 AND l.account_id = $2 ORDER BY l.id LIMIT $3";
const COUNT_RUNNING: &str = "SELECT COUNT(*) FROM replays WHERE account_id = $1 AND endpoint_id = $2 AND state = 'running'";
const COUNT_RUNNING_OF_ACCOUNT: &str = "SELECT COUNT(*) FROM replays WHERE account_id = $1 AND state = 'running'";
const EVENT_TIME: &str = "SELECT created_at FROM events WHERE place >= $1 AND place < $2 ORDER BY place LIMIT 1";
const CANCEL: &str = "UPDATE replays SET state = 'cancelled', ended_at = $1 \
     WHERE account_id = $2 AND endpoint_id = $3 AND id = $4 AND state = 'running'";

/// A page of an endpoint's replays, newest first.
pub(super) fn list(db: Db<'_>, lane: &LaneKey, page: &PageRequest) -> Result<Page<Replay>, StoreError> {
    let after = page.after.as_deref();
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str(), after, after, page.fetch()];
    let rows = db.query("replays", &select_where(PAGE), key)?;
    let items = rows.iter().map(replay::read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |replay| replay.id.to_string()))
}

/// A page of the replays that run, by id: of an account, or all there are.
pub(super) fn list_running(db: Db<'_>, account: Option<&AccountId>, page: &PageRequest) -> Result<Page<Replay>, StoreError> {
    let after = page.after.as_deref().unwrap_or_default();
    let rows = match account {
        Some(id) => db.query("replays", &select_where(RUNNING_OF_ACCOUNT), params![after, id.as_str(), page.fetch()])?,
        None => db.query("replays", &select_where(RUNNING), params![after, page.fetch()])?,
    };
    let items = rows.iter().map(replay::read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |replay| replay.id.to_string()))
}

/// Stores a replay that begins at the first event it may concern.
pub(super) fn start(db: Db<'_>, new: &NewReplay, now: Timestamp) -> Result<StartedReplay, StartReplayError> {
    let (account_id, endpoint_id) = (new.lane.account_id.as_str(), new.lane.endpoint_id.as_str());
    account::lock(db, &new.lane.account_id)?;
    let target = find_target(db, &new.lane)?.ok_or(StartReplayError::EndpointNotFound)?;
    let running: u32 = db.get("replays", COUNT_RUNNING, params![account_id, endpoint_id])?.value("count")?;
    if running >= new.running_max {
        return Err(StartReplayError::TooMany { max: new.running_max });
    }
    let account_running: u32 = db.get("replays", COUNT_RUNNING_OF_ACCOUNT, params![account_id])?.value("count")?;
    if account_running >= new.account_running_max {
        return Err(StartReplayError::TooManyOfAccount { max: new.account_running_max });
    }
    let range = range(db, &target, new)?;
    let row = ReplayRow {
        account_id,
        endpoint_id,
        id: new.id.as_str(),
        state: ReplayState::Running.as_str(),
        since: new.since,
        until: new.until,
        states: &write_list(new.cases.iter().map(|case| case.as_str())),
        cursor_seq: range.cursor_seq,
        last_seq: range.last_seq,
        examined: 0,
        created: 0,
        created_at: now,
        ended_at: None,
    };
    Insert::put(db, row, "")?;
    let inconsistent = || StoreError::Inconsistent { table: "replays", column: "id", id: new.id.to_string() };
    let replay = replay::find(db, &new.lane, &new.id)?.ok_or_else(inconsistent)?;
    Ok(StartedReplay { replay, running: running + 1, account_running: account_running + 1 })
}

/// Which events a new replay looks at.
fn range(db: Db<'_>, target: &ReplayTarget, new: &NewReplay) -> Result<ReplayRange, StoreError> {
    let first = seq_at(db, target, new.since.minus(CLOCK_STEP_MAX))?;
    let end = match new.until {
        Some(until) => seq_at(db, target, until.plus(CLOCK_STEP_MAX))?,
        None => target.last_seq + 1,
    };
    Ok(ReplayRange { cursor_seq: first - 1, last_seq: (end - 1).max(first - 1) })
}

/// How many deliveries a new replay would make now, by bounded work. `None`: there is no such endpoint.
pub(super) fn preview(db: Db<'_>, new: &NewReplay, now: Timestamp) -> Result<Option<Matched>, StoreError> {
    let Some(target) = find_target(db, &new.lane)? else { return Ok(None) };
    let mut replay = Replay {
        id: new.id.clone(),
        lane: new.lane.clone(),
        state: ReplayState::Running,
        since: new.since,
        until: new.until,
        cases: new.cases.clone(),
        examined: 0,
        created: 0,
        created_at: now,
        ended_at: None,
        range: range(db, &target, new)?,
    };
    let (count, is_exact) = queue::replay::preview(db, &mut replay, &target)?;
    Ok(Some(Matched { count: i64::try_from(count).unwrap_or(i64::MAX), is_exact }))
}

/// The first `seq` whose event was accepted at `instant` or later, found by halving: the log is in the order of time.
fn seq_at(db: Db<'_>, target: &ReplayTarget, instant: Timestamp) -> Result<i64, StoreError> {
    let (mut low, mut high) = (1, target.last_seq + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = db.find("events", EVENT_TIME, params![target.place(middle), target.log_end()])?;
        match row.map(|row| row.value::<Timestamp>("created_at")).transpose()? {
            Some(accepted) if accepted < instant => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Stops a replay; what it has made stays. One that has ended stays as it ended.
pub(super) fn cancel(db: Db<'_>, lane: &LaneKey, id: &ReplayId, now: Timestamp) -> Result<Option<Replay>, StoreError> {
    account::lock(db, &lane.account_id)?;
    db.execute(CANCEL, params![now, lane.account_id.as_str(), lane.endpoint_id.as_str(), id.as_str()])?;
    replay::find(db, lane, id)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let fixed = [COUNT_RUNNING, COUNT_RUNNING_OF_ACCOUNT, EVENT_TIME, CANCEL].map(str::to_owned);
    fixed
        .into_iter()
        .chain([select_where(PAGE), select_where(RUNNING), select_where(RUNNING_OF_ACCOUNT), Insert::one::<ReplayRow<'_>>("")])
        .collect()
}
