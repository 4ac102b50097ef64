//! Several deliveries in one request, where the contract has it so: which of those that wait in a lane go with the first one, and what
//! the answer comes to for each.

use std::borrow::Cow;
use std::sync::Arc;

use bellwire_contract::{AnswerInput, AnsweredEvent, BatchedEvent, Contract, EventInput};
use bellwire_domain::batch::First;
use bellwire_domain::{AttemptOutcome, BatchRule, Decision, DeliveryPolicy, Judgement, Suspicion, Timestamp};
use bellwire_store::{ClaimedDelivery, ClaimedEvent, EndpointConfig, LaneKey, Outcome};

use crate::shared::Shared;

/// The data of the events that share a request, in bytes: a request is rendered within bounds. A larger event goes alone.
const BYTES_MAX: usize = 2 << 20;

/// The deliveries that share a request with another. Should nothing come of it, they are put back.
pub(crate) struct Others<'s> {
    shared: &'s Shared,
    pub(crate) held: Vec<ClaimedDelivery>,
}

impl<'s> Others<'s> {
    pub(crate) const fn none(shared: &'s Shared) -> Self {
        Self { shared, held: Vec::new() }
    }

    /// Gives them back to their lane: they are its next again.
    pub(crate) fn give_back(&mut self, lane: &LaneKey) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.shared.scheduler.lock().give_back(lane, held, self.shared.clock.now());
        }
    }
}

impl Drop for Others<'_> {
    fn drop(&mut self) {
        for delivery in self.held.drain(..) {
            self.shared.wake.abandon(delivery);
        }
    }
}

impl Shared {
    /// How many deliveries wait behind this one, and until when it waits for more; `None`: it goes now.
    pub(crate) fn gathers(
        &self,
        lane: &LaneKey,
        delivery: &ClaimedDelivery,
        rule: BatchRule,
        contract: &Contract,
    ) -> Option<(usize, Timestamp)> {
        let goes_alone = |of: &ClaimedDelivery| of.event.is_test || !contract.carries_events(&of.event.event_type);
        if goes_alone(delivery) || delivery.suspicion != Suspicion::Nothing {
            return None;
        }
        let waiting = {
            let scheduler = self.scheduler.lock();
            let mut waiting = 0;
            for other in scheduler.waiting(lane) {
                if goes_alone(other) {
                    return None; // it must not wait for those before it
                }
                waiting += 1;
            }
            waiting
        };
        let first = First { created_at: delivery.created_at, attempts: delivery.attempts };
        Some((waiting, rule.waits_until(first, waiting, self.clock.now())?))
    }

    /// The deliveries that wait behind this one and share its request.
    pub(crate) fn others(
        self: &Arc<Self>,
        lane: &LaneKey,
        first: &ClaimedDelivery,
        rule: BatchRule,
        (contract, config): (&Contract, &EndpointConfig),
    ) -> Others<'_> {
        let now = self.clock.now();
        if first.event.is_test || first.suspicion != Suspicion::Nothing {
            return Others::none(self);
        }
        let Some(data) = minimised(contract, config, &first.event) else { return Others::none(self) };
        let mut taken = self.scheduler.lock().take_next(lane, rule.others_max(), now);
        let mut room = BYTES_MAX.saturating_sub(first.event.size);
        let mut fits = |other: &&ClaimedDelivery| {
            let Some(left) = room.checked_sub(other.event.size) else { return false };
            room = left;
            self.queue.covers(other) && !self.queue.may_be_erased(other) && goes_with((first, &data), other, contract, config)
        };
        let count = taken.iter().take_while(|other| fits(other)).count();
        let left = taken.split_off(count);
        if !left.is_empty() {
            self.scheduler.lock().give_back(lane, left, now);
        }
        Others { shared: self, held: taken }
    }
}

/// Whether two deliveries to an endpoint can share a request.
fn goes_with(
    (first, data): (&ClaimedDelivery, &str),
    other: &ClaimedDelivery,
    contract: &Contract,
    config: &EndpointConfig,
) -> bool {
    if other.event.is_test || other.suspicion != Suspicion::Nothing || other.endpoint_version > first.endpoint_version {
        return false;
    }
    let Some(others) = minimised(contract, config, &other.event) else { return false };
    contract.may_share(&event(&first.event, data), &event(&other.event, &others), config.endpoint.options.as_deref())
}

/// What the endpoint is sent of an event's data; `None`: it does not open.
pub(crate) fn minimised<'e>(contract: &Contract, config: &EndpointConfig, event: &'e ClaimedEvent) -> Option<Cow<'e, str>> {
    Some(contract.minimise(event.data.as_deref()?, config.endpoint.payload.as_ref()))
}

/// An event as templates see it.
pub(crate) fn event<'e>(event: &'e ClaimedEvent, data: &'e str) -> EventInput<'e> {
    EventInput {
        id: event.id.as_str(),
        event_type: &event.event_type,
        occurred_at: event.occurred_at,
        seq: event.seq,
        data,
        is_test: event.is_test,
    }
}

/// The others of a request, as templates see them.
pub(crate) fn inputs<'e>(others: &'e [ClaimedDelivery], rendered: &'e [(String, Cow<'e, str>)]) -> Vec<BatchedEvent<'e>> {
    let input = |(other, (id, data)): (&'e ClaimedDelivery, &'e (String, Cow<'e, str>))| BatchedEvent {
        event: event(&other.event, data),
        delivery_id: id,
        number: other.number,
        attempt: other.attempts + 1,
    };
    others.iter().zip(rendered).map(input).collect()
}

/// What an answer comes to for one of the deliveries that share a request.
pub(crate) fn decide_each(
    (contract, policy): (&Contract, &DeliveryPolicy),
    (delivery, index): (&ClaimedDelivery, usize),
    (outcome, judged): (&AttemptOutcome, Judgement),
    (now, random): (Timestamp, f64),
) -> Decision {
    let attempts = delivery.attempts + 1;
    let decision = policy.decide(attempts, (outcome, judged), now, random);
    let AttemptOutcome::Response { status, headers, body, .. } = outcome else { return decision };
    if decision != Decision::Delivered {
        return decision;
    }
    let id = delivery.id.to_string();
    let event = AnsweredEvent {
        id: delivery.event.id.as_str(),
        event_type: delivery.event.event_type.as_str(),
        seq: delivery.event.seq,
        delivery_id: &contract.delivery_id(&id),
        number: delivery.number,
        index,
    };
    let answer = AnswerInput { attempt: attempts, status: *status, headers, body };
    if contract.received(&answer, &event) {
        return decision;
    }
    let judged = Judgement { is_received: Some(false), is_over: judged.is_over };
    policy.decide(attempts, (outcome, judged), now, random)
}

/// The outcomes of all that shared a request, each with its own decision. `made` is that of the first one. For the endpoint's health the
/// request counts once: as a success if any was received.
pub(crate) fn outcomes(made: Outcome, others: Vec<ClaimedDelivery>, decisions: Vec<Decision>) -> Vec<Outcome> {
    let of = |(delivery, decision)| Outcome { delivery, decision, ..made.clone() };
    let others: Vec<Outcome> = others.into_iter().zip(decisions).map(of).collect();
    let mut all = Vec::with_capacity(others.len() + 1);
    all.push(made);
    all.extend(others);
    let is_received = all.iter().any(|outcome| outcome.decision == Decision::Delivered);
    for (index, outcome) in all.iter_mut().enumerate() {
        outcome.health.ignores_failure |= is_received || index > 0;
        if !outcome.delivery.event.has_subjects {
            outcome.told = None;
        }
    }
    all
}
