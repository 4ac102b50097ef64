//! Publishing: events and all their deliveries, in one transaction.
//!
//! The work of a whole commit group is planned over what is read once: the accounts, the events that already have the ids
//! offered, and the endpoints of those accounts. Then one multi-row insert per table writes it. `seq` and `number` come from
//! counters that advance in the same transaction, so they have no gaps, whatever happens later. The planning is in `plan`.

mod plan;

use bellwire_domain::{AccountId, EndpointId, EventId, EventType, Timestamp};
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::driver::{BulkInsert, Column, Db, Kind, Row};
use crate::handoff::ClaimedDelivery;
use crate::postgres::{Bound, Session, Step};
use crate::writer::WriteContext;
use crate::{DataKey, StoreError};

use plan::Plan;
pub(crate) use plan::UPDATE_NUMBER;
#[cfg(test)]
pub(crate) use plan::{STATEMENTS, set_statements};

/// An event to be published.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Whether the publisher chose the id: only then can it exist already.
    pub id_chosen: bool,
    /// Its type.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The posted bytes of `data`.
    pub data: Bytes,
    /// Whom it is about, for erasure.
    pub subjects: Vec<String>,
    /// A digest of what the publisher posted: the same id with another fingerprint is a conflict.
    pub fingerprint: [u8; 32],
    /// When the event exists: send it again to every endpoint that matches now.
    pub redeliver: bool,
    /// A test event.
    pub is_test: bool,
    /// Only this endpoint, whatever its filter.
    pub only_endpoint: Option<EndpointId>,
}

/// What the publisher is told of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventReceipt {
    /// The event's id.
    pub id: EventId,
    /// Its place in the account's log.
    pub seq: i64,
    /// How many deliveries its first publication caused.
    pub deliveries: i64,
    /// Whether this call stored it; `false`: it was there already.
    pub created: bool,
}

/// Why nothing of a call was published.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// An event with this id and other content exists.
    #[error("event {index}: an event with this id and other content exists")]
    Conflict {
        /// The event's place in the call.
        index: usize,
    },
    /// The account does not exist.
    #[error("the account does not exist")]
    AccountNotFound,
    /// The account was changed since it was read: read it again and decide anew.
    #[error("the account was changed meanwhile")]
    AccountChanged,
    /// So many deliveries of the account are live that these would be too many.
    #[error("the account has {pending} live deliveries, and these would be more than may be")]
    BacklogFull {
        /// Live deliveries now.
        pending: i64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Events of one account: all are published, or none.
pub(crate) struct Publication {
    pub(crate) account_id: AccountId,
    /// The account that the caller decided by: one made anew under the same id is another.
    pub(crate) account_created_at: Timestamp,
    pub(crate) account_version: i64,
    pub(crate) events: Vec<SealedEvent>,
}

/// A publication that shares a commit with others.
pub(crate) struct PublishJob {
    pub(crate) publication: Publication,
    pub(crate) reply: oneshot::Sender<Result<Vec<EventReceipt>, PublishError>>,
}

/// An event and its payload, sealed before it reached the writer.
pub(crate) struct SealedEvent {
    pub(crate) event: NewEvent,
    pub(crate) sealed: Vec<u8>,
    /// The event's, as it is stored.
    pub(crate) fingerprint: [u8; 32],
}

impl SealedEvent {
    pub(crate) fn new(event: NewEvent, key: &DataKey, entropy: &dyn bellwire_domain::Entropy, account: &AccountId) -> Self {
        let sealed = key.seal(entropy, &payload_context(account, &event.id), &event.data);
        let fingerprint = key.conceal(&event.fingerprint);
        Self { event, sealed, fingerprint }
    }
}

/// Where a payload belongs, bound into its seal.
pub(crate) fn payload_context(account: &AccountId, event: &EventId) -> String {
    format!("events:{account}/{event}")
}

impl PublishJob {
    /// How many events it has.
    pub(crate) fn size(&self) -> usize {
        self.publication.events.len()
    }

    pub(crate) fn fail(self, error: &StoreError) {
        let _ = self.reply.send(Err(error.clone().into()));
    }
}

/// The texts of the hot inserts.
pub(crate) struct PublishStatements {
    events: BulkInsert,
    queue: BulkInsert,
    subjects: BulkInsert,
}

const EVENT_COLUMNS: [Column; 11] = [
    ("place", Kind::Int),
    ("account", Kind::Int),
    ("id", Kind::Text),
    ("type", Kind::Text),
    ("occurred_at", Kind::Int),
    ("created_at", Kind::Int),
    ("is_test", Kind::Int),
    ("deliveries", Kind::Int),
    ("fingerprint", Kind::Bytes),
    ("payload_length", Kind::Int),
    ("payload_sealed", Kind::Bytes),
];
const SUBJECT_COLUMNS: [Column; 3] = [("account_id", Kind::Text), ("subject", Kind::Text), ("event_seq", Kind::Int)];
const QUEUE_COLUMNS: [Column; 9] = [
    ("id", Kind::Int),
    ("lane", Kind::Int),
    ("number", Kind::Int),
    ("event", Kind::Int),
    ("attempts", Kind::Int),
    ("created_at", Kind::Int),
    ("due_at", Kind::Int),
    ("claim", Kind::Text),
    ("origin", Kind::Text),
];

impl PublishStatements {
    pub(crate) fn new() -> Self {
        Self {
            events: BulkInsert::new("events", &EVENT_COLUMNS),
            queue: queue_insert(),
            subjects: BulkInsert::new("event_subjects", &SUBJECT_COLUMNS),
        }
    }
}

#[cfg(test)]
pub(crate) fn insert_statements() -> [String; 3] {
    let PublishStatements { events, queue, subjects } = PublishStatements::new();
    [events, queue, subjects].map(|insert| insert.set_sql().to_owned())
}

/// The insert into the queue, for other modules that make deliveries. Columns as in [`QUEUE_COLUMNS`].
pub(crate) fn queue_insert() -> BulkInsert {
    BulkInsert::new("queue", &QUEUE_COLUMNS)
}

type JobResult = Result<Vec<EventReceipt>, PublishError>;

/// What a group of jobs came to, to be handed over once it is committed.
#[derive(Default)]
pub(crate) struct Published {
    results: Vec<JobResult>,
    claimed: Vec<ClaimedDelivery>,
}

impl Published {
    /// The commit failed: gives the reserved room back.
    pub(crate) fn abandon(self, context: &WriteContext) {
        self.claimed.iter().for_each(|delivery| context.handoff.release_delivery(delivery));
    }
}

/// Hands committed deliveries to the engine and answers the publishers.
pub(crate) fn answer(jobs: Vec<PublishJob>, published: Published, context: &WriteContext) {
    context.handoff.send(published.claimed);
    for (job, result) in jobs.into_iter().zip(published.results) {
        let _ = job.reply.send(result);
    }
}

/// Stores the events of all `jobs` and their deliveries.
pub(crate) fn publish(
    db: Db<'_>,
    context: &WriteContext,
    statements: &PublishStatements,
    jobs: &[PublishJob],
) -> Result<Published, StoreError> {
    publish_all(db, context, statements, &publications(jobs))
}

/// What has to be read before `jobs` are published, on PostgreSQL.
pub(crate) fn reads<'j>(session: &Session, jobs: &'j [PublishJob]) -> Result<Vec<Bound<'j>>, StoreError> {
    plan::reads(session, &publications(jobs))
}

