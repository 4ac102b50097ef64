//! Resources: documents whose stored changes cause events.
//!
//! A change is one transaction: the row is read, the caller decides what the new document comes to, and row, events and
//! deliveries are written together, or nothing is. There is one writer, so that changes of one resource come one after another
//! and each decision sees what the one before has stored.

use bellwire_domain::{AccountId, EventType, ResourceId, Timestamp};
use bytes::Bytes;

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::Backend;
use crate::queue::context::WriteContext;
use crate::queue::delivery::ClaimedDelivery;
use crate::queue::handoff::Reserved;
use crate::queue::plan::Plan;
use crate::queue::publication::{EventReceipt, NewEvent, Publication, PublishError, SealedEvent};
use crate::rows::account::{self, Account};
use crate::rows::event::removal;
use crate::rows::resource::{ResourceBody, ResourceHead, ResourceRow, ResourceSubjectRow};
use crate::seal::{DataKey, Keyring, Place};
use crate::sql::{Db, Insert, Select, columns, params, select, write_list};

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
    /// Each of these.
    All(Vec<Self>),
}

impl Precondition {
    /// Whether it holds of what is stored: its version, or that there is nothing.
    pub fn holds(&self, version: Option<i64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => version.is_none(),
            Self::Present => version.is_some(),
            Self::Versions(versions) => version.is_some_and(|version| versions.contains(&version)),
            Self::OtherThan(versions) => version.is_none_or(|version| !versions.contains(&version)),
            Self::All(all) => all.iter().all(|one| one.holds(version)),
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
    /// Whom the document is about.
    pub subjects: Vec<String>,
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

columns! {
    /// An event that a changed document may repeat.
    struct Repeated<'r> of "events" {
        event_type: EventType = "type",
        occurred_at: Timestamp = "occurred_at",
        fingerprint: [u8; 32] = "fingerprint",
        payload_length: i64 = "payload_length",
        payload_sealed: &'r [u8] = "payload_sealed",
    }
}

type Stored<'r> = (ResourceHead, ResourceBody<'r>);

const BY_ID: &str = "FROM resources WHERE account_id = $1 AND kind = $2 AND id = $3";
static PAGE: Select<ResourceHead> =
    Select::new("FROM resources WHERE account_id = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4");
const PUT_REST: &str = "ON CONFLICT (account_id, kind, id) DO UPDATE SET state = excluded.state, \
     states_ever = excluded.states_ever, version = excluded.version, document_sealed = excluded.document_sealed, \
     updated_at = excluded.updated_at";
const DROP_SUBJECTS: &str = "DELETE FROM resource_subjects WHERE account_id = $1 AND kind = $2 AND id = $3";
const EVENT: &str = "FROM events WHERE account = $1 AND id = $2";

/// One resource.
pub(in crate::records) fn find(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    kind: &str,
    id: &ResourceId,
) -> Result<Option<Resource>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(None) };
    load(db, &key, account_id, kind, id)
}

/// A page of the resources of a kind, by id.
pub(in crate::records) fn list(
    db: Db<'_>,
    account_id: &AccountId,
    kind: &str,
    page: &PageRequest,
) -> Result<Page<ResourceHead>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    let items = PAGE.list(db, params![account_id.as_str(), kind, after, page.fetch()])?;
    Ok(page.cut(items, |head| head.id.to_string()))
}

/// What putting a document came to: the answer, and the deliveries to be handed over once this is committed.
pub(in crate::records) type Put = (PutResourceAnswer, Reserved<ClaimedDelivery>);

/// Stores a document and what it causes.
pub(in crate::records) fn put<R>(
    backend: &dyn Backend,
    context: &WriteContext,
    (account, key): (&Account, &DataKey),
    wanted: &PutResource,
    decide: impl FnOnce(Option<&Resource>) -> Result<ResourceDecision, R>,
) -> Result<Put, PutResourceError<R>> {
    let db = backend.db();
    account::lock(db, &account.id)?;
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
            return Ok((answer, Reserved::none(&context.handoff, 0)));
        }
        (ResourceDecision::Same, None) => return Err(missing(&wanted.id).into()),
    };
    let (events, claimed) = publish(backend, context, (account, key), update.events)?;

    let version = version.unwrap_or(0) + 1;
    let place = Place::document(&account.id, &wanted.kind, &wanted.id);
    let now = context.clock.now();
    let row = ResourceRow {
        account_id: account.id.as_str(),
        kind: &wanted.kind,
        id: wanted.id.as_str(),
        state: &update.state,
        states_ever: &write_list(update.states_ever.iter().map(String::as_str)),
        version,
        document_sealed: &key.seal(&*context.entropy, &place, &wanted.document),
        created_at: now,
        updated_at: now,
    };
    Insert::put(db, row, PUT_REST)?;
    put_subjects(db, key, (&account.id, wanted), &update.subjects)?;
    Ok((PutResourceAnswer { state: update.state, version, created: stored.is_none(), events }, claimed))
}

