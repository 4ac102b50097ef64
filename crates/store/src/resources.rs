//! Resources: documents whose stored changes cause events.
//!
//! A change is one transaction: the row is read, the caller decides what the new document comes to, and row, events and
//! deliveries are written together, or nothing is. There is one writer, so that changes of one resource come one after another,
//! and each decision sees what the one before has stored.

use bellwire_domain::{AccountId, EventType, ResourceId, Timestamp};
use bytes::Bytes;

use crate::driver::{Db, Row, params};
use crate::handoff::ClaimedDelivery;
use crate::publish::{Publication, PublishStatements, SealedEvent, payload_context, publish_one};
use crate::seal::{DataKey, Keyring};
use crate::writer::WriteContext;
use crate::{Account, EventReceipt, NewEvent, Page, PageRequest, PublishError, StoreError, accounts};

/// A stored resource without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceHead {
    /// Its id, unique among those of its kind in its account.
    pub id: ResourceId,
    /// Its state.
    pub state: String,
    /// One more with each change, from 1.
    pub version: i64,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A stored resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Everything but its document.
    pub head: ResourceHead,
    /// The states it was ever in.
    pub states_ever: Vec<String>,
    /// The very bytes that were put.
    pub document: Bytes,
}

/// A document to be stored.
#[derive(Debug, Clone)]
pub struct PutResource {
    /// The kind.
    pub kind: String,
    /// The id.
    pub id: ResourceId,
    /// The document.
    pub document: Bytes,
    /// What must hold of what is stored.
    pub precondition: Precondition,
}

/// What must hold of what is stored before a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    Any,
    /// There is no such resource yet.
    Absent,
    /// There is one.
    Present,
    /// It has one of these versions.
    Versions(Vec<i64>),
    /// It has none of these versions.
    OtherThan(Vec<i64>),
}

impl Precondition {
    fn holds(&self, version: Option<i64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => version.is_none(),
            Self::Present => version.is_some(),
            Self::Versions(versions) => version.is_some_and(|version| versions.contains(&version)),
            Self::OtherThan(versions) => version.is_none_or(|version| !versions.contains(&version)),
        }
    }
}

/// What a document comes to.
#[derive(Debug, Clone)]
pub enum ResourceDecision {
    /// It says what is stored already.
    Same,
    /// It is stored, and causes events.
    Changed(ResourceUpdate),
}

/// A change to be stored.
#[derive(Debug, Clone)]
pub struct ResourceUpdate {
    /// The new state.
    pub state: String,
    /// The states it was ever in, the new one included.
    pub states_ever: Vec<String>,
    /// The events. One with a chosen id that exists is sent again, as it was.
    pub events: Vec<NewEvent>,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutResourceAnswer {
    /// The state.
    pub state: String,
    /// The version.
    pub version: i64,
    /// Whether the resource is new.
    pub created: bool,
    /// The events that it caused.
    pub events: Vec<(EventReceipt, EventType)>,
}

/// Why a document was not stored; `R` is why the caller's decision refused it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PutResourceError<R> {
    /// The caller's decision refused it.
    #[error("the change is refused")]
    Refused(R),
    /// What is stored is not what the precondition asks for.
    #[error("the precondition does not hold")]
    Precondition {
        /// The version that is stored.
        version: Option<i64>,
    },
    /// Its events cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl<R> From<StoreError> for PutResourceError<R> {
    fn from(error: StoreError) -> Self {
        Self::Publish(error.into())
    }
}

/// What publishing within a larger transaction needs.
pub(crate) struct Publisher {
    pub(crate) context: WriteContext,
    statements: PublishStatements,
}

impl Publisher {
    pub(crate) fn new(context: WriteContext) -> Self {
        Self { context, statements: PublishStatements::new() }
    }
}

const BY_ID: &str = "SELECT id, state, version, created_at, updated_at, states_ever, document_sealed FROM resources \
     WHERE account_id = $1 AND kind = $2 AND id = $3";
const PAGE: &str = "SELECT id, state, version, created_at, updated_at FROM resources \
     WHERE account_id = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4";
const PUT: &str = "INSERT INTO resources (account_id, kind, id, state, states_ever, version, document_sealed, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account_id, kind, id) DO UPDATE SET state = excluded.state, \
     states_ever = excluded.states_ever, version = excluded.version, document_sealed = excluded.document_sealed, \
     updated_at = excluded.updated_at";
const EVENT: &str = "SELECT type, occurred_at, fingerprint, payload_sealed FROM events \
     WHERE account = (SELECT ref FROM accounts WHERE id = $1) AND id = $2";

/// Where a document belongs, bound into its seal.
pub(crate) fn document_context(account: &AccountId, kind: &str, id: &ResourceId) -> String {
    format!("resources:{account}/{kind}/{id}")
}

/// One resource.
pub(crate) fn find(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    kind: &str,
    id: &ResourceId,
) -> Result<Option<Resource>, StoreError> {
    let Some(account) = accounts::find(db, account_id)? else { return Ok(None) };
    let key = keyring.unwrap(account_id, &account.data_key_sealed)?;
    load(db, &key, account_id, kind, id)
}

/// A page of the resources of a kind, by id.
pub(crate) fn list(db: Db<'_>, account_id: &AccountId, kind: &str, page: &PageRequest) -> Result<Page<ResourceHead>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    let rows = db.query("resources", PAGE, params![account_id.as_str(), kind, after, page.fetch()])?;
    let items = rows.iter().map(read_head).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |head| head.id.to_string()))
}

