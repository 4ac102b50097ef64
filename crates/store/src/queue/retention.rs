//! Retention: removing what is older than it has to be kept.
//!
//! The history goes first: ended deliveries with their attempts, by the week they were made in (on PostgreSQL a week is a
//! partition, see `history.rs`). The row of `retention` says from where on everything is kept, and says so before anything is
//! removed, so that nobody mistakes an unfinished removal for a loss. A week stays as long as a delivery made in it is live, and
//! so do the weeks after it; so does a week with a delivery about somebody who is under a hold. Then events go, account by account, from the start of each log up to the first one that is young
//! enough or that a delivery or a hold still needs. A log never has holes; it only begins later.
//!
//! An account may have a period of its own. Weeks go by the longest of all periods. What an account keeps for less long goes with its
//! events, delivery by delivery.
//!
//! Everything goes in small transactions, and others write in between.

use std::time::Duration;

use bellwire_domain::{AccountId, DeliveryId, Timestamp};

use super::clock;
use super::expiry::LIVE;
use super::ids::{WEEK, ahead_of};
use crate::StoreError;
use crate::rows::account::RetainedAccount;
use crate::rows::event::{SEQ_MAX, event_place, place_seq};
use crate::rows::retention::{Kept, keep, kept};
use crate::rows::{account, hold};
use crate::sql::{Db, Select, columns, params};

/// Rows removed in one transaction.
const BATCH: i64 = 1_000;

const OLDEST_LIVE: &str = "SELECT MIN(id) FROM queue";
/// On SQLite only; on PostgreSQL whole partitions go.
const DELETE_ENDED: &str = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE id < $1 ORDER BY id LIMIT $2)";
const DELETE_EARLIER: &str = "DELETE FROM earlier_attempts WHERE (delivery_id, number) IN \
     (SELECT delivery_id, number FROM earlier_attempts WHERE delivery_id < $1 ORDER BY delivery_id LIMIT $2)";

columns! {
    /// Where an account's log begins.
    struct LogStart of "accounts" {
        account: i64 = "ref",
        first_seq: i64 = "first_seq",
    }
}

columns! {
    /// From where on an account's own history is kept.
    struct OwnKept of "accounts" {
        from: i64 = "kept_from",
        since: Timestamp = "kept_since",
    }
}

columns! {
    /// An event of the log.
    struct Logged of "events" {
        place: i64 = "place",
        created_at: Timestamp = "created_at",
    }
}

static LOG_START: Select<LogStart> = Select::new("FROM accounts WHERE id = $1");
static FIRST_LOGGED: Select<Logged> = Select::new("FROM events WHERE place >= $1 AND place <= $2 ORDER BY place LIMIT $3");
static NEXT_SOUND: Select<Logged> =
    Select::new("FROM events WHERE place >= $1 AND place <= $2 AND created_at <= $3 ORDER BY place LIMIT 1");
/// The first event that anything still needs. Of a lane's live deliveries the first was made for the first of the events that are
/// sent the first time; those that are sent again are looked up by themselves.
const NEEDED: &str = "SELECT MIN(event) FROM (SELECT MIN(event) AS event FROM deliveries WHERE event >= $1 AND event <= $2 \
     UNION ALL SELECT MIN(event) FROM queue WHERE origin IS NOT NULL AND event >= $1 AND event <= $2 \
     UNION ALL SELECT (SELECT q.event FROM queue q WHERE q.lane = l.ref AND q.lane > 0 ORDER BY q.id LIMIT 1) FROM lanes l \
     WHERE l.account_id = $3) x";
/// The same, where ids do not ascend with the events.
const NEEDED_OF_ALL: &str = "SELECT MIN(event) FROM (SELECT MIN(event) AS event FROM deliveries WHERE event >= $1 AND event <= $2 \
     UNION ALL SELECT MIN(event) FROM queue WHERE origin IS NOT NULL AND event >= $1 AND event <= $2 \
     UNION ALL SELECT (SELECT MIN(q.event) FROM queue q WHERE q.lane = l.ref AND q.lane > 0) FROM lanes l \
     WHERE l.account_id = $3) x";
/// Of ended deliveries, those whose ids lie ahead of time: no week that has passed is theirs.
const DELETE_EARLIER_AHEAD: &str = "DELETE FROM earlier_attempts WHERE delivery_id IN \
     (SELECT id FROM deliveries WHERE event >= $1 AND event < $2 AND id >= $3)";
