//! The promises, held against what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use bellwire_contract::Contracts;
use bellwire_domain::{Decision, DeliveryPolicy, DeliveryState, Judgement};
use bellwire_store::Attempt;

use crate::ledger::{Ledger, Sent, SimEndpoint, Stored, is_about_subject};
use crate::network::Behaviour;
use crate::world::{ORDERED, contracts};

/// How late an attempt may start when nothing disturbs: a beat of the claimer, and the requests before it.
const LATENESS_MAX: Duration = Duration::from_secs(3);

/// Everything that was promised and not kept.
pub fn violations(ledger: &Ledger) -> Vec<String> {
    thread_local!(static CONTRACTS: Contracts = contracts());
    CONTRACTS.with(|contracts| {
        let mut verdict = Verdict { ledger, contracts, by_delivery: BTreeMap::new(), found: ledger.broken.clone() };
        for sent in &ledger.sent {
            verdict.by_delivery.entry(&sent.delivery).or_default().push(sent);
        }
        verdict.accepted_events_are_kept();
        verdict.logs_have_no_gaps();
        verdict.every_delivery_ends();
        verdict.stored_attempts_were_made();
        verdict.each_attempt_is_counted_once();
        verdict.each_delivery_is_sent_in_order();
        verdict.who_is_in_order_waits_for_the_one_before();
        verdict.limits_hold();
        if ledger.punctual {
            verdict.nobody_waits_for_a_neighbour();
        }
        verdict.found
    })
}

struct Verdict<'l> {
    ledger: &'l Ledger,
    contracts: &'l Contracts,
    by_delivery: BTreeMap<&'l str, Vec<&'l Sent>>,
    found: Vec<String>,
}

