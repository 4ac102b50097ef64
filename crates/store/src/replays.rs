//! Replays: events that failed at an endpoint, or never went there, sent to it again.
//!
//! A replay is a row with a cursor in its account's log. It advances in bounded steps, each one transaction: the next events
//! are looked at, those that fit get new deliveries with new numbers, and the cursor moves past them. So a replay that is
//! interrupted goes on where it was, and sends no event twice. Its deliveries wait unclaimed in their lane like any backlog.
//!
//! A step adds only while few deliveries of the endpoint are live: what is published meanwhile queues behind those few, not
//! behind everything that is replayed.

mod words;

pub use words::{ReplayCase, ReplayState};

use std::collections::{BTreeSet, HashSet};

use bellwire_domain::{DeliveryState, EventFilter, EventType, ReplayId, Timestamp};

use crate::delivery_ids::DeliveryIds;
use crate::driver::{Db, Param, Row, params};
use crate::endpoints::read_filter;
use crate::handoff::LaneKey;
use crate::lanes::{LaneRefs, event_place, place_seq};
use crate::publish::{UPDATE_NUMBER, queue_insert};
use crate::{Origin, Page, PageRequest, StoreError, accounts, lanes};

/// Events looked at in one step.
const STEP_EVENTS_MAX: i64 = 500;
/// Live deliveries of an endpoint with which a replay waits until there are fewer.
const ENDPOINT_LIVE_MAX: i64 = 2_000;
/// How far an account's log may be out of order in time, because the clock was set back.
const CLOCK_STEP_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// A stored replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// The endpoint that it sends to.
    pub lane: LaneKey,
    /// Where it stands.
    pub state: ReplayState,
    /// Only events accepted at this instant or later.
    pub since: Timestamp,
    /// Only events accepted before this instant; `None`: those that were there when it was asked for.
    pub until: Option<Timestamp>,
    /// Only events that have come to one of these.
    pub cases: BTreeSet<ReplayCase>,
    /// Events looked at.
    pub examined: i64,
    /// Deliveries made.
    pub created: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was done or cancelled.
    pub ended_at: Option<Timestamp>,
    cursor_seq: i64,
    last_seq: i64,
}

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
}

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
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one step of a replay did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayStep {
    /// The replay.
    pub replay: ReplayId,
    /// Whether it moved on; `false`: it waits until fewer deliveries are live.
    pub advanced: bool,
    /// Deliveries that the step made.
    pub created: usize,
    /// The lane that they wait in.
    pub lane: LaneKey,
}

const COLUMNS: &str = "SELECT id, account_id, endpoint_id, state, since, until, states, cursor_seq, last_seq, examined, \
     created, created_at, ended_at FROM replays ";
const BY_ID: &str = "WHERE account_id = $1 AND endpoint_id = $2 AND id = $3";
const PAGE: &str =
    "WHERE account_id = $1 AND endpoint_id = $2 AND (id < $3 OR CAST($4 AS TEXT) IS NULL) ORDER BY id DESC LIMIT $5";
const NEXT_RUNNING: &str = "WHERE state = 'running' AND id > $1 ORDER BY id LIMIT 1";
const COUNT_RUNNING: &str = "SELECT COUNT(*) FROM replays WHERE account_id = $1 AND endpoint_id = $2 AND state = 'running'";
const ENDPOINT: &str = "SELECT p.id, p.events, p.last_number, a.last_seq, a.pending, a.ref, p.lane FROM endpoints p \
     JOIN accounts a ON a.id = p.account_id WHERE p.account_id = $1 AND p.id = $2";
const EVENT_TIME: &str = "SELECT created_at FROM events WHERE place >= $1 AND place < $2 ORDER BY place LIMIT 1";
const INSERT: &str = "INSERT INTO replays (account_id, endpoint_id, id, state, since, until, states, cursor_seq, last_seq, \
     examined, created, created_at) VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, 0, 0, $9)";
const ADVANCE: &str = "UPDATE replays SET cursor_seq = $1, examined = examined + $2, created = created + $3, state = $4, \
     ended_at = $5 WHERE account_id = $6 AND endpoint_id = $7 AND id = $8";
const CANCEL: &str = "UPDATE replays SET state = 'cancelled', ended_at = $1 \
     WHERE account_id = $2 AND endpoint_id = $3 AND id = $4 AND state = 'running'";
