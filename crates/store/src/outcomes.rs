//! Recording what came of attempts.
//!
//! One transaction holds, for every attempt of a commit group: the attempt's row, the delivery's new state or next due time,
//! and the endpoint's health. A delivery that ends moves from the queue to the history. The removal from the queue names the
//! claim; where it finds no row, the delivery is no longer this process's, and nothing of the outcome is written.

mod cancel;
mod health;
mod set;

pub(crate) use cancel::{cancel_waiting, cancelled_insert};
use health::HealthBook;
pub(crate) use health::read_health;
pub(crate) use set::record as record_set;

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, AttemptOutcome, Decision, DeliveryId, DeliveryState, HealthPolicy, HealthStatus, Timestamp};
use foldhash::HashMap;
use tokio::sync::oneshot;

use crate::driver::{BulkInsert, Column, Db, Kind, Param, Prepared, params};
use crate::handoff::{ClaimedDelivery, LaneKey};
use crate::writer::WriteContext;
use crate::{DataKey, StoreError, accounts};

/// An attempt and what was decided from it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The delivery, as it was claimed.
    pub delivery: ClaimedDelivery,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// What happened.
    pub outcome: AttemptOutcome,
    /// What that means for the delivery.
    pub decision: Decision,
    /// The contract's rules for the endpoint's health.
    pub health: HealthPolicy,
}

/// A change of an endpoint's health that an outcome caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChange {
    /// The endpoint's lane.
    pub lane: LaneKey,
    /// Before.
    pub from: HealthStatus,
    /// After.
    pub to: HealthStatus,
}

/// What recording came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recording {
    /// Stored; with the change of health it caused, if any.
    Stored(Option<HealthChange>),
    /// The delivery was no longer held: it was cancelled, or taken over by another process. Nothing was stored.
    Lost,
}

/// One caller's outcomes, with the answers' bodies sealed beside them.
pub(crate) struct RecordJob {
    pub(crate) outcomes: Arc<[Outcome]>,
    pub(crate) responses_sealed: Vec<Option<Vec<u8>>>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Recording>, StoreError>>,
}

impl RecordJob {
    /// How many outcomes it has.
    pub(crate) fn size(&self) -> usize {
        self.outcomes.len()
    }

    pub(crate) fn fail(self, error: &StoreError) {
        let _ = self.reply.send(Err(error.clone()));
    }
}

/// One outcome with what is stored beside it.
struct Sealed<'j> {
    outcome: &'j Outcome,
    response: Option<&'j [u8]>,
    /// One sentence, when there was no answer.
    detail: Option<String>,
}

impl RecordJob {
    fn sealed(&self) -> impl Iterator<Item = Sealed<'_>> {
        self.outcomes.iter().zip(&self.responses_sealed).map(|(outcome, response)| Sealed {
            outcome,
            response: response.as_deref(),
            detail: outcome.outcome.status().is_none().then(|| outcome.outcome.to_string()),
        })
    }
}

/// Seals the answer's body for its place.
pub(crate) fn seal_response(outcome: &Outcome, key: &DataKey, entropy: &dyn bellwire_domain::Entropy) -> Option<Vec<u8>> {
    match &outcome.outcome {
        AttemptOutcome::Response { body, .. } if !body.is_empty() => {
            let context = response_context(outcome.delivery.id, outcome.delivery.attempts + 1);
            Some(key.seal(entropy, &context, body))
        }
        _ => None,
    }
}

pub(crate) fn response_context(delivery: DeliveryId, attempt: u32) -> String {
    format!("attempts:{delivery}/{attempt}")
}

pub(crate) struct OutcomeStatements {
    earlier_attempts: BulkInsert,
    deliveries: BulkInsert,
    cancelled: BulkInsert,
}

const ATTEMPT_COLUMNS: [Column; 9] = [
    ("delivery_id", Kind::Int),
    ("number", Kind::Int),
    ("account", Kind::Int),
    ("started_at", Kind::Int),
    ("duration_us", Kind::Int),
    ("outcome", Kind::Text),
    ("status", Kind::Int),
    ("detail", Kind::Text),
    ("response_sealed", Kind::Bytes),
];
const DELIVERY_COLUMNS: [Column; 16] = [
    ("id", Kind::Int),
    ("account", Kind::Int),
    ("lane", Kind::Int),
    ("number", Kind::Int),
    ("event", Kind::Int),
    ("state", Kind::Text),
    ("attempts", Kind::Int),
    ("created_at", Kind::Int),
    ("ended_at", Kind::Int),
    ("origin", Kind::Text),
    ("started_at", Kind::Int),
    ("duration_us", Kind::Int),
    ("outcome", Kind::Text),
    ("status", Kind::Int),
    ("detail", Kind::Text),
    ("response_sealed", Kind::Bytes),
];

impl OutcomeStatements {
    pub(crate) fn new() -> Self {
        Self {
            earlier_attempts: BulkInsert::new("earlier_attempts", &ATTEMPT_COLUMNS),
            deliveries: BulkInsert::new("deliveries", &DELIVERY_COLUMNS),
            cancelled: cancelled_insert(),
        }
    }
}

#[cfg(test)]
pub(crate) fn insert_statements() -> [String; 3] {
    let OutcomeStatements { earlier_attempts, deliveries, cancelled } = OutcomeStatements::new();
    [earlier_attempts, deliveries, cancelled].map(|insert| insert.set_sql().to_owned())
}

/// What a group of outcomes came to.
#[derive(Default)]
pub(crate) struct Recorded {
    results: Vec<Recording>,
}

