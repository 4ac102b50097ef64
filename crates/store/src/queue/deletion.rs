//! Deleting an account: at once for everybody who asks, and step by step in the tables.
//!
//! An account may have half a million deliveries. In one transaction, everybody else's writes would wait for all of them. So the
//! account is marked first: from then on it is gone for the API, its endpoints are disabled and its keys do not exist. Then its
//! rows go, so many in a transaction, deliveries before the events that they name and the account itself last. Whoever finds the
//! mark goes on, after a crash as well.

use std::fmt;

use bellwire_domain::{AccountId, Timestamp};

use super::notice::Notice;
use super::scrub;
use crate::StoreError;
use crate::rows::account;
use crate::rows::event::{SEQ_MAX, event_place, place_seq};
use crate::rows::{bulk_retry, client, erasure, hold, incident, session};
use crate::sql::{Db, Select, columns, params};

/// Rows of a table that go in one step.
const STEP: i64 = 1_000;

/// What is left of an account that is being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Since when.
    pub since: Timestamp,
    /// Events left.
    pub events: i64,
    /// Live deliveries left. Deliveries that have ended go first.
    pub live_deliveries: i64,
}

/// What a step of a deletion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionStep {
    /// Whose.
    pub account_id: AccountId,
    /// What is left; `None`: nothing, and the account is gone.
    pub left: Option<Deletion>,
}

columns! {
    /// An account, as its deletion sees it.
    struct Progress of "accounts" {
        account: i64 = "ref",
        since: Option<Timestamp> = "deleting_since",
        pending: i64 = "pending",
        first_seq: i64 = "first_seq",
        last_seq: i64 = "last_seq",
    }
}

static PROGRESS: Select<Progress> = Select::new("FROM accounts WHERE id = $1");
const MARK: &str = "UPDATE accounts SET deleting_since = $1, version = version + 1 WHERE id = $2 AND deleting_since IS NULL";
const DISABLE: &str = "UPDATE endpoints SET enabled = $1, version = version + 1 WHERE account_id = $2";
const DELETE_KEYS: &str = "DELETE FROM api_keys WHERE account_id = $1";
const DELETE_REPLAYS: &str = "DELETE FROM replays WHERE account_id = $1";
const NEXT: &str = "SELECT id FROM accounts WHERE deleting_since IS NOT NULL ORDER BY deleting_since LIMIT 1";

/// The end of a step: the first key after it, if there is one.
const ENDED_STEP: &str = "SELECT id FROM deliveries WHERE account = $1 ORDER BY id LIMIT 1 OFFSET $2";
const EARLIER_OF_ENDED: &str = "DELETE FROM earlier_attempts WHERE delivery_id IN \
     (SELECT id FROM deliveries WHERE account = $1 AND id < $2)";
const ENDED: &str = "DELETE FROM deliveries WHERE account = $1 AND id < $2";
const LIVE_LANE: &str = "SELECT l.ref FROM lanes l WHERE l.account_id = $1 \
     AND EXISTS (SELECT 1 FROM queue q WHERE q.lane = l.ref AND q.lane > 0) LIMIT 1";
const LIVE_STEP: &str = "SELECT id FROM queue WHERE lane = $1 AND lane > 0 ORDER BY id LIMIT 1 OFFSET $2";
const EARLIER_OF_LIVE: &str = "DELETE FROM earlier_attempts WHERE delivery_id IN \
     (SELECT id FROM queue WHERE lane = $1 AND lane > 0 AND id < $2)";
const LIVE: &str = "DELETE FROM queue WHERE lane = $1 AND lane > 0 AND id < $2";
const EVENTS_STEP: &str = "SELECT place FROM events WHERE place >= $1 AND place <= $2 ORDER BY place LIMIT 1 OFFSET $3";
const SUBJECTS: &str = "DELETE FROM subjects WHERE event >= $1 AND event < $2";
const EVENTS: &str = "DELETE FROM events WHERE place >= $1 AND place < $2";
const LOG_START: &str = "UPDATE accounts SET first_seq = $1 WHERE ref = $2";
/// Of what receivers were told, likewise.
const DISCLOSED_STEP: &str = "SELECT at FROM disclosures WHERE account = $1 ORDER BY at LIMIT 1 OFFSET $2";
const DISCLOSED: &str = "DELETE FROM disclosures WHERE account = $1 AND at < $2";
const RESOURCES: &str = "DELETE FROM resources WHERE account_id = $1 AND (kind, id) IN \
     (SELECT kind, id FROM resources WHERE account_id = $1 ORDER BY kind, id LIMIT $2)";
/// What is left then is as much as an account has endpoints.
const REST: [&str; 5] = [
    "DELETE FROM resource_subjects WHERE account_id = $1",
    "DELETE FROM secrets WHERE account_id = $1",
    "DELETE FROM endpoints WHERE account_id = $1",
    "DELETE FROM lanes WHERE account_id = $1",
    "DELETE FROM accounts WHERE id = $1",
];

