//! What came of attempts, on its way into the store.
//!
//! One transaction holds, for every attempt of a commit group, the attempt's row, the delivery's new state or next due time, and
//! the endpoint's health. A delivery that ends moves from the queue to the history. The statement that takes it from the queue
//! names the claim; where it finds no row, this process does not hold the delivery any more, and nothing of the outcome is
//! written, unless the delivery [was cancelled](super::late) while its request was in flight.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{
    AttemptOutcome, Decision, DeliveryState, Entropy, HealthPolicy, HealthStatus, OrderStep, Phases, Timestamp, Trigger,
};
use tokio::sync::oneshot;

use super::context::WriteContext;
use super::delivery::ClaimedDelivery;
use crate::StoreError;
use crate::rows::attempt::{AttemptResult, AttemptRow, PackedPhases};
use crate::rows::delivery::EndedRow;
use crate::rows::disclosure::{Disclosing, DisclosureRow};
use crate::rows::lane::LaneKey;
use crate::rows::operator_notice::OperatorNotice;
use crate::seal::{DataKey, Place};
use crate::sql::{Param, write_list};

/// The event that tells the operator an answer.
pub const ANSWERED: &str = "delivery.answered";
/// A longer `Content-Type` of an answer is not told.
const CONTENT_TYPE_LENGTH_MAX: usize = 100;

/// An attempt and what was decided from it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The delivery, as it was claimed.
    pub delivery: ClaimedDelivery,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// Where that time went.
    pub phases: Phases,
    /// What happened.
    pub outcome: AttemptOutcome,
    /// What that means for the delivery.
    pub decision: Decision,
    /// The contract's rules for the endpoint's health.
    pub health: HealthPolicy,
    /// What the receiver was told, where the event has subjects and the request may have reached somebody.
    pub told: Option<Box<Told>>,
    /// Whether the operator is told the answer, if it ends the delivery.
    pub relays_answer: bool,
    /// What it means for those that wait behind the delivery, beside what its end means.
    pub order: OrderStep,
}

/// What a receiver was told, as a disclosure keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where the request went.
    pub url: String,
    /// Under which contract.
    pub contract: String,
    /// Which fields of `data` it had, as JSON pointers; `None`: all of it.
    pub fields: Option<Vec<String>>,
    /// The SHA-256 of its body.
    pub digest: [u8; 32],
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
    /// Stored; with the change of health it caused, if any. Where the delivery had been cancelled meanwhile, its attempt is.
    Stored(Option<HealthChange>),
    /// The delivery was no longer held: another process has taken it over, or its account is gone. Nothing was stored.
    Lost,
}

/// What is sealed of an outcome.
#[derive(Debug, Default)]
pub(crate) struct SealedParts {
    /// The answer's body.
    response: Option<Vec<u8>>,
    /// Of what the receiver was told: the URL, sealed, and the fields as JSON.
    told: Option<(Vec<u8>, Option<String>)>,
}

impl SealedParts {
    /// Seals what is stored of an outcome for its places.
    pub(crate) fn of(outcome: &Outcome, key: &DataKey, entropy: &dyn Entropy) -> Self {
        let (delivery, attempt) = (outcome.delivery.id, outcome.delivery.attempts + 1);
        let response = match &outcome.outcome {
            AttemptOutcome::Response { body, .. } if !body.is_empty() => {
                Some(key.seal(entropy, &Place::response(delivery, attempt), body))
            }
            _ => None,
        };
        let told = outcome.told.as_ref().map(|told| {
            let url = key.seal(entropy, &Place::disclosed_url(delivery, attempt), told.url.as_bytes());
            let fields = told.fields.as_ref().map(|fields| write_list(fields.iter().map(String::as_str)));
            (url, fields)
        });
        Self { response, told }
    }
}

/// One caller's outcomes, with what is sealed of each beside them.
pub(crate) struct RecordJob {
    pub(crate) outcomes: Arc<[Outcome]>,
    pub(crate) sealed: Vec<SealedParts>,
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

    /// Its outcomes with what is stored beside them.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = SealedOutcome<'_>> {
        self.outcomes.iter().zip(&self.sealed).map(|(outcome, parts)| SealedOutcome {
            outcome,
            parts,
            detail: (!outcome.outcome.is_answer()).then(|| outcome.outcome.to_string()),
            phases: PackedPhases::of(&outcome.phases),
        })
    }
}

/// One outcome with what is stored beside it.
pub(crate) struct SealedOutcome<'j> {
    pub(crate) outcome: &'j Outcome,
    parts: &'j SealedParts,
    /// One sentence, when there was no answer.
    detail: Option<String>,
    phases: PackedPhases,
}