const DELETE_ENDED_AHEAD: &str = "DELETE FROM deliveries WHERE event >= $1 AND event < $2 AND id >= $3";
/// Of an account that keeps its history for less long than others.
const DELETE_OWN_EARLIER: &str = "DELETE FROM earlier_attempts WHERE delivery_id IN \
     (SELECT id FROM deliveries WHERE event >= $1 AND event < $2 AND id < $3)";
const DELETE_OWN_ENDED: &str = "DELETE FROM deliveries WHERE event >= $1 AND event < $2 AND id < $3";
const LONGEST: &str = "SELECT MAX(retain_history) AS days FROM accounts";
static OWN_KEPT: Select<OwnKept> = Select::new("FROM accounts WHERE id = $1");
const KEEP_OWN: &str = "UPDATE accounts SET kept_from = $1, kept_since = $2 WHERE id = $3";
const DELETE_SUBJECTS: &str = "DELETE FROM subjects WHERE event >= $1 AND event < $2";
const DELETE_EVENTS: &str = "DELETE FROM events WHERE place >= $1 AND place < $2";
const MOVE_LOG: &str = "UPDATE accounts SET first_seq = $1 WHERE ref = $2";

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Deliveries that had ended, where they were removed one by one.
    pub deliveries: usize,
    /// Partitions, where those were removed as a whole.
    pub partitions: usize,
    /// Events.
    pub events: usize,
}

/// Decides and writes down from where on everything is kept: from the week of `since`, or from an earlier one that is still
/// needed.
pub(crate) fn begin(db: Db<'_>, since: Timestamp) -> Result<Kept, StoreError> {
    let wanted = week_of(first_id(since));
    let oldest: Option<i64> = db.get("queue", OLDEST_LIVE, params![])?.value("id")?;
    let first = [oldest, hold::first_delivery(db)?].into_iter().flatten().min();
    let from = first.map_or(wanted, |first| wanted.min(week_of(first)));
    let before = kept(db)?;
    if from <= before.from {
        return Ok(before);
    }
    let kept = Kept { from, since: made_at(from)? };
    keep(db, kept)?;
    Ok(kept)
}

/// The longest period for which history is kept, of everybody's and those of accounts.
pub(crate) fn longest(db: Db<'_>, everybody: Duration) -> Result<Duration, StoreError> {
    let own: Option<i64> = db.get("accounts", LONGEST, params![])?.value("days")?;
    Ok(own.map_or(everybody, |days| everybody.max(account::from_days(days))))
}

/// From where on an account's history is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    kept: Kept,
    /// Whether it is later than everybody's, so that no week goes for it.
    is_own: bool,
}

impl Cut {
    /// That of accounts that keep their history as long as everybody.
    pub(crate) const fn of_everybody(kept: Kept) -> Self {
        Self { kept, is_own: false }
    }
}

/// Decides and writes down the cut of an account with a period of its own: the week of `since`, or where everybody's history begins.
pub(crate) fn begin_own(db: Db<'_>, account_id: &AccountId, since: Timestamp) -> Result<Cut, StoreError> {
    account::lock(db, account_id)?;
    let everybody = kept(db)?;
    let own = OWN_KEPT.find(db, params![account_id.as_str()])?.map(|own| Kept { from: own.from, since: own.since });
    let mut kept = own.filter(|own| own.from > everybody.from).unwrap_or(everybody);
    let from = week_of(first_id(since));
    if from > kept.from {
        kept = Kept { from, since: made_at(from)? };
        db.execute(KEEP_OWN, params![kept.from, kept.since, account_id.as_str()])?;
    }
    Ok(Cut { kept, is_own: kept.from > everybody.from })
}

/// The first id that may be drawn at this instant.
fn first_id(at: Timestamp) -> i64 {
    DeliveryId::after(DeliveryId::default(), at).number()
}

/// The first id of the week of an id.
const fn week_of(id: i64) -> i64 {
    id - id.rem_euclid(WEEK)
}

/// The instant at which an id may have been drawn first.
fn made_at(id: i64) -> Result<Timestamp, StoreError> {
    let negative = || StoreError::Inconsistent { table: "retention", column: "kept_from", id: id.to_string() };
    DeliveryId::from_number(id).map(DeliveryId::made_at).ok_or_else(negative)
}

/// Removes some of the history; how many deliveries. None are left when it is 0. On SQLite.
pub(crate) fn delete_history(db: Db<'_>, kept: Kept) -> Result<usize, StoreError> {
    let earlier = db.execute(DELETE_EARLIER, params![kept.from, BATCH])?;
    let ended = db.execute(DELETE_ENDED, params![kept.from, BATCH])?;
    Ok(earlier.max(ended))
}

