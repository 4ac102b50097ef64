//! Reading an account's log of events: the polling fallback and the check for gaps.

use bellwire_domain::{AccountId, EventId, EventType, Timestamp};
use bytes::Bytes;

use crate::driver::{Db, Row, params};
use crate::publish::payload_context;
use crate::seal::Keyring;
use crate::{Page, PageRequest, StoreError, accounts};

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its place in the account's log.
    pub seq: i64,
    /// Its type.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Whether it is a test event.
    pub is_test: bool,
    /// How many deliveries its first publication caused.
    pub deliveries: i64,
    /// The posted bytes of `data`.
    pub data: Bytes,
}

/// Which events of a log.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Events after this `seq`.
    pub after_seq: i64,
    /// Only this type.
    pub event_type: Option<EventType>,
    /// Only events that occurred at or after this instant.
    pub since: Option<Timestamp>,
    /// Only events that occurred before this instant.
    pub until: Option<Timestamp>,
}

const COLUMNS: &str =
    "SELECT id, seq, type, occurred_at, created_at, is_test, deliveries, payload_sealed FROM events WHERE account_id = $1 ";
const PAGE: &str = "AND seq > $2 AND ($3 IS NULL OR type = $3) AND ($4 IS NULL OR occurred_at >= $4) \
     AND ($5 IS NULL OR occurred_at < $5) ORDER BY seq LIMIT $6";
const BY_ID: &str = "AND id = $2";

/// A page of the log in `seq` order; the cursor is the last `seq`.
pub(crate) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    query: &EventQuery,
    page: &PageRequest,
) -> Result<Page<Event>, StoreError> {
    let event_type = query.event_type.as_ref().map(EventType::as_str);
    let rows = db.query(
        "events",
        &format!("{COLUMNS}{PAGE}"),
        params![account_id.as_str(), query.after_seq, event_type, query.since, query.until, page.fetch()],
    )?;
    let events = open(db, keyring, account_id, &rows)?;
    Ok(page.cut(events, |event| event.seq.to_string()))
}

pub(crate) fn find(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, id: &EventId) -> Result<Option<Event>, StoreError> {
    let rows = db.query("events", &format!("{COLUMNS}{BY_ID}"), params![account_id.as_str(), id.as_str()])?;
    Ok(open(db, keyring, account_id, &rows)?.into_iter().next())
}

fn open(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, rows: &[Row]) -> Result<Vec<Event>, StoreError> {
    let Some(account) = accounts::find(db, account_id)? else { return Ok(Vec::new()) };
    let key = keyring.unwrap(account_id, &account.data_key_sealed)?;
    let read = |row: &Row| {
        let id: EventId = row.parsed(0, "id")?;
        let data = key.open("events", &payload_context(account_id, &id), row.bytes(7, "payload_sealed")?)?;
        Ok(Event {
            id,
            seq: row.int(1, "seq")?,
            event_type: row.word(2, "type", |text| EventType::try_new(text).ok())?,
            occurred_at: row.time(3, "occurred_at")?,
            created_at: row.time(4, "created_at")?,
            is_test: row.boolean(5, "is_test")?,
            deliveries: row.int(6, "deliveries")?,
            data: data.into(),
        })
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    [PAGE, BY_ID].map(|rest| format!("{COLUMNS}{rest}")).into()
}
