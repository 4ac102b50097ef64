//! What becomes of an endpoint that keeps failing, over days that pass by hand.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{Clock, DeliveryState, HealthStatus};
use bellwire_store::{Delivery, EndpointChanges, LaneKey};
use bellwire_testkit::http::Request;
use bellwire_testkit::sink::Sink;
use tokio::sync::mpsc;

use crate::world::{PATIENCE, World, next, receiver};

const DAY: Duration = Duration::from_secs(86_400);
const DATA: &str = "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}";

async fn health(world: &World, lane: &LaneKey) -> HealthStatus {
    world.records.find_endpoint(lane).await.unwrap().unwrap().health.status
}

/// The delivery with this number.
fn numbered(all: &[Delivery], number: i64) -> &Delivery {
    all.iter().find(|delivery| delivery.number == number).unwrap()
}

/// Lets time pass to each retry of the delivery with this number, until it has failed; its attempts.
async fn fail(world: &World, lane: &LaneKey, number: i64) -> u32 {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let settled = |all: &[Delivery]| {
            let one = numbered(all, number);
            one.attempts == attempts && (one.due_at.is_some() || one.state == DeliveryState::Failed)
        };
        match numbered(&world.until(lane, settled).await, number).due_at {
            Some(due) => world.clock.set(due),
            None => return attempts,
        }
    }
}