/// Answers the callers and gives the deliveries' room back.
pub(crate) fn answer(jobs: Vec<RecordJob>, recorded: Recorded, context: &WriteContext) {
    let mut results = recorded.results.into_iter();
    for job in jobs {
        for outcome in job.outcomes.iter() {
            let answered = outcome.outcome.status().is_some();
            context.handoff.release(&outcome.delivery.lane(), outcome.delivery.payload(), answered);
        }
        let _ = job.reply.send(Ok(results.by_ref().take(job.outcomes.len()).collect()));
    }
}

// The attempts are part of what an outcome must find: cancelled, retried by hand and claimed anew, a delivery may be held by
// this process a second time while the outcome of its first holding is still on its way.
const TAKE: &str = "DELETE FROM queue WHERE id = $1 AND claim = $2 AND attempts = $3";
const RESCHEDULE: &str = "UPDATE queue SET attempts = $1, due_at = $2, wake_at = $3, claim = NULL \
     WHERE id = $4 AND claim = $5 AND attempts = $6";

/// Stores all outcomes of a group, row by row.
pub(crate) fn record(
    db: Db<'_>,
    context: &WriteContext,
    statements: &OutcomeStatements,
    jobs: &[RecordJob],
) -> Result<Recorded, StoreError> {
    if jobs.is_empty() {
        return Ok(Recorded::default());
    }
    let now = context.clock.now();
    let mut health = HealthBook::default();
    let all: Vec<Sealed<'_>> = jobs.iter().flat_map(RecordJob::sealed).collect();
    let mut results = Vec::with_capacity(all.len());
    let mut left: HashMap<&AccountId, i64> = HashMap::default();
    let mut earlier: Vec<Param<'_>> = Vec::new();
    let mut ended: Vec<Param<'_>> = Vec::with_capacity(all.len() * DELIVERY_COLUMNS.len());
    let claimant = context.lease.current();
    let mut queue = Queue { take: db.prepare(TAKE)?, reschedule: db.prepare(RESCHEDULE)?, claim_token: &claimant.token };
    for sealed in &all {
        let held = queue.apply(sealed.outcome)?;
        if !held {
            results.push(Recording::Lost);
            continue;
        }
        match ended_as(&sealed.outcome.decision) {
            None => push_attempt(&mut earlier, sealed),
            Some(state) => {
                push_ended(&mut ended, sealed, state, now);
                *left.entry(&sealed.outcome.delivery.account_id).or_default() += 1;
            }
        }
        results.push(Recording::Stored(health.observe(db, sealed.outcome)?));
    }
    statements.earlier_attempts.run(db, &earlier)?;
    statements.deliveries.run(db, &ended)?;
    for (account_id, count) in left {
        accounts::add_pending(db, account_id, -count)?;
    }
    health.write(db, now, statements)?;
    Ok(Recorded { results })
}

/// The queue's side of recording.
struct Queue<'c> {
    take: Prepared<'c, 'c>,
    reschedule: Prepared<'c, 'c>,
    claim_token: &'c str,
}

impl Queue<'_> {
    /// Moves the delivery on in the queue. `false`: it is not held any more.
    fn apply(&mut self, outcome: &Outcome) -> Result<bool, StoreError> {
        let (id, token) = (outcome.delivery.id, self.claim_token);
        let attempts = i64::from(outcome.delivery.attempts);
        let changed = match outcome.decision {
            Decision::Delivered | Decision::Failed { .. } => self.take.execute(params![id, token, attempts])?,
            Decision::Retry { due_at } => self.reschedule.execute(params![attempts + 1, due_at, due_at, id, token, attempts])?,
        };
        Ok(changed > 0)
    }
}

fn push_attempt<'j>(cells: &mut Vec<Param<'j>>, sealed: &'j Sealed<'j>) {
    let Outcome { delivery, started_at, duration, outcome, .. } = sealed.outcome;
    cells.extend_from_slice(params![
        delivery.id,
        i64::from(delivery.attempts) + 1,
        delivery.refs.account,
        *started_at,
        i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        outcome.kind(),
        outcome.status().map(i64::from),
        sealed.detail.as_deref(),
        sealed.response,
    ]);
}

/// The state in which a decision ends a delivery; `None`: it goes on.
const fn ended_as(decision: &Decision) -> Option<DeliveryState> {
    match decision {
        Decision::Delivered => Some(DeliveryState::Delivered),
        Decision::Failed { .. } => Some(DeliveryState::Failed),
        Decision::Retry { .. } => None,
    }
}

/// Adds the history's row of a delivery that has ended, with the attempt that ended it.
fn push_ended<'j>(cells: &mut Vec<Param<'j>>, sealed: &'j Sealed<'j>, state: DeliveryState, now: Timestamp) {
    let Outcome { delivery, started_at, duration, outcome, .. } = sealed.outcome;
    cells.extend_from_slice(params![
        delivery.id,
        delivery.refs.account,
        delivery.refs.lane,
        delivery.number,
        delivery.event_place(),
        state.as_str(),
        i64::from(delivery.attempts) + 1,
        delivery.created_at,
        now,
        delivery.origin.as_param(),
        *started_at,
        i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        outcome.kind(),
        outcome.status().map(i64::from),
        sealed.detail.as_deref(),
        sealed.response,
    ]);
}

#[cfg(test)]
pub(crate) fn set_statements() -> Vec<String> {
    set::statements().into_iter().chain([cancel::DELETE_QUEUED_SET.to_owned()]).collect()
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 6] =
    [TAKE, RESCHEDULE, health::SELECT_HEALTH, health::UPDATE_HEALTH, cancel::SELECT_QUEUED, cancel::DELETE_QUEUED];
