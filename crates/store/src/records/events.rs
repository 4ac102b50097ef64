//! Reading an account's log of events: the polling fallback and the check for gaps.

use bellwire_domain::{AccountId, DataRemoval, EndpointId, EventFilter, EventId, EventType, Timestamp};
use bytes::Bytes;

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::rows::account::{self, Account};
use crate::rows::endpoint::types_between_commas;
use crate::rows::event::{SEQ_MAX, StoredEvent, event_place, place_seq, removal};
use crate::rows::lane::{self, LaneKey};
use crate::seal::{Keyring, Place};
use crate::sql::{Db, Row, params, select};

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
    /// The posted bytes of `data`; `null` where they are gone.
    pub data: Bytes,
    /// Why they are gone.
    pub removed: Option<DataRemoval>,
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
/// The number of no lane, for an endpoint that never was.
const NO_LANE: i64 = 0;

/// `$7` has a comma before and after each type: no type has one in it.
const PAGE: &str = "FROM events WHERE place > $1 AND place < $2 AND (type = $3 OR $3 IS NULL) \
     AND (occurred_at >= $4 OR $4 IS NULL) AND (occurred_at < $5 OR $5 IS NULL) \
     AND (is_test = 0 OR CAST($6 AS BIGINT) IS NULL OR CAST($6 AS BIGINT) = 1) \
     AND (replace($7, ',' || type || ',', '') <> $7 OR $7 IS NULL) \
     AND ($6 IS NULL OR $6 = CASE WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.event = events.place \
     AND (d.lane = $8 OR $8 IS NULL) AND d.state = 'delivered') THEN 1 ELSE 0 END) ORDER BY place LIMIT $9";
const LOOK_END: &str = "SELECT place FROM events WHERE place > $1 AND place < $2 ORDER BY place LIMIT 1 OFFSET $3";
const BY_ID: &str = "FROM events WHERE account = $1 AND id = $2";

/// A page of the log in `seq` order; the cursor is the last `seq` looked at. A page with fewer items than asked for is the last
/// only when it has no cursor.
pub(super) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    query: &EventQuery,
    page: &PageRequest,
) -> Result<Page<Event>, StoreError> {
    let Some(account) = account::find(db, account_id)? else { return Ok(Page::default()) };
    let (after, end) = (event_place(account.reference, query.after_seq.clamp(0, SEQ_MAX)), event_place(account.reference + 1, 0));
    let unseen: Option<i64> = if query.leaves_out() {
        db.find("events", LOOK_END, params![after, end, LOOK_MAX])?.map(|row| row.value("place")).transpose()?
    } else {
        None
    };
    let lane = match query.arrival.as_ref().and_then(|arrival| arrival.endpoint_id.clone()) {
        None => None,
        Some(endpoint_id) => {
            let lane = lane::find(db, &LaneKey { account_id: account_id.clone(), endpoint_id })?;
            Some(lane.map_or(NO_LANE, |refs| refs.lane))
        }
    };
    let event_type = query.event_type.as_ref().map(EventType::as_str);
    let arrival = query.arrival.as_ref();
    let wanted = arrival.and_then(|arrival| types_between_commas(&arrival.wanted));
    let rows = db.query(
        "events",
        &select::<StoredEvent<'_>>(PAGE),
        params![
            after,
            unseen.unwrap_or(end),
            event_type,
            query.since,
            query.until,
            arrival.map(|arrival| arrival.delivered),
            wanted.as_deref(),
            lane,
            page.fetch(),
        ],
    )?;
    let events = open(keyring, &account, &rows)?;
    let mut page = page.cut(events, |event| event.seq.to_string());
    page.next = page.next.or_else(|| unseen.map(|place| (place_seq(place) - 1).to_string()));
    Ok(page)
}

impl EventQuery {
    /// Whether there are events after `after_seq` that it may leave out.
    const fn leaves_out(&self) -> bool {
        self.event_type.is_some() || self.since.is_some() || self.until.is_some() || self.arrival.is_some()
    }
}

pub(super) fn find(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, id: &EventId) -> Result<Option<Event>, StoreError> {
    let Some(account) = account::find(db, account_id)? else { return Ok(None) };
    let rows = db.query("events", &select::<StoredEvent<'_>>(BY_ID), params![account.reference, id.as_str()])?;
    Ok(open(keyring, &account, &rows)?.into_iter().next())
}

fn open(keyring: &Keyring, account: &Account, rows: &[Row]) -> Result<Vec<Event>, StoreError> {
    let key = keyring.open_key(&account.id, &account.data_key_sealed)?;
    let read = |row: &Row| {
        let stored: StoredEvent<'_> = row.read()?;
        let removed = removal(stored.payload_length);
        let data = match removed {
            Some(_) => b"null".to_vec(),
            None => key.open(&Place::payload(&account.id, &stored.id), stored.payload_sealed)?,
        };
        Ok(Event {
            id: stored.id,
            seq: place_seq(stored.place),
            event_type: stored.event_type,
            occurred_at: stored.occurred_at,
            created_at: stored.created_at,
            is_test: stored.is_test,
            deliveries: stored.deliveries,
            data: data.into(),
            removed,
        })
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![select::<StoredEvent<'_>>(PAGE), select::<StoredEvent<'_>>(BY_ID), LOOK_END.to_owned()]
}