const CANCEL_ALL: &str = "UPDATE replays SET state = 'cancelled', ended_at = $1 \
     WHERE account_id = $2 AND endpoint_id = $3 AND state = 'running'";
const LIVE: &str = "SELECT event FROM queue WHERE lane = $1 AND lane > 0 LIMIT $2";
const EVENTS: &str = "SELECT e.place, e.type, e.is_test, e.created_at, (SELECT d.state FROM deliveries d \
     WHERE d.event = e.place AND d.lane = $1 ORDER BY d.ended_at DESC, d.number DESC LIMIT 1) \
     FROM events e WHERE e.place > $2 AND e.place <= $3 ORDER BY e.place LIMIT $4";

pub(crate) fn find(db: Db<'_>, lane: &LaneKey, id: &ReplayId) -> Result<Option<Replay>, StoreError> {
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str(), id.as_str()];
    db.find("replays", &format!("{COLUMNS}{BY_ID}"), key)?.map(|row| read(&row)).transpose()
}

/// A page of an endpoint's replays, newest first.
pub(crate) fn list(db: Db<'_>, lane: &LaneKey, page: &PageRequest) -> Result<Page<Replay>, StoreError> {
    let after = page.after.as_deref();
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str(), after, after, page.fetch()];
    let rows = db.query("replays", &format!("{COLUMNS}{PAGE}"), key)?;
    let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |replay| replay.id.to_string()))
}

/// Stores a replay, to be advanced from the first event that it may concern.
pub(crate) fn start(db: Db<'_>, new: &NewReplay, now: Timestamp) -> Result<Replay, StartReplayError> {
    let (account_id, endpoint_id) = (new.lane.account_id.as_str(), new.lane.endpoint_id.as_str());
    db.lock_account(&new.lane.account_id)?;
    let target = find_target(db, &new.lane)?.ok_or(StartReplayError::EndpointNotFound)?;
    let running = db.find("replays", COUNT_RUNNING, params![account_id, endpoint_id])?;
    let running = running.map_or(Ok(0), |row| row.int(0, "count"))?;
    if running >= i64::from(new.running_max) {
        return Err(StartReplayError::TooMany { max: new.running_max });
    }
    let first = seq_at(db, &target, new.since.minus(CLOCK_STEP_MAX))?;
    let end = match new.until {
        Some(until) => seq_at(db, &target, until.plus(CLOCK_STEP_MAX))?,
        None => target.last_seq + 1,
    };
    let states = new.cases.iter().map(|case| case.as_str()).collect::<serde_json::Value>().to_string();
    let (cursor, last) = (first - 1, (end - 1).max(first - 1));
    db.execute(
        INSERT,
        params![account_id, endpoint_id, new.id.as_str(), new.since, new.until, states.as_str(), cursor, last, now],
    )?;
    let inconsistent = || StoreError::Inconsistent { table: "replays", column: "id", id: new.id.to_string() };
    Ok(find(db, &new.lane, &new.id)?.ok_or_else(inconsistent)?)
}

