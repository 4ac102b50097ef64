//! Reading deliveries and their attempts, and sending one again by hand.
//!
//! A delivery is in the queue while it lives and in the history when it has ended; a list merges the two, newest first.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use bellwire_domain::{AccountId, DeliveryId, DeliveryState, EndpointId, EventId, EventType, Timestamp};

use crate::driver::{Db, Param, Row, params};
use crate::handoff::LaneKey;
use crate::outcomes::response_context;
use crate::seal::Keyring;
use crate::{Page, PageRequest, StoreError, accounts};

/// A delivery as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Its account.
    pub account_id: AccountId,
    /// Its endpoint.
    pub endpoint_id: EndpointId,
    /// Its place among the endpoint's deliveries.
    pub number: i64,
    /// The event's id.
    pub event_id: EventId,
    /// The event's type.
    pub event_type: EventType,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// When the next attempt is due, while pending.
    pub due_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// One recorded attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What happened, in one word.
    pub outcome: String,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// One sentence, when there was none.
    pub detail: Option<String>,
    /// The first bytes of the answer's body.
    pub response: Option<Vec<u8>>,
}

/// Which deliveries.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Of this account.
    pub account_id: Option<AccountId>,
    /// Of this endpoint.
    pub endpoint_id: Option<EndpointId>,
    /// In this state.
    pub state: Option<DeliveryState>,
}

/// What came of asking to send one again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryResult {
    /// It is due now.
    Due(LaneKey),
    /// It is in flight at this moment.
    InFlight,
    /// Its endpoint does not exist any more.
    EndpointGone,
    /// There is no such delivery.
    NotFound,
}

const QUEUED: &str = "SELECT d.id, l.account_id, l.endpoint_id, d.number, e.id, e.type, 'pending', d.attempts, d.due_at, \
     d.created_at, NULL FROM queue d JOIN events e ON e.place = d.event JOIN lanes l ON l.ref = d.lane ";
const ENDED: &str = "SELECT d.id, l.account_id, l.endpoint_id, d.number, e.id, e.type, d.state, d.attempts, NULL, \
     d.created_at, d.ended_at FROM deliveries d JOIN events e ON e.place = d.event JOIN lanes l ON l.ref = d.lane ";
const BY_ID: &str = "WHERE d.id = $1";
const ATTEMPTS: &str = "SELECT number, started_at, duration_us, outcome, status, detail, response_sealed FROM attempts \
     WHERE delivery_id = $1 AND account = (SELECT ref FROM accounts WHERE id = $2) ORDER BY number";
const WAKE_QUEUED: &str = "UPDATE queue SET due_at = $1, wake_at = NULL WHERE id = $2 AND claim IS NULL";
const IS_QUEUED: &str = "SELECT l.account_id, l.endpoint_id FROM queue d JOIN lanes l ON l.ref = d.lane WHERE d.id = $1";
const ACCOUNT: &str = "SELECT a.id FROM deliveries d JOIN accounts a ON a.ref = d.account WHERE d.id = $1";
const ENDPOINT_EXISTS: &str = "SELECT p.account_id, p.id FROM deliveries d JOIN endpoints p ON p.lane = d.lane WHERE d.id = $1";
const UNFOLD: &str = "INSERT INTO earlier_attempts (delivery_id, number, account, started_at, duration_us, outcome, status, \
     detail, response_sealed) SELECT id, attempts, account, started_at, duration_us, outcome, status, detail, response_sealed \
     FROM deliveries WHERE id = $1 AND outcome IS NOT NULL";
const REQUEUE: &str = "INSERT INTO queue (id, lane, number, event, attempts, created_at, due_at, origin) \
     SELECT id, lane, number, event, attempts, created_at, $1, origin FROM deliveries WHERE id = $2";
const UNEND: &str = "DELETE FROM deliveries WHERE id = $1";