/// Stores the events of all `jobs` and their deliveries, where `read` is what [`reads`] answered, and takes the step `then` on
/// the same way.
pub(crate) fn publish_read(
    session: &Session,
    context: &WriteContext,
    statements: &PublishStatements,
    jobs: &[PublishJob],
    read: &[Vec<Row>],
    then: Option<Step<'_>>,
) -> Result<Published, StoreError> {
    let publications = publications(jobs);
    let mut plan = Plan::new(context.clock.now());
    plan.keep(&publications, read)?;
    carry_out(plan, context, &publications, |plan, token| plan.write_set(session, statements, token, then))
}

fn publications(jobs: &[PublishJob]) -> Vec<&Publication> {
    jobs.iter().map(|job| &job.publication).collect()
}

/// Stores one publication in a transaction that does more: its receipts, and what is to be handed over once that is committed.
pub(crate) fn publish_one(
    db: Db<'_>,
    context: &WriteContext,
    statements: &PublishStatements,
    publication: &Publication,
) -> Result<(Vec<EventReceipt>, Vec<ClaimedDelivery>), PublishError> {
    let Published { results, claimed } = publish_all(db, context, statements, &[publication])?;
    let receipts: JobResult = results.into_iter().collect::<Result<Vec<_>, _>>().map(|receipts| receipts.concat());
    Ok((receipts?, claimed))
}

fn publish_all(
    db: Db<'_>,
    context: &WriteContext,
    statements: &PublishStatements,
    publications: &[&Publication],
) -> Result<Published, StoreError> {
    if publications.is_empty() {
        return Ok(Published::default());
    }
    let mut plan = Plan::new(context.clock.now());
    match db {
        Db::Sqlite(_) => plan.load(db, publications)?,
        Db::Postgres(session) => {
            let reads = plan::reads(session, publications)?;
            plan.keep(publications, &session.pipeline(reads.iter().map(Step::Run))?)?;
        }
    }
    carry_out(plan, context, publications, |plan, token| match db {
        Db::Sqlite(_) => plan.write(db, statements, token),
        Db::Postgres(session) => plan.write_set(session, statements, token, None),
    })
}

/// Plans all publications over what has been read, and has the plan written, with the token that claims.
fn carry_out<'p>(
    mut plan: Plan<'p>,
    context: &WriteContext,
    publications: &[&'p Publication],
    write: impl FnOnce(&Plan<'p>, &str) -> Result<(), StoreError>,
) -> Result<Published, StoreError> {
    let claimant = context.lease.current();
    let results = publications.iter().map(|publication| plan.add(publication, context.account_backlog_max)).collect();
    let claimed = plan.hand_off(context, claimant.epoch);
    let published = Published { results, claimed };
    match write(&plan, &claimant.token) {
        Ok(()) => Ok(published),
        Err(error) => {
            published.abandon(context);
            Err(error)
        }
    }
}
