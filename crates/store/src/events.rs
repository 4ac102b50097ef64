//! Reading an account's log of events: the polling fallback and the check for gaps.

use bellwire_domain::{AccountId, EndpointId, EventFilter, EventId, EventType, Timestamp};
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
    /// Only events that have arrived, or only those that have not.
    pub arrival: Option<Arrival>,
}

/// What has become of an event.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// `true`: some delivery of it has arrived; `false`: none has, and it is no test.
    pub delivered: bool,
    /// Deliveries to this endpoint; `None`: to any.
    pub endpoint_id: Option<EndpointId>,
    /// Only events of these types.
    pub wanted: EventFilter,
}

/// Events of the log that one query looks at when it leaves some out: what matches rarely is found over several pages.
const LOOK_MAX: i64 = 5_000;

const COLUMNS: &str =
    "SELECT id, seq, type, occurred_at, created_at, is_test, deliveries, payload_sealed FROM events WHERE account_id = $1 ";
/// `$8` has a comma before and after each type: no type has one in it.
const PAGE: &str = "AND seq > $2 AND seq < $3 AND (type = $4 OR $4 IS NULL) AND (occurred_at >= $5 OR $5 IS NULL) \
     AND (occurred_at < $6 OR $6 IS NULL) AND (is_test = 0 OR CAST($7 AS BIGINT) IS NULL OR CAST($7 AS BIGINT) = 1) \
     AND (replace($8, ',' || type || ',', '') <> $8 OR $8 IS NULL) \
     AND ($7 IS NULL OR $7 = CASE WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = events.account_id \
     AND d.event_seq = events.seq AND (d.endpoint_id = $9 OR $9 IS NULL) AND d.state = 'delivered') THEN 1 ELSE 0 END) \
     ORDER BY seq LIMIT $10";
const LOOK_END: &str = "SELECT seq FROM events WHERE account_id = $1 AND seq > $2 ORDER BY seq LIMIT 1 OFFSET $3";
const BY_ID: &str = "AND id = $2";

/// A page of the log in `seq` order; the cursor is the last `seq` looked at. A page with fewer items than asked for is the last
/// only when it has no cursor.
pub(crate) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    query: &EventQuery,
    page: &PageRequest,
) -> Result<Page<Event>, StoreError> {
    let account = account_id.as_str();
    let unseen = if query.leaves_out() {
        let row = db.find("events", LOOK_END, params![account, query.after_seq, LOOK_MAX])?;
        row.map(|row| row.int(0, "seq")).transpose()?
    } else {
        None
    };
    let event_type = query.event_type.as_ref().map(EventType::as_str);
    let arrival = query.arrival.as_ref();
    let wanted = arrival.and_then(|arrival| match &arrival.wanted {
        EventFilter::All => None,
        EventFilter::Only(types) => Some(types.iter().fold(",".to_owned(), |text, one| text + one.as_str() + ",")),
    });
    let rows = db.query(
        "events",
        &format!("{COLUMNS}{PAGE}"),
        params![
            account,
            query.after_seq,
            unseen.unwrap_or(i64::MAX),
            event_type,
            query.since,
            query.until,
            arrival.map(|arrival| arrival.delivered),
            wanted.as_deref(),
            arrival.and_then(|arrival| arrival.endpoint_id.as_ref()).map(EndpointId::as_str),
            page.fetch(),
        ],
    )?;
    let events = open(db, keyring, account_id, &rows)?;
    let mut page = page.cut(events, |event| event.seq.to_string());
    page.next = page.next.or_else(|| unseen.map(|seq| (seq - 1).to_string()));
    Ok(page)
}

impl EventQuery {
    /// Whether there are events after `after_seq` that it may leave out.
    const fn leaves_out(&self) -> bool {
        self.event_type.is_some() || self.since.is_some() || self.until.is_some() || self.arrival.is_some()
    }
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
    let mut all: Vec<String> = [PAGE, BY_ID].map(|rest| format!("{COLUMNS}{rest}")).into();
    all.push(LOOK_END.to_owned());
    all
}