/// A page of deliveries, newest first; the cursor is the last id.
pub(crate) fn list(db: Db<'_>, query: &DeliveryQuery, page: &PageRequest) -> Result<Page<Delivery>, StoreError> {
    let after = match page.after.as_deref().map(DeliveryId::try_new) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Ok(Page::default()), // no page has ended with such an id
    };
    let part = Part { after, fetch: page.fetch() };
    let pending = query.state.is_none_or(|state| state == DeliveryState::Pending);
    let ended = query.state.is_none_or(|state| state != DeliveryState::Pending);
    let mut items = Vec::new();
    if pending {
        items.extend(select(db, "queue", QUEUED, query, None, part)?);
    }
    if ended {
        items.extend(select(db, "deliveries", ENDED, query, query.state, part)?);
    }
    items.sort_by_key(|delivery| Reverse(delivery.id));
    items.truncate(usize::try_from(page.fetch()).unwrap_or(usize::MAX));
    Ok(page.cut(items, |delivery| delivery.id.to_string()))
}

/// Which part of a list.
#[derive(Clone, Copy)]
struct Part {
    after: Option<DeliveryId>,
    fetch: i64,
}

fn select(
    db: Db<'_>,
    table: &'static str,
    columns: &str,
    query: &DeliveryQuery,
    state: Option<DeliveryState>,
    part: Part,
) -> Result<Vec<Delivery>, StoreError> {
    let (conditions, cells) = conditions(table, query, state, part);
    let rows = db.query(table, &format!("{columns}{conditions}"), &cells)?;
    rows.iter().map(read).collect()
}

/// Conditions, each in two pieces around its parameter. That of the account comes first: another one names it as `$1`.
const OF_ACCOUNT_QUEUED: (&str, &str) = ("d.lane > 0 AND d.lane IN (SELECT ref FROM lanes WHERE account_id = ", ")");
const OF_ACCOUNT_ENDED: (&str, &str) = ("d.account = (SELECT ref FROM accounts WHERE id = ", ")");
const OF_ENDPOINT: (&str, &str) = ("d.lane > 0 AND d.lane IN (SELECT ref FROM lanes WHERE endpoint_id = ", ")");
const OF_LANE: (&str, &str) = ("d.lane > 0 AND d.lane = (SELECT ref FROM lanes WHERE account_id = $1 AND endpoint_id = ", ")");
const OF_STATE: (&str, &str) = ("d.state = ", "");
const BEFORE: (&str, &str) = ("d.id < ", "");