/// The first `seq` whose event was accepted at `instant` or later, found by halving: the log is in the order of time.
fn seq_at(db: Db<'_>, target: &Target, instant: Timestamp) -> Result<i64, StoreError> {
    let account = target.refs.account;
    let (mut low, mut high) = (1, target.last_seq + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let row = db.find("events", EVENT_TIME, params![event_place(account, middle), event_place(account + 1, 0)])?;
        match row.map(|row| row.time(0, "created_at")).transpose()? {
            Some(accepted) if accepted < instant => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Stops a replay; what it has made stays. One that has ended stays as it ended.
pub(crate) fn cancel(db: Db<'_>, lane: &LaneKey, id: &ReplayId, now: Timestamp) -> Result<Option<Replay>, StoreError> {
    db.lock_account(&lane.account_id)?;
    db.execute(CANCEL, params![now, lane.account_id.as_str(), lane.endpoint_id.as_str(), id.as_str()])?;
    find(db, lane, id)
}

/// Stops all replays of an endpoint that is about to go.
pub(crate) fn cancel_all(db: Db<'_>, lane: &LaneKey, now: Timestamp) -> Result<(), StoreError> {
    db.execute(CANCEL_ALL, params![now, lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
    Ok(())
}

/// One step of the running replay that comes after `after` in the order of ids; `None` when there is none.
pub(crate) fn advance(
    db: Db<'_>,
    ids: &DeliveryIds,
    backlog_max: i64,
    after: Option<&ReplayId>,
    now: Timestamp,
) -> Result<Option<ReplayStep>, StoreError> {
    let after = after.map_or("", ReplayId::as_str);
    let Some(row) = db.find("replays", &format!("{COLUMNS}{NEXT_RUNNING}"), params![after])? else { return Ok(None) };
    let mut replay = read(&row)?;
    if db.lock_account(&replay.lane.account_id)? {
        // Another node may have advanced it meanwhile, or ended it.
        match find(db, &replay.lane, &replay.id)? {
            Some(now) if now.state == ReplayState::Running => replay = now,
            _ => return Ok(Some(ReplayStep { replay: replay.id, advanced: true, created: 0, lane: replay.lane })),
        }
    }
    let step = |advanced, created| ReplayStep { replay: replay.id.clone(), advanced, created, lane: replay.lane.clone() };
    let Some(target) = find_target(db, &replay.lane)? else {
        cancel_all(db, &replay.lane, now)?;
        return Ok(Some(step(true, 0)));
    };
    let live = find_live(db, target.refs)?;
    let count = i64::try_from(live.len()).unwrap_or(i64::MAX);
    let room = (ENDPOINT_LIVE_MAX - count).min(backlog_max.saturating_sub(target.pending));
    if room <= 0 {
        return Ok(Some(step(false, 0)));
    }
    let found = replay.look(db, &target, &live, room)?;
    enqueue(db, &replay, &target, &found.wanted, ids, now)?;
    replay.move_on(db, &found, now)?;
    Ok(Some(step(true, found.wanted.len())))
}

/// What a step found in the log.
struct Found {
    /// Events to be sent again.
    wanted: Vec<i64>,
    /// Events in the replay's range of time.
    examined: i64,
    /// Everything up to this `seq` has been looked at.
    cursor_seq: i64,
}

impl Replay {
    /// Looks at the next events, until `room` of them are wanted.
    fn look(&self, db: Db<'_>, target: &Target, live: &HashSet<i64>, room: i64) -> Result<Found, StoreError> {
        let place = |seq| event_place(target.refs.account, seq);
        let range = params![target.refs.lane, place(self.cursor_seq), place(self.last_seq), STEP_EVENTS_MAX];
        let rows = db.query("events", EVENTS, range)?;
        let room = usize::try_from(room).unwrap_or(0);
        let mut found = Found { wanted: Vec::with_capacity(rows.len().min(room)), examined: 0, cursor_seq: self.cursor_seq };
        for row in &rows {
            if found.wanted.len() == room {
                return Ok(found);
            }
            found.cursor_seq = place_seq(row.int(0, "place")?);
            let accepted = row.time(3, "created_at")?;
            if accepted < self.since || self.until.is_some_and(|until| until <= accepted) {
                continue;
            }
            found.examined += 1;
            if !live.contains(&found.cursor_seq) && self.wants(&target.filter, row)? {
                found.wanted.push(found.cursor_seq);
            }
        }
        Ok(found)
    }

    fn move_on(&self, db: Db<'_>, found: &Found, now: Timestamp) -> Result<(), StoreError> {
        // A step that finds nothing more has come to the end.
        let done = found.cursor_seq >= self.last_seq || found.cursor_seq == self.cursor_seq;
        let cursor = if done { self.last_seq } else { found.cursor_seq };
        let state = if done { ReplayState::Done } else { ReplayState::Running };
        let created = i64::try_from(found.wanted.len()).unwrap_or(0);
        let (account_id, endpoint_id) = (self.lane.account_id.as_str(), self.lane.endpoint_id.as_str());
        let ended_at = done.then_some(now);
        let id = self.id.as_str();
        let key = params![cursor, found.examined, created, state.as_str(), ended_at, account_id, endpoint_id, id];
        db.execute(ADVANCE, key).map(drop)
    }

    /// Whether an event, as [`EVENTS`] reads it, is to be sent again.
    fn wants(&self, filter: &EventFilter, event: &Row) -> Result<bool, StoreError> {
        let case = match event.find_text(4, "state")? {
            None if event.boolean(2, "is_test")? => return Ok(false),
            None if !filter.matches(&event.word(1, "type", |text| EventType::try_new(text).ok())?) => return Ok(false),
            None => ReplayCase::Missed,
            Some(_) => match event.word(4, "state", DeliveryState::parse)? {
                DeliveryState::Delivered => ReplayCase::Delivered,
                DeliveryState::Failed => ReplayCase::Failed,
                DeliveryState::Cancelled => ReplayCase::Cancelled,
                DeliveryState::Pending => return Ok(false),
            },
        };
        Ok(self.cases.contains(&case))
    }
}

/// What a step has to know of the endpoint and its account.
struct Target {
    refs: LaneRefs,
    filter: EventFilter,
    last_number: i64,
    last_seq: i64,
    pending: i64,
}

fn find_target(db: Db<'_>, lane: &LaneKey) -> Result<Option<Target>, StoreError> {
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str()];
    let Some(row) = db.find("endpoints", ENDPOINT, key)? else { return Ok(None) };
    Ok(Some(Target {
        refs: lanes::read(&row, 5)?,
        filter: read_filter(&row, 1)?,
        last_number: row.int(2, "last_number")?,
        last_seq: row.int(3, "last_seq")?,
        pending: row.int(4, "pending")?,
    }))
}

/// The events with a live delivery for the endpoint; as many as make a replay wait, at most.
fn find_live(db: Db<'_>, refs: LaneRefs) -> Result<HashSet<i64>, StoreError> {
    let rows = db.query("queue", LIVE, params![refs.lane, ENDPOINT_LIVE_MAX])?;
    rows.iter().map(|row| row.int(0, "event").map(place_seq)).collect()
}

/// Makes the deliveries of a step.
fn enqueue(
    db: Db<'_>,
    replay: &Replay,
    target: &Target,
    event_seqs: &[i64],
    ids: &DeliveryIds,
    now: Timestamp,
) -> Result<(), StoreError> {
    if event_seqs.is_empty() {
        return Ok(());
    }
    let (account_id, endpoint_id) = (replay.lane.account_id.as_str(), replay.lane.endpoint_id.as_str());
    let origin = Origin::Replayed(replay.id.clone());
    let mut number = target.last_number;
    let mut cells: Vec<Param<'_>> = Vec::new();
    for event_seq in event_seqs {
        number += 1;
        let (unattempted, unclaimed) = (0i64, Param::Null);
        cells.extend_from_slice(params![
            ids.draw(now),
            target.refs.lane,
            number,
            event_place(target.refs.account, *event_seq),
            unattempted,
            now,
            now,
            unclaimed,
            origin.as_param(),
        ]);
    }
    queue_insert().run(db, &cells)?;
    db.execute(UPDATE_NUMBER, params![number, account_id, endpoint_id])?;
    accounts::add_pending(db, &replay.lane.account_id, number - target.last_number)
}

fn read(row: &Row) -> Result<Replay, StoreError> {
    let cases = |text: &str| {
        let words: Vec<String> = serde_json::from_str(text).ok()?;
        words.iter().map(|word| ReplayCase::parse(word)).collect::<Option<_>>()
    };
    Ok(Replay {
        id: row.parsed(0, "id")?,
        lane: LaneKey { account_id: row.parsed(1, "account_id")?, endpoint_id: row.parsed(2, "endpoint_id")? },
        state: row.word(3, "state", ReplayState::parse)?,
        since: row.time(4, "since")?,
        until: row.find_time(5, "until")?,
        cases: row.word(6, "states", cases)?,
        cursor_seq: row.int(7, "cursor_seq")?,
        last_seq: row.int(8, "last_seq")?,
        examined: row.int(9, "examined")?,
        created: row.int(10, "created")?,
        created_at: row.time(11, "created_at")?,
        ended_at: row.find_time(12, "ended_at")?,
    })
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let texts = [COUNT_RUNNING, ENDPOINT, EVENT_TIME, INSERT, ADVANCE, CANCEL, CANCEL_ALL, LIVE, EVENTS];
    let mut all: Vec<String> = texts.map(str::to_owned).into();
    all.extend([BY_ID, PAGE, NEXT_RUNNING].map(|rest| format!("{COLUMNS}{rest}")));
    all
}