impl<'l> Verdict<'l> {
    fn policy(&self, endpoint: &SimEndpoint) -> &'l DeliveryPolicy {
        self.contracts.get(endpoint.contract).unwrap().delivery()
    }

    fn has_erasures(&self) -> bool {
        !self.ledger.erasures.is_empty()
    }

    fn endpoint_of(&self, stored: &Stored) -> &'l SimEndpoint {
        self.ledger.endpoint(stored.delivery.endpoint_id.as_str()).unwrap()
    }

    fn accepted_events_are_kept(&mut self) {
        let pair = |stored: &Stored| (stored.delivery.event_id.to_string(), stored.delivery.endpoint_id.to_string());
        let deliveries: BTreeSet<(String, String)> = self.ledger.stored.iter().map(pair).collect();
        for accepted in &self.ledger.accepted {
            let log = self.ledger.logs.get(&accepted.account);
            if !log.is_some_and(|log| log.iter().any(|(_, id)| *id == accepted.event)) {
                self.found.push(format!("{} was accepted and is not in the log", accepted.event));
            }
            let expected = self.ledger.endpoints.iter().filter(|to| to.account == accepted.account && to.left_alone);
            for endpoint in expected {
                if !deliveries.contains(&(accepted.event.clone(), endpoint.id.clone())) {
                    self.found.push(format!("{} has no delivery for {}", accepted.event, endpoint.id));
                }
            }
        }
    }

    fn logs_have_no_gaps(&mut self) {
        for (account, log) in &self.ledger.logs {
            if !log.iter().zip(1..).all(|((seq, _), expected)| *seq == expected) {
                self.found.push(format!("the log of {account} has a gap: {log:?}"));
            }
        }
        for endpoint in &self.ledger.endpoints {
            let of_endpoint = self.ledger.stored.iter().filter(|stored| stored.delivery.endpoint_id.as_str() == endpoint.id);
            let mut numbers: Vec<i64> = of_endpoint.map(|stored| stored.delivery.number).collect();
            numbers.sort_unstable();
            if !numbers.iter().zip(1..).all(|(number, expected)| *number == expected) {
                self.found.push(format!("the numbers of {} have a gap: {numbers:?}", endpoint.id));
            }
        }
    }

    fn every_delivery_ends(&mut self) {
        for stored in &self.ledger.stored {
            let endpoint = self.endpoint_of(stored);
            let (id, attempts) = (&stored.delivery.id, stored.attempts.len());
            let last = stored.attempts.last();
            let success = |status: Option<u16>| status.is_some_and(|status| self.policy(endpoint).success.accepts(status));
            let allowed = self.policy(endpoint).schedule.delays().len() + 1;
            let by_hand = self.ledger.retried_by_hand.contains(&id.to_string());
            match stored.delivery.state {
                DeliveryState::Pending if endpoint.left_alone => self.found.push(format!("{id} is still pending")),
                // Somebody had it erased.
                DeliveryState::Cancelled if is_about_subject(stored.delivery.event_id.as_str()) && self.has_erasures() => {}
                DeliveryState::Cancelled if endpoint.left_alone => self.found.push(format!("{id} was cancelled")),
                DeliveryState::Delivered if !last.is_some_and(|last| success(last.status)) => {
                    self.found.push(format!("{id} is delivered, and its last attempt failed: {last:?}"));
                }
                DeliveryState::Failed if last.is_some_and(|last| last.status == Some(410)) => {}
                DeliveryState::Failed if last.is_some_and(|last| self.is_set_aside(last)) => {}
                DeliveryState::Failed if attempts < allowed || (attempts > allowed && !by_hand) => {
                    self.found.push(format!("{id} failed after {attempts} attempts, where {allowed} are to be made"));
                }
                DeliveryState::Pending | DeliveryState::Cancelled | DeliveryState::Delivered | DeliveryState::Failed => {}
            }
            if usize::try_from(stored.delivery.attempts) != Ok(attempts) {
                self.found.push(format!("{id} counts {} attempts and has {attempts}", stored.delivery.attempts));
            }
        }
    }

    /// Whether an attempt says that the process died twice while it built the request. Deaths may come between two commits that
    /// have nothing but that between them: the first leaves suspects, and each of three more takes one for it.
    fn is_set_aside(&self, attempt: &Attempt) -> bool {
        attempt.outcome == "unbuildable" && self.ledger.crashes + self.ledger.stops >= 4
    }

    /// Whether the attempts between two requests of a delivery are such.
    fn are_set_aside(&self, id: &str, between: Range<u32>) -> bool {
        let stored = self.ledger.stored.iter().find(|stored| stored.delivery.id.to_string() == id);
        let is_one = |number| {
            let attempts = stored.map_or(&[][..], |stored| &stored.attempts);
            attempts.iter().any(|attempt| attempt.number == number && self.is_set_aside(attempt))
        };
        between.into_iter().all(is_one)
    }

    /// The figures have every attempt that is stored, and no other.
    fn each_attempt_is_counted_once(&mut self) {
        let stored: usize = self.ledger.stored.iter().map(|stored| stored.attempts.len()).sum();
        let counted = self.ledger.counted_attempts;
        if i64::try_from(stored) != Ok(counted) {
            self.found.push(format!("{stored} attempts are stored, and {counted} counted"));
        }
    }

    /// What the store says happened, happened on the network.
    fn stored_attempts_were_made(&mut self) {
        for stored in &self.ledger.stored {
            let id = stored.delivery.id;
            let sent = self.by_delivery.get(id.to_string().as_str()).map_or(&[][..], Vec::as_slice);
            for (attempt, expected) in stored.attempts.iter().zip(1..) {
                let made = sent.iter().any(|sent| {
                    let ended = sent.ended.as_ref().is_some_and(|(_, _, outcome)| outcome.kind() == attempt.outcome);
                    sent.attempt == attempt.number && ended
                });
                if !(made || self.is_set_aside(attempt)) || attempt.number != expected {
                    self.found.push(format!("attempt {} of {id} is stored and was not made", attempt.number));
                }
            }
        }
    }

    fn each_delivery_is_sent_in_order(&mut self) {
        let mut found = Vec::new();
        for (id, sent) in &self.by_delivery {
            let by_hand = self.ledger.retried_by_hand.contains(*id);
            for pair in sent.windows(2) {
                found.extend(self.wrong_order(pair[0], pair[1], by_hand).map(|what| format!("{id}: {what}")));
            }
        }
        self.found.append(&mut found);
    }

    /// Whether one request of a delivery may follow another.
    fn wrong_order(&self, before: &Sent, after: &Sent, by_hand: bool) -> Option<String> {
        // What the process held is free when it ends, and when it gives it up.
        let held = before.life == after.life && !self.ledger.is_given_up(before.started, after.started);
        let Some((ended, ended_wall, outcome)) = &before.ended else {
            return held.then(|| format!("attempt {} was sent while the one before was in flight", after.attempt));
        };
        if after.started < *ended {
            if !held && after.attempt == before.attempt {
                return None;
            }
            return Some(format!("attempt {} was sent while the one before was in flight", after.attempt));
        }
        if after.attempt == before.attempt {
            return held.then(|| format!("attempt {} was sent twice in one life", after.attempt));
        }
        if after.attempt <= before.attempt || !self.are_set_aside(&after.delivery, before.attempt + 1..after.attempt) {
            return Some(format!("attempt {} followed attempt {}", after.attempt, before.attempt));
        }
        if by_hand || !self.ledger.is_steady(*ended, after.started) {
            return None;
        }
        let endpoint = self.ledger.endpoint(&after.endpoint)?;
        match self.policy(endpoint).decide(before.attempt, (outcome, Judgement::default()), *ended_wall, 0.0) {
            // Of a clock that was ahead and set back, what counts is how long it has waited.
            Decision::Retry { due_at }
                if after.started_wall < due_at && after.started.saturating_sub(*ended) < due_at.since(*ended_wall) =>
            {
                Some(format!("attempt {} was sent {:?} early", after.attempt, due_at.since(after.started_wall)))
            }
            Decision::Retry { due_at } => {
                let late = after.started_wall.since(due_at);
                let prompt = self.ledger.punctual && Self::is_prompt(endpoint);
                (prompt && late > LATENESS_MAX).then(|| format!("attempt {} was sent {late:?} late", after.attempt))
            }
            Decision::Delivered | Decision::Failed { .. } => {
                Some(format!("attempt {} was sent after {outcome} had ended it", after.attempt))
            }
        }
    }

    /// Endpoints that answer at once and take whatever comes, without an order in which others fail: nothing but Bellwire itself can make them wait.
    fn is_prompt(endpoint: &SimEndpoint) -> bool {
        let waits = endpoint.contract == ORDERED && !matches!(endpoint.behaviour, Behaviour::Healthy);
        endpoint.left_alone && !waits && matches!(endpoint.behaviour, Behaviour::Healthy | Behaviour::Fails)
    }

    /// What nobody asked for by hand is sent by its number, one after the other.
    fn who_is_in_order_waits_for_the_one_before(&mut self) {
        let numbers = self.ledger.stored.iter().map(|stored| (stored.delivery.id.to_string(), stored.delivery.number));
        let numbers: BTreeMap<String, i64> = numbers.collect();
        for endpoint in self.ledger.endpoints.iter().filter(|endpoint| endpoint.contract == ORDERED) {
            let sent = self.ledger.sent.iter().filter(|sent| sent.endpoint == endpoint.id);
            let by_schedule = sent.filter(|sent| !self.ledger.retried_by_hand.contains(&sent.delivery));
            let by_schedule: Vec<&Sent> = by_schedule.collect();
            for pair in by_schedule.windows(2) {
                let (before, after) = (pair[0], pair[1]);
                if numbers.get(&before.delivery) > numbers.get(&after.delivery) {
                    self.found.push(format!("{} was sent to {} after {}", after.delivery, endpoint.id, before.delivery));
                }
            }
        }
    }

    fn limits_hold(&mut self) {
        for endpoint in &self.ledger.endpoints {
            let sent: Vec<&Sent> = self.ledger.sent.iter().filter(|sent| sent.endpoint == endpoint.id && sent.is_first).collect();
            for one in &sent {
                let overlaps = |other: &&&Sent| {
                    let over = other.ended.as_ref().is_some_and(|(ended, ..)| *ended <= one.started);
                    other.life == one.life && other.started <= one.started && !over
                };
                let in_flight = sent.iter().filter(overlaps).count();
                if in_flight > usize::try_from(endpoint.in_flight_max).unwrap() {
                    self.found.push(format!("{in_flight} requests in flight to {} at {:?}", endpoint.id, one.started));
                }
                let in_span = |other: &&&Sent| {
                    other.life == one.life && other.started >= one.started && other.started < one.started + Duration::from_secs(1)
                };
                let steady = self.ledger.is_steady(Duration::ZERO, one.started + Duration::from_secs(1));
                let started = sent.iter().filter(in_span).count();
                if endpoint.contract == "sim-health" && steady && started > 10 {
                    self.found.push(format!("{started} requests within a second to {}, at 5/s", endpoint.id));
                }
            }
        }
    }

    fn nobody_waits_for_a_neighbour(&mut self) {
        let mut found = Vec::new();
        for accepted in &self.ledger.accepted {
            let to = self.ledger.endpoints.iter().filter(|endpoint| endpoint.account == accepted.account);
            for endpoint in to.filter(|endpoint| Self::is_prompt(endpoint)) {
                let first = self.ledger.sent.iter().find(|sent| sent.event == accepted.event && sent.endpoint == endpoint.id);
                if first.is_none() && is_about_subject(&accepted.event) && self.has_erasures() {
                    continue;
                }
                let late = first.is_none_or(|first| first.started.saturating_sub(accepted.at) > LATENESS_MAX);
                if late {
                    let when = first.map(|first| first.started);
                    found.push(format!("{} reached {} at {when:?}, accepted at {:?}", accepted.event, endpoint.id, accepted.at));
                }
            }
        }
        self.found.append(&mut found);
    }
}