/// Removes some events from the beginning of an account's log, with deliveries that are not kept as long as everybody's: what went, and
/// whether there may be more to remove.
///
/// What was accepted by a clock that was ahead goes with the events around it: once a later one is old, it is.
pub(crate) fn delete_events(db: Db<'_>, account_id: &AccountId, cut: Cut, now: Timestamp) -> Result<(Removed, bool), StoreError> {
    let (mut removed, kept) = (Removed::default(), cut.kept);
    account::lock(db, account_id)?;
    let Some(LogStart { account, first_seq }) = LOG_START.find(db, params![account_id.as_str()])? else {
        return Ok((removed, false));
    };
    let (begin, end) = (event_place(account, first_seq), event_place(account, SEQ_MAX));
    let first = FIRST_LOGGED.list(db, params![begin, end, BATCH])?;
    let is_full = i64::try_from(first.len()).is_ok_and(|found| found == BATCH);
    let goes_on = is_full && first.iter().all(|event| event.created_at > now) && {
        NEXT_SOUND.find(db, params![begin, end, now])?.is_some_and(|event| event.created_at < kept.since)
    };
    let Some(past) = past_old(&first, kept.since, now, goes_on) else { return Ok((removed, false)) };
    let mut past = hold::first_event(db, account_id)?.map_or(past, |held| past.min(held));
    if first.iter().any(|event| event.place < past && event.created_at > now) {
        let ahead = params![begin, past, ahead_of(now)];
        db.execute(DELETE_EARLIER_AHEAD, ahead)?;
        db.execute(DELETE_ENDED_AHEAD, ahead)?;
    }
    if cut.is_own {
        let live: Option<i64> = db.get("events", LIVE, params![begin, end, account_id.as_str()])?.value("event")?;
        past = live.map_or(past, |live| past.min(live));
        db.execute(DELETE_OWN_EARLIER, params![begin, past, kept.from])?;
        removed.deliveries = db.execute(DELETE_OWN_ENDED, params![begin, past, kept.from])?;
    }
    let needed = if clock::ids_ascend(db)? { NEEDED } else { NEEDED_OF_ALL };
    let needed: Option<i64> = db.get("events", needed, params![begin, end, account_id.as_str()])?.value("event")?;
    past = needed.map_or(past, |needed| past.min(needed));
    if past <= begin {
        return Ok((removed, false));
    }
    let seq = place_seq(past);
    db.execute(DELETE_SUBJECTS, params![begin, past])?;
    removed.events = db.execute(DELETE_EVENTS, params![begin, past])?;
    db.execute(MOVE_LOG, params![seq, account])?;
    Ok((removed, is_full))
}

/// Whether [`delete_events`] may find something to remove: whether the first event of the log is old, or dated by a clock that was ahead.
pub(crate) fn begins_old(db: Db<'_>, account: &RetainedAccount, cut: Cut, now: Timestamp) -> Result<bool, StoreError> {
    let (begin, end) = (event_place(account.reference, account.first_seq), event_place(account.reference, SEQ_MAX));
    let first = FIRST_LOGGED.find(db, params![begin, end, 1_i64])?;
    Ok(first.is_some_and(|event| event.created_at < cut.kept.since || event.created_at > now))
}

/// Where the old events at the beginning of a log end. What a clock that was ahead has dated after `now` says nothing: it is old if
/// one after it is, of these, or, where all of these are such, of those that come then.
fn past_old(first: &[Logged], since: Timestamp, now: Timestamp, goes_on: bool) -> Option<i64> {
    let known = first.iter().take_while(|event| event.created_at < since || event.created_at > now);
    let last = if goes_on { first.last() } else { known.filter(|event| event.created_at < since).last() };
    last.map(|event| event.place + 1)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let history = [OLDEST_LIVE, DELETE_ENDED, DELETE_EARLIER, DELETE_ENDED_AHEAD, DELETE_EARLIER_AHEAD];
    let own = [DELETE_OWN_EARLIER, DELETE_OWN_ENDED, LONGEST, KEEP_OWN];
    let log = [NEEDED, NEEDED_OF_ALL, DELETE_SUBJECTS, DELETE_EVENTS, MOVE_LOG];
    let selects = [LOG_START.sql(), FIRST_LOGGED.sql(), NEXT_SOUND.sql(), OWN_KEPT.sql()];
    history.into_iter().chain(own).chain(log).map(str::to_owned).chain(selects).collect()
}