/// Stores a document and what it causes; with the answer, the deliveries to be handed over once this is committed.
pub(crate) fn put<R>(
    db: Db<'_>,
    publisher: &Publisher,
    (account, key): (&Account, &DataKey),
    wanted: &PutResource,
    decide: impl FnOnce(Option<&Resource>) -> Result<ResourceDecision, R>,
) -> Result<(PutResourceAnswer, Vec<ClaimedDelivery>), PutResourceError<R>> {
    db.lock_account(&account.id)?;
    let stored = load(db, key, &account.id, &wanted.kind, &wanted.id)?;
    let version = stored.as_ref().map(|stored| stored.head.version);
    if !wanted.precondition.holds(version) {
        return Err(PutResourceError::Precondition { version });
    }
    let update = match (decide(stored.as_ref()).map_err(PutResourceError::Refused)?, &stored) {
        (ResourceDecision::Changed(update), _) => update,
        (ResourceDecision::Same, Some(Resource { head, .. })) => {
            let answer =
                PutResourceAnswer { state: head.state.clone(), version: head.version, created: false, events: Vec::new() };
            return Ok((answer, Vec::new()));
        }
        (ResourceDecision::Same, None) => return Err(missing(&wanted.id).into()),
    };
    let context = &publisher.context;
    let mut events = Vec::with_capacity(update.events.len());
    for event in update.events {
        let (event, fingerprint) = repeated(db, key, &account.id, event)?;
        let sealed = SealedEvent::new(event, key, &*context.entropy, &account.id);
        events.push(SealedEvent { fingerprint: fingerprint.unwrap_or(sealed.fingerprint), ..sealed });
    }
    let publication = Publication {
        account_id: account.id.clone(),
        account_created_at: account.created_at,
        account_version: account.version,
        events,
    };
    let (receipts, claimed) = publish_one(db, context, &publisher.statements, &publication)?;

    let version = version.unwrap_or(0) + 1;
    let sealed = key.seal(&*context.entropy, &document_context(&account.id, &wanted.kind, &wanted.id), &wanted.document);
    let states_ever = serde_json::Value::from(update.states_ever).to_string();
    let now = context.clock.now();
    let (account_id, kind, id) = (account.id.as_str(), wanted.kind.as_str(), wanted.id.as_str());
    let row = params![account_id, kind, id, update.state.as_str(), states_ever.as_str(), version, sealed.as_slice(), now, now];
    if let Err(error) = db.execute(PUT, row) {
        for delivery in &claimed {
            context.handoff.release_delivery(delivery);
        }
        return Err(error.into());
    }
    let types = publication.events.into_iter().map(|sealed| sealed.event.event_type);
    let events = receipts.into_iter().zip(types).collect();
    Ok((PutResourceAnswer { state: update.state, version, created: stored.is_none(), events }, claimed))
}

/// The event as it is to be published: one that is stored already under its chosen id is that one, sent again, with the fingerprint
/// that is stored.
fn repeated(
    db: Db<'_>,
    key: &DataKey,
    account_id: &AccountId,
    event: NewEvent,
) -> Result<(NewEvent, Option<[u8; 32]>), StoreError> {
    if !event.id_chosen {
        return Ok((event, None));
    }
    let Some(row) = db.find("events", EVENT, params![account_id.as_str(), event.id.as_str()])? else { return Ok((event, None)) };
    if row.text(0, "type")? != event.event_type.as_str() {
        return Ok((event, None)); // another event has the id: publishing finds the conflict
    }
    let fingerprint = row.bytes(2, "fingerprint")?.try_into().map_err(|_| StoreError::Inconsistent {
        table: "events",
        column: "fingerprint",
        id: event.id.to_string(),
    })?;
    let data = key.open("events", &payload_context(account_id, &event.id), row.bytes(3, "payload_sealed")?)?;
    let event = NewEvent { occurred_at: row.time(1, "occurred_at")?, data: data.into(), redeliver: true, ..event };
    Ok((event, Some(fingerprint)))
}

fn load(db: Db<'_>, key: &DataKey, account_id: &AccountId, kind: &str, id: &ResourceId) -> Result<Option<Resource>, StoreError> {
    let Some(row) = db.find("resources", BY_ID, params![account_id.as_str(), kind, id.as_str()])? else { return Ok(None) };
    let document = key.open("resources", &document_context(account_id, kind, id), row.bytes(6, "document_sealed")?)?;
    let states_ever = row.word(5, "states_ever", |text| serde_json::from_str(text).ok())?;
    Ok(Some(Resource { head: read_head(&row)?, states_ever, document: document.into() }))
}

fn read_head(row: &Row) -> Result<ResourceHead, StoreError> {
    Ok(ResourceHead {
        id: row.parsed(0, "id")?,
        state: row.text(1, "state")?.to_owned(),
        version: row.int(2, "version")?,
        created_at: row.time(3, "created_at")?,
        updated_at: row.time(4, "updated_at")?,
    })
}

fn missing(id: &ResourceId) -> StoreError {
    StoreError::Inconsistent { table: "resources", column: "id", id: id.to_string() }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    [BY_ID, PAGE, PUT, EVENT].map(str::to_owned).into()
}
