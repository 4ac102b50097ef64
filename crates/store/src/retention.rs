//! Retention: what is older than it has to be kept is removed.
//!
//! First the history: deliveries that ended, with their attempts, by the weeks in which they were made (see `history.rs`: on
//! PostgreSQL a week is a partition). The row of `retention` says from where on everything is kept, and says so before anything
//! is removed, so that nobody takes an unfinished removal for a loss. A week in which a delivery was made that still lives is
//! kept, and so are those after it. Then the events, account by account, from the beginning of each log up to the first that is
//! young enough or that a delivery still needs: a log never has holes, it only begins later.
//!
//! Everything goes in small transactions, between which others write.

use bellwire_domain::{AccountId, DeliveryId, Timestamp};

use crate::StoreError;
use crate::driver::{Db, params};
use crate::lanes::{SEQ_MAX, event_place, place_seq};

/// Ids of a week: milliseconds, and 22 bits below them.
pub(crate) const WEEK: i64 = (7 * 24 * 60 * 60 * 1_000) << 22;
/// Rows removed in one transaction.
const BATCH: i64 = 1_000;

const BEGIN: &str = "SELECT kept_from, kept_since FROM retention";
const MOVE: &str = "UPDATE retention SET kept_from = $1, kept_since = $2";
const OLDEST_LIVE: &str = "SELECT MIN(id) FROM queue";
/// On SQLite only; on PostgreSQL whole partitions go.
const DELETE_ENDED: &str = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE id < $1 ORDER BY id LIMIT $2)";
const DELETE_EARLIER: &str = "DELETE FROM earlier_attempts WHERE (delivery_id, number) IN \
     (SELECT delivery_id, number FROM earlier_attempts WHERE delivery_id < $1 ORDER BY delivery_id LIMIT $2)";

const LOG: &str = "SELECT ref, first_seq FROM accounts WHERE id = $1";
const LOG_BEGIN: &str = "SELECT place, created_at FROM events WHERE place >= $1 AND place <= $2 ORDER BY place LIMIT $3";
/// The first event that anything still needs. Of a lane's live deliveries the first was made for the first of the events that are
/// sent the first time; those that are sent again are looked up by themselves.
const NEEDED: &str = "SELECT MIN(event) FROM (SELECT MIN(event) AS event FROM deliveries WHERE event >= $1 AND event <= $2 \
     UNION ALL SELECT MIN(event) FROM queue WHERE origin IS NOT NULL AND event >= $1 AND event <= $2 \
     UNION ALL SELECT (SELECT q.event FROM queue q WHERE q.lane = l.ref AND q.lane > 0 ORDER BY q.id LIMIT 1) FROM lanes l \
     WHERE l.account_id = $3) x";
const DELETE_SUBJECTS: &str = "DELETE FROM event_subjects WHERE account_id = $1 AND event_seq < $2";
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

/// From where on everything is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    /// Deliveries with this id and later ones.
    pub(crate) from: i64,
    /// Events accepted at this instant or later.
    pub(crate) since: Timestamp,
}

/// Decides and states from where on everything is kept: from the week of `since`, or an earlier one that is still needed.
pub(crate) fn begin(db: Db<'_>, since: Timestamp) -> Result<Kept, StoreError> {
    let week_of = |id: i64| id - id.rem_euclid(WEEK);
    let wanted = week_of(DeliveryId::after(DeliveryId::default(), since).number());
    let oldest = db.find("queue", OLDEST_LIVE, params![])?.map_or(Ok(None), |row| row.find_int(0, "id"))?;
    let from = oldest.map_or(wanted, |oldest| wanted.min(week_of(oldest)));
    let stated = find(db)?;
    if from <= stated.from {
        return Ok(stated);
    }
    let kept = Kept { from, since: made_at(from) };
    set(db, kept)?;
    Ok(kept)
}

/// What is stated.
pub(crate) fn find(db: Db<'_>) -> Result<Kept, StoreError> {
    let row = db.find("retention", BEGIN, params![])?;
    row.map_or(Ok(Kept::default()), |row| Ok(Kept { from: row.int(0, "kept_from")?, since: row.time(1, "kept_since")? }))
}

/// States it.
pub(crate) fn set(db: Db<'_>, kept: Kept) -> Result<(), StoreError> {
    db.execute(MOVE, params![kept.from, kept.since]).map(drop)
}

/// The instant at which an id may have been drawn first.
fn made_at(id: i64) -> Timestamp {
    DeliveryId::from_number(id).map_or(Timestamp::default(), DeliveryId::made_at)
}

/// Removes some of the history; how many deliveries. None are left when it is 0. On SQLite.
pub(crate) fn delete_history(db: Db<'_>, kept: Kept) -> Result<usize, StoreError> {
    let earlier = db.execute(DELETE_EARLIER, params![kept.from, BATCH])?;
    let ended = db.execute(DELETE_ENDED, params![kept.from, BATCH])?;
    Ok(earlier.max(ended))
}

/// Removes some events from the beginning of an account's log; whether there may be more to remove, and how many went.
pub(crate) fn delete_events(db: Db<'_>, account_id: &AccountId, kept: Kept) -> Result<(usize, bool), StoreError> {
    let nothing = (0, false);
    db.lock_account(account_id)?;
    let Some(row) = db.find("accounts", LOG, params![account_id.as_str()])? else { return Ok(nothing) };
    let (account, first) = (row.int(0, "ref")?, row.int(1, "first_seq")?);
    let (begin, end) = (event_place(account, first), event_place(account, SEQ_MAX));
    let mut past = begin;
    let rows = db.query("events", LOG_BEGIN, params![begin, end, BATCH])?;
    for row in &rows {
        if row.time(1, "created_at")? >= kept.since {
            break;
        }
        past = row.int(0, "place")? + 1;
    }
    if past > begin {
        let needed = db.find("events", NEEDED, params![begin, end, account_id.as_str()])?;
        if let Some(needed) = needed.map_or(Ok(None), |row| row.find_int(0, "event"))? {
            past = past.min(needed);
        }
    }
    if past <= begin {
        return Ok(nothing);
    }
    let seq = place_seq(past);
    db.execute(DELETE_SUBJECTS, params![account_id.as_str(), seq])?;
    let deleted = db.execute(DELETE_EVENTS, params![begin, past])?;
    db.execute(MOVE_LOG, params![seq, account])?;
    Ok((deleted, i64::try_from(rows.len()).is_ok_and(|found| found == BATCH)))
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let texts = [
        BEGIN,
        MOVE,
        OLDEST_LIVE,
        DELETE_ENDED,
        DELETE_EARLIER,
        LOG,
        LOG_BEGIN,
        NEEDED,
        DELETE_SUBJECTS,
        DELETE_EVENTS,
        MOVE_LOG,
    ];
    texts.map(str::to_owned).into()
}