/// Writes down whom a document is about, in place of whom it was about before.
fn put_subjects(
    db: Db<'_>,
    key: &DataKey,
    (account, put): (&AccountId, &PutResource),
    subjects: &[String],
) -> Result<(), StoreError> {
    db.execute(DROP_SUBJECTS, params![account.as_str(), put.kind.as_str(), put.id.as_str()])?;
    for subject in subjects {
        let subject = key.hash_subject(subject);
        let (kind, id) = (put.kind.as_str(), put.id.as_str());
        let row = ResourceSubjectRow { account_id: account.as_str(), subject: subject.as_bytes(), kind, id };
        Insert::put(db, row, "ON CONFLICT DO NOTHING")?;
    }
    Ok(())
}

type Caused = (Vec<(EventReceipt, EventType)>, Reserved<ClaimedDelivery>);

/// Publishes what a document causes, in its transaction.
fn publish(
    backend: &dyn Backend,
    context: &WriteContext,
    (account, key): (&Account, &DataKey),
    caused: Vec<NewEvent>,
) -> Result<Caused, PublishError> {
    let mut events = Vec::with_capacity(caused.len());
    for event in caused {
        let (event, fingerprint) = repeated(backend.db(), key, account, event)?;
        let sealed = SealedEvent::new(event, key, &*context.entropy, &account.id);
        events.push(SealedEvent { fingerprint: fingerprint.unwrap_or(sealed.fingerprint), ..sealed });
    }
    let publication = Publication {
        account_id: account.id.clone(),
        account_created_at: account.created_at,
        account_version: account.version,
        events,
    };
    let loaded = backend.load(&[&publication])?;
    let (plan, planned) = Plan::make(loaded, &[&publication], context, backend.claimant()?);
    let mut receipts = Vec::new();
    for result in planned.results {
        receipts.extend(result?);
    }
    backend.write(&plan)?;
    drop(plan);
    let types = publication.events.into_iter().map(|sealed| sealed.event.event_type);
    Ok((receipts.into_iter().zip(types).collect(), planned.claimed))
}

/// The event as it is published. One that is stored already under its chosen id is that one, sent again, with the fingerprint
/// that is stored.
fn repeated(db: Db<'_>, key: &DataKey, account: &Account, event: NewEvent) -> Result<(NewEvent, Option<[u8; 32]>), StoreError> {
    if !event.id_chosen {
        return Ok((event, None));
    }
    let found = db.find("events", &select::<Repeated<'_>>(EVENT), params![account.reference, event.id.as_str()])?;
    let Some(row) = found else { return Ok((event, None)) };
    let stored: Repeated<'_> = row.read()?;
    if stored.event_type != event.event_type {
        return Ok((event, None)); // another event has the id: publishing finds the conflict
    }
    if removal(stored.payload_length).is_some() {
        return Ok((event, Some(stored.fingerprint))); // as it was, it cannot be sent again
    }
    let data = key.open(&Place::payload(&account.id, &event.id), stored.payload_sealed)?;
    let event = NewEvent { occurred_at: stored.occurred_at, data: data.into(), redeliver: true, ..event };
    Ok((event, Some(stored.fingerprint)))
}

fn load(db: Db<'_>, key: &DataKey, account_id: &AccountId, kind: &str, id: &ResourceId) -> Result<Option<Resource>, StoreError> {
    let found = db.find("resources", &select::<Stored<'_>>(BY_ID), params![account_id.as_str(), kind, id.as_str()])?;
    let Some(row) = found else { return Ok(None) };
    let (head, body): Stored<'_> = row.read()?;
    let document = key.open(&Place::document(account_id, kind, id), body.document_sealed)?;
    Ok(Some(Resource { head, states_ever: body.states_ever, document: document.into() }))
}

fn missing(id: &ResourceId) -> StoreError {
    StoreError::Inconsistent { table: "resources", column: "id", id: id.to_string() }
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let put = Insert::one::<ResourceRow<'_>>(PUT_REST);
    let put_subject = Insert::one::<ResourceSubjectRow<'_>>("ON CONFLICT DO NOTHING");
    let subjects = [DROP_SUBJECTS.to_owned(), put_subject];
    [select::<Stored<'_>>(BY_ID), PAGE.sql(), put, select::<Repeated<'_>>(EVENT)].into_iter().chain(subjects).collect()
}
