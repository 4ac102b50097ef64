//! Reading deliveries and their attempts, and sending one again by hand.
//!
//! A delivery is in the queue while it lives and in the history when it has ended.

use std::sync::LazyLock;
use std::time::Duration;

use bellwire_domain::{AccountId, DeliveryId, DeliveryState, EndpointId, EventId, EventType, Phases, Timestamp, Trigger};

use crate::StoreError;
use crate::audit::effect::Effect;
use crate::rows::account;
use crate::rows::attempt::{AttemptResult, StoredAttempt};
use crate::rows::delivery::{DeliveryColumns, DueColumns, EndColumns};
use crate::rows::endpoint::EndpointName;
use crate::rows::event::removal;
use crate::rows::lane::{LaneKey, LaneNames};
use crate::rows::queued::WAITS;
use crate::rows::subject::is_about;
use crate::seal::{Keyring, Place};
use crate::sql::{ColumnGroup, Db, Insert, Row, Select, columns, params, select};

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
    /// Why it was made; automatic as well if it was made before stores kept that.
    pub trigger: Trigger,
    /// When it was due; `None`: made before stores kept that.
    pub due_at: Option<Timestamp>,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Where that time went; `None`: made before stores kept that.
    pub phases: Option<Phases>,
    /// What happened, in one word.
    pub outcome: String,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// One sentence, when there was none.
    pub detail: Option<String>,
    /// The first bytes of the answer's body.
    pub response: Option<Vec<u8>>,
}

impl Attempt {
    /// How long it waited after it was due; `None`: that was not kept.
    pub fn waited(&self) -> Option<Duration> {
        self.due_at.map(|due_at| self.started_at.since(due_at))
    }
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
    /// The data of its event is gone.
    DataRemoved,
    /// There is no such delivery.
    NotFound,
}

impl Effect for RetryResult {
    fn happened(&self) -> bool {
        matches!(self, Self::Due(_))
    }
}

/// A live delivery, and one that has ended.
pub(super) type Live = (DeliveryColumns, LaneNames, DueColumns);
pub(super) type Ended = (DeliveryColumns, LaneNames, EndColumns);

pub(super) const FROM_QUEUE: &str = "FROM queue d JOIN events e ON e.place = d.event JOIN lanes l ON l.ref = d.lane ";
pub(super) const FROM_HISTORY: &str = "FROM deliveries d JOIN events e ON e.place = d.event JOIN lanes l ON l.ref = d.lane ";
/// Live deliveries that are looked at for the one that has been due for longest.
const OLDEST_MAX: i64 = 2_000;
const BY_ID: &str = "WHERE d.id = $1";
const ATTEMPTS: &str =
    "FROM attempts WHERE delivery_id = $1 AND account = (SELECT ref FROM accounts WHERE id = $2) ORDER BY number";
const WAKE_QUEUED: &str = "UPDATE queue SET due_at = $1, wake_at = CASE WHEN wake_at = $2 THEN wake_at END, manual_attempt = attempts + 1 \
     WHERE id = $3 AND claim IS NULL";
static QUEUED_LANE: Select<LaneNames> = Select::new("FROM queue d JOIN lanes l ON l.ref = d.lane WHERE d.id = $1");
const ACCOUNT: &str = "SELECT a.id FROM deliveries d JOIN accounts a ON a.ref = d.account WHERE d.id = $1";
static ENDPOINT: Select<(EndpointName, PayloadLength)> =
    Select::new("FROM deliveries d JOIN endpoints p ON p.lane = d.lane JOIN events e ON e.place = d.event WHERE d.id = $1");
const UNEND: &str = "DELETE FROM deliveries WHERE id = $1";

columns! {
    /// How long an event's payload is, or why it is gone.
    struct PayloadLength of "events" {
        payload_length: i64 = "e.payload_length",
    }
}

/// Gives the attempt that ended a delivery a row of its own.
fn unfold() -> String {
    let mut shared = Vec::new();
    AttemptResult::columns(&mut shared);
    let own = [("delivery_id", "id"), ("number", "attempts"), ("account", "account")];
    let columns: Vec<(&str, &str)> = own.into_iter().chain(shared.iter().map(|(name, _)| (*name, *name))).collect();
    Insert::copy("earlier_attempts", &columns, "FROM deliveries WHERE id = $1 AND outcome IS NOT NULL")
}

/// The order of an event's deliveries, and whether one of them waits, where `$2` says that.
const ORDER_KEY: &str = "(SELECT e.order_key FROM events e WHERE e.place = deliveries.event AND e.order_key IS NOT NULL)";
const WAIT: &str = "(SELECT CAST($2 AS BIGINT) FROM events e JOIN queue q ON q.lane = deliveries.lane AND q.order_key = e.order_key \
     WHERE e.place = deliveries.event AND e.order_key IS NOT NULL LIMIT 1)";

/// Puts a delivery that has ended back into the queue.
fn requeue() -> String {
    let same = ["id", "lane", "number", "event", "attempts", "created_at", "origin"].map(|name| (name, name));
    let about = is_about("deliveries.event");
    let own = [
        ("due_at", "CAST($1 AS BIGINT)"),
        ("about", about.as_str()),
        ("manual_attempt", "attempts + 1"),
        ("order_key", ORDER_KEY),
        ("wake_at", WAIT),
    ];
    let columns: Vec<(&str, &str)> = own.into_iter().chain(same).collect();
    Insert::copy("queue", &columns, "FROM deliveries WHERE id = $3")
}