#[tokio::test]
async fn noyo_retries_for_three_days_and_seven_unhealthy_days_pause_the_queue() {
    // The first event fails 16 times and the second once; then the receiver is well.
    let (ill_url, mut ill_received) =
        receiver(&[500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 503, 200]).await;
    let (well_url, mut well_received) = receiver(&[200]).await;
    let world = World::new();
    let account = world.account("noyo").await;
    let lane = world.endpoint(&account, "ill", &ill_url).await;
    let start = world.clock.now();
    world.publish(&account, "difference.created", DATA, 1).await;
    assert_eq!(fail(&world, &lane, 1).await, 16, "the first attempt and fifteen retries");
    let took = world.clock.now().since(start);
    assert!(took.abs_diff(3 * DAY) < Duration::from_secs(5), "over three days: {took:?}");
    assert_eq!(health(&world, &lane).await, HealthStatus::Unhealthy, "failing is not failed");
    for _ in 0..16 {
        next(&mut ill_received).await;
    }

    world.clock.set(start.plus(7 * DAY));
    world.publish(&account, "difference.discrepancy", DATA, 1).await;
    next(&mut ill_received).await;
    let paused = world.until(&lane, |all| numbered(all, 2).attempts == 1).await;
    let due = numbered(&paused, 2).due_at.unwrap();
    assert_eq!(health(&world, &lane).await, HealthStatus::Failed);

    // Somebody else hears of what happens next, so it has happened, and nothing of it was attempted here.
    world.endpoint(&account, "well", &well_url).await;
    for at in [world.clock.now(), due, due.plus(DAY)] {
        world.clock.set(at);
        world.publish(&account, "difference.resolved", DATA, 1).await;
        next(&mut well_received).await;
    }
    let waiting = world.deliveries(&lane).await;
    let attempts: Vec<_> =
        (2..=5).map(|number| (numbered(&waiting, number).state, numbered(&waiting, number).attempts)).collect();
    let pending = |attempts| (DeliveryState::Pending, attempts);
    assert_eq!(attempts, [pending(1), pending(0), pending(0), pending(0)]);
    assert!(ill_received.try_recv().is_err(), "nothing is attempted while the queue is paused");

    let resume = EndpointChanges { resume: true, ..EndpointChanges::default() };
    world.records.update_endpoint(&lane, resume).await.unwrap().unwrap();
    let arrived = |all: &[Delivery]| (2..=5).all(|number| numbered(all, number).state == DeliveryState::Delivered);
    let ended = world.until(&lane, arrived).await;
    assert_eq!(numbered(&ended, 1).state, DeliveryState::Failed, "what was given up on stays so");
    let mut bodies = BTreeSet::new();
    for _ in 0..4 {
        bodies.insert(next(&mut ill_received).await.body);
    }
    assert_eq!(bodies.len(), 4, "each of the four that waited, once");
    assert_eq!(health(&world, &lane).await, HealthStatus::Active);
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_noyo_subscription_that_recovers_in_time_starts_its_seven_days_anew() {
    let (url, _received) = receiver(&[500, 200, 500]).await;
    let world = World::new();
    let account = world.account("noyo").await;
    let lane = world.endpoint(&account, "e", &url).await;
    let start = world.clock.now();
    world.publish(&account, "difference.created", DATA, 1).await;
    let waiting = world.until(&lane, |all| all[0].attempts == 1 && all[0].due_at.is_some()).await;
    assert_eq!(health(&world, &lane).await, HealthStatus::Unhealthy);
    world.clock.set(waiting[0].due_at.unwrap());
    world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
    assert_eq!(health(&world, &lane).await, HealthStatus::Active);
    world.clock.set(start.plus(8 * DAY));
    world.publish(&account, "difference.resolved", DATA, 1).await;
    world.until(&lane, |all| numbered(all, 2).attempts == 1 && numbered(all, 2).due_at.is_some()).await;
    assert_eq!(health(&world, &lane).await, HealthStatus::Unhealthy, "not failed: it was well in between");
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_novamed_delivery_fails_after_five_attempts_and_its_endpoint_goes_on() {
    let (url, _received) = receiver(&[500, 500, 500, 500, 500, 200]).await;
    let world = World::new();
    let account = world.account("novamed").await;
    let lane = world.endpoint(&account, "e", &url).await;
    let start = world.clock.now();
    world.publish(&account, "order:shipped", "{}", 1).await;
    assert_eq!(fail(&world, &lane, 1).await, 5);
    assert_eq!(world.clock.now().since(start), Duration::from_secs((1 + 5 + 15 + 60) * 60));
    assert_eq!(health(&world, &lane).await, HealthStatus::Active, "the guide knows no health of a webhook");
    world.publish(&account, "order:delivered", "{}", 1).await;
    world.until(&lane, |all| numbered(all, 2).state == DeliveryState::Delivered).await;
    world.engine.stop(PATIENCE).await;
}

/// What a payer sends when an authorization has been decided.
const RESULT: &str =
    r#"{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"ClaimResponse","id":"1"}}]}"#;

#[tokio::test]
async fn a_client_of_davinci_pas_that_is_down_for_six_hours_loses_nothing() {
    let (down, until) = (Duration::from_secs(2 * 86_400), Duration::from_secs(2 * 86_400 + 6 * 3_600));
    let world = World::new();
    let (start, clock) = (world.clock.now(), Arc::clone(&world.clock));
    let (sender, mut received) = mpsc::unbounded_channel();
    let sink = Sink::start(move |request| {
        let passed = clock.now().since(start);
        let _ = sender.send(request.clone());
        if (down..until).contains(&passed) { 503 } else { 200 }
    });
    let account = world.account("davinci-pas").await;
    let lane = world.endpoint(&account, "ehr", &sink.url("/fhir")).await;
    // The authorization was pended; two days later it is decided, and changed once more.
    world.clock.set(start.plus(down));
    world.publish(&account, "result-available", RESULT, 1).await;
    world.until(&lane, |all| numbered(all, 1).attempts == 1 && numbered(all, 1).due_at.is_some()).await;
    world.publish(&account, "result-available", RESULT, 1).await;
    let mut attempts = 1;
    loop {
        let settled = |all: &[Delivery]| {
            let one = numbered(all, 1);
            one.attempts == attempts && (one.due_at.is_some() || one.state != DeliveryState::Pending)
        };
        let first = numbered(&world.until(&lane, settled).await, 1).clone();
        assert_ne!(health(&world, &lane).await, HealthStatus::Failed, "six hours are no reason to give up");
        match (first.state, first.due_at) {
            (DeliveryState::Pending, Some(due)) => world.clock.set(due),
            (state, _) => {
                assert_eq!(state, DeliveryState::Delivered);
                break;
            }
        }
        attempts += 1;
    }
    let told = world.clock.now().since(start.plus(until));
    assert!(told < Duration::from_secs(3 * 3_600), "it is told soon after that: {told:?}");
    world.until(&lane, |all| all.iter().all(|one| one.state == DeliveryState::Delivered)).await;
    assert_eq!(health(&world, &lane).await, HealthStatus::Active);
    let mut last = Vec::new();
    for _ in 0..=attempts {
        last.push(next(&mut received).await);
    }
    let numbers: Vec<u64> = last.iter().rev().take(2).rev().map(event_number).collect();
    assert_eq!(numbers, [1, 2], "both, and in their order");
    world.engine.stop(PATIENCE).await;
}

/// The number of the event in a notification of FHIR.
fn event_number(request: &Request) -> u64 {
    let bundle: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let said = bundle["entry"][0]["resource"]["parameter"].as_array().unwrap();
    let event = said.iter().find(|one| one["name"] == "notification-event").unwrap();
    event["part"][0]["valueString"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_client_of_davinci_pas_that_is_down_for_three_days_has_to_ask_anew_and_then_gets_what_waited() {
    let (url, mut received) = receiver(&[500, 500, 500, 500, 500, 200]).await;
    let world = World::new();
    let account = world.account("davinci-pas").await;
    let lane = world.endpoint(&account, "ehr", &url).await;
    let start = world.clock.now();
    world.publish(&account, "result-available", RESULT, 1).await;
    for attempts in 1..=5 {
        let all = world.until(&lane, |all| all[0].attempts == attempts && all[0].due_at.is_some()).await;
        let expected = if attempts < 4 {
            HealthStatus::Active
        } else if attempts < 5 {
            HealthStatus::Unhealthy
        } else {
            HealthStatus::Failed
        };
        assert_eq!(health(&world, &lane).await, expected, "after {attempts}");
        next(&mut received).await;
        match attempts {
            1..=3 => world.clock.set(all[0].due_at.unwrap()),
            _ => world.clock.set(world.clock.now().plus(3 * DAY)),
        }
    }
    assert!(world.clock.now().since(start) > 6 * DAY);
    world.publish(&account, "result-available", RESULT, 1).await;
    let waiting = world.deliveries(&lane).await;
    assert!(waiting.iter().all(|one| one.state == DeliveryState::Pending) && waiting.len() == 2, "{waiting:?}");
    let resume = EndpointChanges { resume: true, ..EndpointChanges::default() };
    world.records.update_endpoint(&lane, resume).await.unwrap().unwrap();
    assert_eq!((event_number(&next(&mut received).await), event_number(&next(&mut received).await)), (1, 2));
    world.until(&lane, |all| all.iter().all(|one| one.state == DeliveryState::Delivered)).await;
    world.engine.stop(PATIENCE).await;
}
