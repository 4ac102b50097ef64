//! What becomes of an endpoint that keeps failing, over days that pass by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_domain::{Clock, DeliveryState, HealthStatus};
use bellwire_store::{Delivery, EndpointChanges, LaneKey};

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