/// One delivery, live or ended.
fn find_one(db: Db<'_>, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
    if let Some(row) = db.find("queue", &select::<Live>(&format!("{FROM_QUEUE}{BY_ID}")), params![id])? {
        return read_live(&row).map(Some);
    }
    let row = db.find("deliveries", &select::<Ended>(&format!("{FROM_HISTORY}{BY_ID}")), params![id])?;
    row.map(|row| read_ended(&row)).transpose()
}

/// A delivery with all its attempts.
pub(super) fn find(db: Db<'_>, keyring: &Keyring, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
    let Some(delivery) = find_one(db, id)? else { return Ok(None) };
    let attempts = attempts(db, keyring, &delivery)?;
    Ok(Some((delivery, attempts)))
}

fn attempts(db: Db<'_>, keyring: &Keyring, delivery: &Delivery) -> Result<Vec<Attempt>, StoreError> {
    let Some(account) = account::find(db, &delivery.account_id)? else { return Ok(Vec::new()) };
    let key = keyring.open_key(&account.id, &account.data_key_sealed)?;
    let sql = select::<StoredAttempt<'_>>(ATTEMPTS);
    let rows = db.query("attempts", &sql, params![delivery.id, delivery.account_id.as_str()])?;
    let read = |row: &Row| {
        let stored: StoredAttempt<'_> = row.read()?;
        let place = Place::response(delivery.id, stored.number);
        Ok(Attempt {
            number: stored.number,
            trigger: if stored.is_manual == Some(true) { Trigger::Manual } else { Trigger::Automatic },
            due_at: stored.due_at,
            started_at: stored.started_at,
            duration: stored.duration,
            phases: stored.phases,
            outcome: stored.outcome,
            status: stored.status,
            detail: stored.detail,
            response: stored.response_sealed.map(|sealed| key.open(&place, sealed)).transpose()?,
        })
    };
    rows.iter().map(read).collect()
}

/// Of the live deliveries that were made first, the one that has been due for longest.
static OLDEST_DUE: LazyLock<String> = LazyLock::new(|| {
    let oldest = format!("(SELECT * FROM queue ORDER BY id LIMIT {OLDEST_MAX})");
    select::<Live>(&format!(
        "{} WHERE d.due_at <= $1 ORDER BY d.due_at LIMIT 1",
        FROM_QUEUE.replacen("queue", &oldest, 1).trim_end()
    ))
});

/// The delivery that has been due for longest, of those that were made first; `None`: none of them is due.
pub(super) fn oldest_due(db: Db<'_>, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
    db.find("queue", &OLDEST_DUE, params![now])?.map(|row| read_live(&row)).transpose()
}

/// Makes a delivery due now: a waiting one early, an ended one once more, its attempts counted on.
pub(super) fn retry(db: Db<'_>, id: DeliveryId, now: Timestamp) -> Result<RetryResult, StoreError> {
    if db.is_shared()
        && let Some(row) = db.find("deliveries", ACCOUNT, params![id])?
    {
        account::lock(db, &row.value("account_id")?)?;
    }
    retry_locked(db, id, now)
}

/// The same, where its account is locked.
pub(super) fn retry_locked(db: Db<'_>, id: DeliveryId, now: Timestamp) -> Result<RetryResult, StoreError> {
    if let Some(names) = QUEUED_LANE.find(db, params![id])? {
        let woken = db.execute(WAKE_QUEUED, params![now, WAITS, id])? > 0;
        return Ok(if woken { RetryResult::Due(names.into()) } else { RetryResult::InFlight });
    }
    if let Some((name, PayloadLength { payload_length })) = ENDPOINT.find(db, params![id])? {
        if removal(payload_length).is_some() {
            return Ok(RetryResult::DataRemoved);
        }
        db.execute(&unfold(), params![id])?;
        db.execute(&requeue(), params![now, WAITS, id])?;
        db.execute(UNEND, params![id])?;
        let lane: LaneKey = name.into();
        account::add_pending(db, &lane.account_id, 1)?;
        return Ok(RetryResult::Due(lane));
    }
    Ok(if find_one(db, id)?.is_some() { RetryResult::EndpointGone } else { RetryResult::NotFound })
}

pub(super) fn read_live(row: &Row) -> Result<Delivery, StoreError> {
    let (columns, names, due): Live = row.read()?;
    Ok(Delivery { due_at: Some(due.due_at), ..delivery(columns, names, DeliveryState::Pending) })
}

pub(super) fn read_ended(row: &Row) -> Result<Delivery, StoreError> {
    let (columns, names, end): Ended = row.read()?;
    Ok(Delivery { ended_at: Some(end.ended_at), ..delivery(columns, names, end.state) })
}

fn delivery(columns: DeliveryColumns, names: LaneNames, state: DeliveryState) -> Delivery {
    let LaneKey { account_id, endpoint_id } = names.into();
    Delivery {
        id: columns.id,
        account_id,
        endpoint_id,
        number: columns.number,
        event_id: columns.event_id,
        event_type: columns.event_type,
        state,
        attempts: columns.attempts,
        due_at: None,
        created_at: columns.created_at,
        ended_at: None,
    }
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let mut all: Vec<String> = [WAKE_QUEUED, ACCOUNT, UNEND, &OLDEST_DUE].map(str::to_owned).into();
    all.extend([unfold(), requeue(), QUEUED_LANE.sql(), ENDPOINT.sql(), select::<StoredAttempt<'_>>(ATTEMPTS)]);
    all.extend([select::<Live>(&format!("{FROM_QUEUE}{BY_ID}")), select::<Ended>(&format!("{FROM_HISTORY}{BY_ID}"))]);
    all
}
