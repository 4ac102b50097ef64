//! What a request came to: for its delivery, and for each of those that shared it.

use bellwire_contract::{AnswerInput, Contract};
use bellwire_domain::{AttemptOutcome, Decision, DeliveryPolicy, Judgement, OrderRule, OrderStep, Timestamp};
use bellwire_egress::Sent;
use bellwire_store::{ClaimedDelivery, Endpoint, Outcome};

use crate::attempt::Made;
use crate::batch;
use crate::shared::Shared;

impl Shared {
    /// What a request came to for its delivery, and what it means for those that share it: each comes to an end of its own. What they are
    /// retried after is the same, so that they stay together.
    pub(crate) fn concluded(
        &self,
        (contract, policy, endpoint): (&Contract, &DeliveryPolicy, &Endpoint),
        (delivery, others): (ClaimedDelivery, &[ClaimedDelivery]),
        made: Made,
    ) -> (Outcome, Vec<Decision>) {
        let Made { sent: Sent { outcome, phases }, started_at, first_at, told } = made;
        let (ended_at, random) = (self.clock.now(), self.random());
        let judged = judge(contract, &outcome, delivery.attempts + 1);
        let decide = |(index, of)| batch::decide_each((contract, policy), (of, index), (&outcome, judged), (ended_at, random));
        let decision = if policy.batch.is_some() {
            decide((0, &delivery))
        } else {
            policy.decide(delivery.attempts + 1, (&outcome, judged), ended_at, random)
        };
        let decisions = (1..).zip(others).map(decide).collect();
        let order = policy.order.filter(|_| delivery.is_in_order());
        // Where the first attempt is not known any more, it is as old as the delivery.
        let first_at = if delivery.attempts == 0 { started_at } else { first_at.unwrap_or(delivery.created_at) };
        let order = order.map(|rule| order_step(rule, &decision, first_at)).unwrap_or_default();
        let health = order.health(policy.health_after(&outcome));
        let told = told.filter(|_| outcome.may_have_arrived()).map(Box::new);
        let outcome = if policy.keeps_answers && endpoint.keep_answers { outcome } else { outcome.without_body() };
        let duration = ended_at.since(started_at);
        // Where the clock was set back meanwhile, by the clock as it is now: an attempt in the future tells that a retry was
        // scheduled by a clock that was ahead.
        let started_at = started_at.min(ended_at);
        let relays_answer = policy.relays_answers;
        (Outcome { delivery, started_at, duration, phases, outcome, decision, health, told, relays_answer, order }, decisions)
    }

    /// Hands over the outcomes of deliveries that shared a request, the first of which is counted.
    pub(crate) async fn send_outcomes(&self, contract: &str, all: Vec<Outcome>) {
        for (index, outcome) in all.into_iter().enumerate() {
            if index > 0 {
                self.attempt_metrics.record(contract, outcome.outcome.kind(), outcome.duration);
            }
            let _ = self.outcomes.send(outcome).await;
        }
    }
}

/// What an attempt means for those that wait behind its delivery.
fn order_step(rule: OrderRule, decision: &Decision, first_at: Timestamp) -> OrderStep {
    match decision {
        Decision::Delivered => OrderStep::default(),
        Decision::Failed { .. } => rule.after_failure(),
        Decision::Retry { due_at } => rule.after_retry(*due_at, first_at),
    }
}

/// What the contract makes of an answer, if there is one.
fn judge(contract: &Contract, outcome: &AttemptOutcome, attempt: u32) -> Judgement {
    match outcome {
        AttemptOutcome::Response { status, headers, body, .. } => {
            contract.judge(&AnswerInput { attempt, status: *status, headers, body })
        }
        _ => Judgement::default(),
    }
}