/// Marks an account; `false`: there is none. One that is marked stays so.
pub(crate) fn begin(db: Db<'_>, id: &AccountId, now: Timestamp) -> Result<bool, StoreError> {
    account::lock(db, id)?;
    if db.execute(MARK, params![now, id.as_str()])? > 0 {
        db.execute(DISABLE, params![false, id.as_str()])?;
        db.execute(DELETE_KEYS, params![id.as_str()])?;
        db.execute(DELETE_REPLAYS, params![id.as_str()])?;
        session::end_of_account(db, id)?;
        client::drop_of_account(db, id)?;
        incident::drop_of_account(db, id)?;
        bulk_retry::drop_of_account(db, id)?;
        erasure::drop_of_account(db, id)?;
        hold::drop_of_account(db, id)?;
        Notice::Account(id.clone()).tell(db)?;
        Notice::Keys.tell(db)?;
    }
    Ok(PROGRESS.find(db, params![id.as_str()])?.is_some())
}

/// What is left of an account that is being deleted; `None`: there is no such account, or it is not.
pub(crate) fn find(db: Db<'_>, id: &AccountId) -> Result<Option<Deletion>, StoreError> {
    Ok(PROGRESS.find(db, params![id.as_str()])?.and_then(|progress| progress.left()))
}

/// Deletes some rows of the account that has waited longest, or of this one; `None`: none is being deleted.
pub(crate) fn advance(db: Db<'_>, only: Option<&AccountId>) -> Result<Option<DeletionStep>, StoreError> {
    let next = || db.find("accounts", NEXT, params![])?.map(|row| row.value("id")).transpose();
    let Some(account_id) = only.cloned().map_or_else(next, |id| Ok(Some(id)))? else { return Ok(None) };
    account::lock(db, &account_id)?;
    // Another node may just have finished it.
    let Some(progress) = PROGRESS.find(db, params![account_id.as_str()])?.filter(|found| found.since.is_some()) else {
        return Ok(Some(DeletionStep { account_id, left: None }));
    };
    let removed = delete_ended(db, progress.account)?
        || delete_live(db, &account_id)?
        || delete_events(db, &progress)?
        || delete_disclosures(db, progress.account)?
        || db.execute(RESOURCES, params![account_id.as_str(), STEP])? > 0;
    if !removed {
        for statement in REST {
            db.execute(statement, params![account_id.as_str()])?;
        }
        scrub::want(db)?;
        incident::drop_of_account(db, &account_id)?; // what was in flight may have opened some since
        Notice::Account(account_id.clone()).tell(db)?;
    }
    let left = find(db, &account_id)?;
    Ok(Some(DeletionStep { account_id, left }))
}

impl Progress {
    fn left(&self) -> Option<Deletion> {
        let events = self.last_seq - self.first_seq + 1;
        self.since.map(|since| Deletion { since, events, live_deliveries: self.pending })
    }
}

/// Where a step ends: before the first key that is not in it.
fn step_end(found: Option<crate::sql::Row>, column: &'static str) -> Result<i64, StoreError> {
    Ok(found.map(|row| row.value(column)).transpose()?.unwrap_or(i64::MAX))
}

fn delete_ended(db: Db<'_>, account: i64) -> Result<bool, StoreError> {
    let end = step_end(db.find("deliveries", ENDED_STEP, params![account, STEP])?, "id")?;
    db.execute(EARLIER_OF_ENDED, params![account, end])?;
    Ok(db.execute(ENDED, params![account, end])? > 0)
}

fn delete_live(db: Db<'_>, id: &AccountId) -> Result<bool, StoreError> {
    let Some(lane) = db.find("queue", LIVE_LANE, params![id.as_str()])? else { return Ok(false) };
    let lane: i64 = lane.value("ref")?;
    let end = step_end(db.find("queue", LIVE_STEP, params![lane, STEP])?, "id")?;
    db.execute(EARLIER_OF_LIVE, params![lane, end])?;
    let deleted = db.execute(LIVE, params![lane, end])?;
    account::add_pending(db, id, -i64::try_from(deleted).unwrap_or(i64::MAX))?;
    Ok(deleted > 0)
}

/// Rows of one instant go together.
fn delete_disclosures(db: Db<'_>, account: i64) -> Result<bool, StoreError> {
    let end = step_end(db.find("disclosures", DISCLOSED_STEP, params![account, STEP])?, "at")?;
    Ok(db.execute(DISCLOSED, params![account, end.saturating_add(1)])? > 0)
}

fn delete_events(db: Db<'_>, progress: &Progress) -> Result<bool, StoreError> {
    let (begin, last) = (event_place(progress.account, 0), event_place(progress.account, SEQ_MAX));
    let end = step_end(db.find("events", EVENTS_STEP, params![begin, last, STEP])?, "place")?.min(last);
    let next_seq = if end == last { progress.last_seq + 1 } else { place_seq(end) };
    db.execute(SUBJECTS, params![begin, end])?;
    db.execute(LOG_START, params![next_seq, progress.account])?;
    Ok(db.execute(EVENTS, params![begin, end])? > 0)
}

impl fmt::Display for Deletion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} events and {} live deliveries left", self.events, self.live_deliveries)
    }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let marks = [MARK, DISABLE, DELETE_KEYS, DELETE_REPLAYS, NEXT, RESOURCES];
    let deliveries = [ENDED_STEP, EARLIER_OF_ENDED, ENDED, LIVE_LANE, LIVE_STEP, EARLIER_OF_LIVE, LIVE];
    let events = [EVENTS_STEP, SUBJECTS, EVENTS, LOG_START, DISCLOSED_STEP, DISCLOSED];
    let all = marks.into_iter().chain(deliveries).chain(events).chain(REST);
    all.map(str::to_owned).chain([PROGRESS.sql()]).collect()
}