impl SealedOutcome<'_> {
    /// The delivery, and the attempts before the one that is recorded. Both have to be found: a delivery that was cancelled,
    /// retried by hand and claimed anew may be held by this process a second time while the outcome of its first holding is
    /// still on its way.
    pub(crate) fn key(&self) -> (i64, u32) {
        (self.outcome.delivery.id.number(), self.outcome.delivery.attempts)
    }

    /// The state in which the outcome ends the delivery; `None`: it goes on.
    pub(crate) const fn ended_as(&self) -> Option<DeliveryState> {
        match self.outcome.decision {
            Decision::Delivered => Some(DeliveryState::Delivered),
            Decision::Failed { .. } => Some(DeliveryState::Failed),
            Decision::Retry { .. } => None,
        }
    }

    /// What the operator is told.
    pub(crate) fn notices(&self, context: &WriteContext, now: Timestamp) -> impl Iterator<Item = OperatorNotice> {
        self.failed_notice(context, now).into_iter().chain(self.answer_notice(context, now))
    }

    /// The same of one that was cancelled while its request was in flight, and has arrived.
    pub(crate) fn late_notice(&self, context: &WriteContext, now: Timestamp) -> Option<OperatorNotice> {
        if self.ended_as() == Some(DeliveryState::Delivered) { self.answer_notice(context, now) } else { None }
    }

    /// What the operator is told of the answer that ended a delivery, where the contract says so. Its body is not in it: that is read
    /// where it is sealed when the operator is told, unless it may be about somebody.
    fn answer_notice(&self, context: &WriteContext, now: Timestamp) -> Option<OperatorNotice> {
        let Outcome { delivery, outcome, .. } = self.outcome;
        let result = self.ended_as().filter(|_| self.outcome.relays_answer && context.tells_of(&delivery.account_id))?;
        let AttemptOutcome::Response { status, headers, .. } = outcome else { return None };
        let content_type = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        let content_type = content_type.filter(|value| value.len() <= CONTENT_TYPE_LENGTH_MAX);
        let data = serde_json::json!({
            "account": delivery.account_id.as_str(),
            "endpoint": delivery.endpoint_id.as_str(),
            "delivery": delivery.id.to_string(),
            "event": delivery.event.id.as_str(),
            "event_type": delivery.event.event_type.as_str(),
            "attempt": delivery.attempts + 1,
            "state": result.as_str(),
            "status": status,
            "content_type": content_type,
            "body_withheld": delivery.event.has_subjects,
        });
        Some(OperatorNotice::new(now, &*context.entropy, ANSWERED, &data))
    }

    /// What the operator is told of a delivery that failed for good.
    fn failed_notice(&self, context: &WriteContext, now: Timestamp) -> Option<OperatorNotice> {
        let Outcome { delivery, outcome, decision, .. } = self.outcome;
        if !matches!(decision, Decision::Failed { .. }) || !context.tells_of(&delivery.account_id) {
            return None;
        }
        let data = serde_json::json!({
            "account": delivery.account_id.as_str(),
            "endpoint": delivery.endpoint_id.as_str(),
            "delivery": delivery.id.to_string(),
            "event": delivery.event.id.as_str(),
            "event_type": delivery.event.event_type.as_str(),
            "attempts": delivery.attempts + 1,
            "outcome": outcome.kind(),
            "status": outcome.status(),
        });
        Some(OperatorNotice::new(now, &*context.entropy, "delivery.failed", &data))
    }

    pub(super) fn result(&self) -> AttemptResult<'_> {
        let Outcome { delivery, started_at, duration, outcome, .. } = self.outcome;
        AttemptResult {
            started_at: *started_at,
            duration_us: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
            outcome: outcome.kind(),
            status: outcome.status(),
            detail: self.detail.as_deref(),
            response_sealed: self.parts.response.as_deref(),
            due_at: delivery.due_at,
            phases: Some(self.phases.bytes()),
            is_manual: (delivery.trigger() == Trigger::Manual).then_some(true),
        }
    }

    /// Adds the cells of what the receiver was told, if it was told anything about somebody. That is so whoever holds the delivery by
    /// now: a request that went out is not taken back.
    pub(crate) fn disclose<'a>(&'a self, cells: &mut Vec<Param<'a>>) {
        let (Some(told), Some((url_sealed, fields))) = (&self.outcome.told, &self.parts.told) else { return };
        let Outcome { delivery, started_at, outcome, .. } = self.outcome;
        let row = DisclosureRow {
            subject: &[],
            at: *started_at,
            delivery: delivery.id,
            attempt: delivery.attempts + 1,
            account: delivery.refs.account,
            endpoint: delivery.endpoint_id.as_str(),
            url_sealed,
            event: delivery.event.id.as_str(),
            event_type: delivery.event.event_type.as_str(),
            contract: &told.contract,
            fields: fields.as_deref(),
            digest: &told.digest,
            outcome: outcome.kind(),
            status: outcome.status(),
        };
        Disclosing::add(cells, row, delivery.event_place());
    }

    /// The row of an attempt that did not end its delivery.
    pub(crate) fn attempt_row(&self) -> AttemptRow<'_> {
        let delivery = &self.outcome.delivery;
        let (delivery_id, number) = (delivery.id, delivery.attempts + 1);
        AttemptRow { delivery_id, number, account: delivery.refs.account, result: self.result() }
    }

    /// The history's row of a delivery that has ended, with the attempt that ended it.
    pub(crate) fn ended_row(&self, state: DeliveryState, now: Timestamp) -> EndedRow<'_> {
        let delivery = &self.outcome.delivery;
        EndedRow {
            id: delivery.id,
            account: delivery.refs.account,
            lane: delivery.refs.lane,
            number: delivery.number,
            event: delivery.event_place(),
            state: state.as_str(),
            attempts: delivery.attempts + 1,
            created_at: delivery.created_at,
            ended_at: now,
            origin: &delivery.origin,
            result: self.result(),
        }
    }
}