/// The WHERE clause with only the conditions that are asked for, so that each combination finds its index.
fn conditions<'q>(table: &str, query: &'q DeliveryQuery, state: Option<DeliveryState>, part: Part) -> (String, Vec<Param<'q>>) {
    let of_account = if table == "queue" { OF_ACCOUNT_QUEUED } else { OF_ACCOUNT_ENDED };
    let of_endpoint = if query.account_id.is_some() { OF_LANE } else { OF_ENDPOINT };
    let wanted: [(_, Option<Param<'_>>); 4] = [
        (of_account, query.account_id.as_ref().map(|id| id.as_str().into())),
        (of_endpoint, query.endpoint_id.as_ref().map(|id| id.as_str().into())),
        (OF_STATE, state.map(|state| state.as_str().into())),
        (BEFORE, part.after.map(Param::from)),
    ];
    let mut sql = String::new();
    let mut cells = Vec::new();
    for ((before, after), value) in wanted {
        let Some(value) = value else { continue };
        sql.push_str(if cells.is_empty() { "WHERE " } else { " AND " });
        cells.push(value);
        let _ = write!(sql, "{before}${}{after}", cells.len());
    }
    if state.is_some_and(|state| state != DeliveryState::Delivered) {
        sql.push_str(" AND d.state <> 'delivered'"); // names the partial index, which is small
    }
    cells.push(Param::Int(part.fetch));
    let _ = write!(sql, " ORDER BY d.id DESC LIMIT ${}", cells.len());
    (sql, cells)
}

/// A delivery with all its attempts.
pub(crate) fn find(db: Db<'_>, keyring: &Keyring, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
    let queued = db.find("queue", &format!("{QUEUED}{BY_ID}"), params![id])?;
    let row = match queued {
        Some(row) => Some(row),
        None => db.find("deliveries", &format!("{ENDED}{BY_ID}"), params![id])?,
    };
    let Some(row) = row else { return Ok(None) };
    let delivery = read(&row)?;
    let attempts = attempts(db, keyring, &delivery)?;
    Ok(Some((delivery, attempts)))
}

fn attempts(db: Db<'_>, keyring: &Keyring, delivery: &Delivery) -> Result<Vec<Attempt>, StoreError> {
    let Some(account) = accounts::find(db, &delivery.account_id)? else { return Ok(Vec::new()) };
    let key = keyring.unwrap(&account.id, &account.data_key_sealed)?;
    let rows = db.query("attempts", ATTEMPTS, params![delivery.id, delivery.account_id.as_str()])?;
    let read = |row: &Row| {
        let number: u32 = row.narrow(0, "number")?;
        let response = row
            .find_bytes(6, "response_sealed")?
            .map(|sealed| key.open("attempts", &response_context(delivery.id, number), sealed))
            .transpose()?;
        Ok(Attempt {
            number,
            started_at: row.time(1, "started_at")?,
            duration: Duration::from_micros(row.narrow(2, "duration_us")?),
            outcome: row.text(3, "outcome")?.to_owned(),
            status: row.find_int(4, "status")?.and_then(|status| u16::try_from(status).ok()),
            detail: row.find_text(5, "detail")?.map(str::to_owned),
            response,
        })
    };
    rows.iter().map(read).collect()
}

/// Makes a delivery due now: a waiting one early, an ended one once more, its attempts counted on.
pub(crate) fn retry(db: Db<'_>, id: DeliveryId, now: Timestamp) -> Result<RetryResult, StoreError> {
    if matches!(db, Db::Postgres(_))
        && let Some(row) = db.find("deliveries", ACCOUNT, params![id])?
    {
        db.lock_account(&row.parsed(0, "account_id")?)?;
    }
    if let Some(row) = db.find("queue", IS_QUEUED, params![id])? {
        let woken = db.execute(WAKE_QUEUED, params![now, id])? > 0;
        return Ok(if woken { RetryResult::Due(read_lane(&row)?) } else { RetryResult::InFlight });
    }
    if let Some(row) = db.find("deliveries", ENDPOINT_EXISTS, params![id])? {
        db.execute(UNFOLD, params![id])?;
        db.execute(REQUEUE, params![now, id])?;
        db.execute(UNEND, params![id])?;
        let lane = read_lane(&row)?;
        accounts::add_pending(db, &lane.account_id, 1)?;
        return Ok(RetryResult::Due(lane));
    }
    let ended = db.find("deliveries", &format!("{ENDED}{BY_ID}"), params![id])?.is_some();
    Ok(if ended { RetryResult::EndpointGone } else { RetryResult::NotFound })
}

/// The lane that the first two cells name.
pub(crate) fn read_lane(row: &Row) -> Result<LaneKey, StoreError> {
    Ok(LaneKey { account_id: row.parsed(0, "account_id")?, endpoint_id: row.parsed(1, "endpoint_id")? })
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.delivery_id(0, "id")?,
        account_id: row.parsed(1, "account_id")?,
        endpoint_id: row.parsed(2, "endpoint_id")?,
        number: row.int(3, "number")?,
        event_id: row.parsed(4, "event id")?,
        event_type: row.word(5, "event type", |text| EventType::try_new(text).ok())?,
        state: row.word(6, "state", DeliveryState::parse)?,
        attempts: row.narrow(7, "attempts")?,
        due_at: row.find_time(8, "due_at")?,
        created_at: row.time(9, "created_at")?,
        ended_at: row.find_time(10, "ended_at")?,
    })
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let mut all: Vec<String> =
        [ATTEMPTS, WAKE_QUEUED, IS_QUEUED, ACCOUNT, ENDPOINT_EXISTS, UNFOLD, REQUEUE, UNEND].map(str::to_owned).into();
    all.extend([format!("{QUEUED}{BY_ID}"), format!("{ENDED}{BY_ID}")]);
    let query = DeliveryQuery {
        account_id: AccountId::try_new("a").ok(),
        endpoint_id: EndpointId::try_new("e").ok(),
        state: Some(DeliveryState::Failed),
    };
    let part = Part { after: Some(DeliveryId::default()), fetch: 1 };
    all.push(format!("{ENDED}{}", conditions("deliveries", &query, query.state, part).0));
    all.push(format!("{QUEUED}{}", conditions("queue", &query, None, part).0));
    all
}
