//! Attempts, states, health: one transaction, by the holder only.

use std::time::Duration;

use bellwire_domain::health::{FailedAfter, FailedThen};
use bellwire_domain::{AttemptOutcome, Decision, EventFilter, HealthPolicy, HealthStatus, Phases};
use bellwire_store::{EndpointChanges, Outcome, Recording, RetryResult};

use crate::fixture::{Fixture, event, lane, outcome};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_delivery_is_retried_until_it_arrives_and_keeps_its_attempts() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let published_at = fixture.now();
    let delivery = fixture.take().await.remove(0);
    let due_at = fixture.now().plus(MINUTE);
    fixture.record(&delivery, Decision::Retry { due_at }).await;
    assert_eq!(fixture.states("a").await, [(1, "pending", 1)]);
    let report = fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert_eq!((report.claimed, report.next_wake), (0, Some(due_at)), "not before its time");
    fixture.clock.advance(MINUTE);
    assert_eq!(fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap().claimed, 1, "due means at that instant");
    fixture.clock.advance(MINUTE);
    let again = fixture.take().await.remove(0);
    assert_eq!((again.attempts, again.event.data.as_ref().map(|data| data.len())), (1, Some(35)));
    fixture.record(&again, Decision::Delivered).await;
    let (stored, attempts) = fixture.store.records.find_delivery(delivery.id).await.unwrap().unwrap();
    assert_eq!((stored.state.as_str(), stored.attempts, stored.due_at), ("delivered", 2, None));
    assert_eq!(
        attempts.iter().map(|attempt| (attempt.number, attempt.status)).collect::<Vec<_>>(),
        [(1, Some(500)), (2, Some(200))]
    );
    let due: Vec<_> = attempts.iter().map(|attempt| attempt.due_at).collect();
    assert_eq!(due, [Some(published_at), Some(due_at)], "when they were due, not when they started");
    assert!(attempts[1].started_at > due_at, "the second started late");
    assert_eq!(attempts[0].response.as_deref(), Some(&b"thanks"[..]));
    let phases = Phases { answer: Some(Duration::from_micros(2_900)), ..Phases::default() };
    assert_eq!((attempts[0].phases, attempts[1].phases), (Some(phases), Some(phases)), "of an earlier attempt and of the last");
    assert_eq!(attempts[1].waited(), Some(MINUTE));
    assert_eq!(fixture.store.queue.held(), 0);
}

#[tokio::test]
async fn every_phase_of_an_attempt_is_kept_also_when_the_delivery_is_sent_again() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let delivery = fixture.take().await.remove(0);
    let took = |micros| Some(Duration::from_micros(micros));
    let phases = Phases { dns: took(0), connect: took(31_000_000), tls: None, answer: None };
    let refused = AttemptOutcome::Connect { detail: "refused".to_owned() };
    let failed = Decision::Failed { endpoint_gone: false };
    let outcome = Outcome { phases, ..outcome(&delivery, refused, failed, HealthPolicy::default(), fixture.now()) };
    fixture.store.queue.record_outcomes([outcome].into()).await.unwrap();
    let kept = async |fixture: &Fixture| fixture.store.records.find_delivery(delivery.id).await.unwrap().unwrap().1[0].phases;
    assert_eq!(kept(&fixture).await, Some(phases), "in the row of the delivery");
    fixture.store.records.retry_delivery(delivery.id).await.unwrap();
    assert_eq!(kept(&fixture).await, Some(phases), "in a row of its own");
    fixture.reopen().await;
}

#[tokio::test]
async fn an_outcome_of_a_delivery_no_longer_held_is_not_written() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let delivery = fixture.take().await.remove(0);
    let mut fixture = fixture.reopen().await;
    assert_eq!(fixture.record(&delivery, Decision::Delivered).await, Recording::Lost, "another process took it over");
    assert_eq!(fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap().claimed, 1);
    let again = fixture.take().await.remove(0);
    assert!(matches!(fixture.record(&again, Decision::Delivered).await, Recording::Stored(_)));
    assert_eq!(fixture.record(&again, Decision::Delivered).await, Recording::Lost, "it has ended");
    assert_eq!(fixture.states("a").await, [(1, "delivered", 1)]);
}

#[tokio::test]
async fn health_changes_with_the_attempts_and_pauses_the_queue() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let policy = HealthPolicy {
        unhealthy_after_failures: Some(1),
        failed: Some((FailedAfter::UnhealthyFor(7 * 24 * 60 * MINUTE), FailedThen::Pause)),
        ..HealthPolicy::default()
    };
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    let claimed = fixture.take().await;
    let refused = AttemptOutcome::Connect { detail: "refused".to_owned() };
    let fail = |delivery, at| outcome(delivery, refused.clone(), Decision::Failed { endpoint_gone: false }, policy, at);
    let recorded = fixture.store.queue.record_outcomes([fail(&claimed[0], fixture.now())].into()).await.unwrap();
    let Recording::Stored(Some(change)) = &recorded[0] else { panic!("{recorded:?}") };
    assert_eq!((change.from, change.to), (HealthStatus::Active, HealthStatus::Unhealthy));
    let week_later = fixture.now().plus(7 * 24 * 60 * MINUTE);
    fixture.store.queue.record_outcomes([fail(&claimed[1], week_later)].into()).await.unwrap();
    let config = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert_eq!(config.endpoint.health.status, HealthStatus::Failed);
    fixture.publish(&account, vec![event("e3", "x")]).await.unwrap();
    fixture.store.queue.claim_due(week_later, 10).await.unwrap();
    assert!(fixture.take().await.is_empty());
    let (_, attempts) = fixture.store.records.find_delivery(claimed[0].id).await.unwrap().unwrap();
    assert_eq!((attempts[0].outcome.as_str(), attempts[0].detail.as_deref()), ("connect", Some("not connected: refused")));
}

#[tokio::test]
async fn a_gone_endpoint_is_disabled_and_what_waits_is_cancelled() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    let claimed = fixture.take().await;
    fixture.record(&claimed[0], Decision::Failed { endpoint_gone: true }).await;
    assert!(!fixture.store.records.find_endpoint(&lane).await.unwrap().unwrap().enabled);
    assert_eq!(fixture.states("a").await, [(1, "failed", 1), (2, "cancelled", 0)]);
}

#[tokio::test]
async fn what_was_in_flight_when_its_endpoint_was_deleted_is_recorded() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x"), event("e3", "x")]).await.unwrap();
    let claimed = fixture.take().await;
    assert!(fixture.store.records.delete_endpoint(&lane).await.unwrap());
    assert_eq!(fixture.states("a").await, [(1, "cancelled", 0), (2, "cancelled", 0), (3, "cancelled", 0)]);
    assert_eq!(fixture.record(&claimed[0], Decision::Delivered).await, Recording::Stored(None));
    assert_eq!(fixture.record(&claimed[1], Decision::Failed { endpoint_gone: false }).await, Recording::Stored(None));
    assert_eq!(fixture.states("a").await, [(1, "delivered", 1), (2, "cancelled", 1), (3, "cancelled", 0)]);
    let (_, attempts) = fixture.store.records.find_delivery(claimed[1].id).await.unwrap().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(fixture.record(&claimed[0], Decision::Delivered).await, Recording::Lost, "recorded once");
}

#[tokio::test]
async fn deleting_an_endpoint_cancels_what_waits() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let claimed = fixture.take().await;
    assert!(fixture.store.records.delete_endpoint(&lane).await.unwrap());
    assert!(!fixture.store.records.delete_endpoint(&lane).await.unwrap());
    assert_eq!(fixture.states("a").await, [(1, "cancelled", 0)]);
    assert!(fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().is_none());
    assert_eq!(fixture.store.records.retry_delivery(claimed[0].id).await.unwrap(), RetryResult::EndpointGone);
}

#[tokio::test]
async fn an_ended_delivery_can_be_sent_again_by_hand() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let delivery = fixture.take().await.remove(0);
    assert_eq!(fixture.store.records.retry_delivery(delivery.id).await.unwrap(), RetryResult::InFlight);
    fixture.record(&delivery, Decision::Failed { endpoint_gone: false }).await;
    assert_eq!(fixture.store.records.retry_delivery(delivery.id).await.unwrap(), RetryResult::Due(lane("a", "e")));
    assert_eq!(fixture.states("a").await, [(1, "pending", 1)]);
    assert_eq!(fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap().claimed, 1);
    let again = fixture.take().await.remove(0);
    assert_eq!((&again.id, again.attempts), (&delivery.id, 1));
    fixture.record(&again, Decision::Delivered).await;
    assert_eq!(fixture.states("a").await, [(1, "delivered", 2)]);
}

#[tokio::test]
async fn what_ended_can_be_retried_whatever_it_came_to() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, ["e1", "e2", "e3"].map(|id| event(id, "x")).into()).await.unwrap();
    let held = fixture.take().await;
    fixture.record(&held[0], Decision::Delivered).await;
    fixture.record(&held[1], Decision::Failed { endpoint_gone: false }).await;
    let gone = Decision::Failed { endpoint_gone: true };
    fixture.publish(&account, vec![event("e4", "x")]).await.unwrap();
    let last = fixture.take().await.remove(0);
    fixture.record(&last, gone).await; // disables the endpoint and cancels the third
    assert_eq!(fixture.states("a").await, [(1, "delivered", 1), (2, "failed", 1), (3, "cancelled", 0), (4, "failed", 1)]);
    for delivery in &held {
        assert_eq!(fixture.store.records.retry_delivery(delivery.id).await.unwrap(), RetryResult::Due(lane.clone()));
    }
    assert_eq!(fixture.states("a").await, [(1, "pending", 1), (2, "pending", 1), (3, "pending", 0), (4, "failed", 1)]);
    fixture.assert_sound();
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert!(fixture.take().await.is_empty(), "they wait while the endpoint is disabled");
    fixture.store.records.update_endpoint(&lane, EndpointChanges { enabled: Some(true), ..Default::default() }).await.unwrap();
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    let again = fixture.take().await;
    assert_eq!(again.iter().map(|delivery| (delivery.number, delivery.attempts)).collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 0)]);
    for delivery in &again {
        fixture.record(delivery, Decision::Delivered).await;
    }
    assert_eq!(fixture.states("a").await, [(1, "delivered", 2), (2, "delivered", 2), (3, "delivered", 1), (4, "failed", 1)]);
    fixture.reopen().await;
}

/// Cancelled, retried and claimed anew while its first request is still under way: the process holds it twice.
#[tokio::test]
async fn an_outcome_of_an_earlier_holding_is_not_taken_for_the_later_ones() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, ["e1", "e2"].map(|id| event(id, "x")).into()).await.unwrap();
    let held = fixture.take().await;
    fixture.record(&held[1], Decision::Failed { endpoint_gone: true }).await;
    fixture.store.records.update_endpoint(&lane, EndpointChanges { enabled: Some(true), ..Default::default() }).await.unwrap();
    fixture.store.records.retry_delivery(held[0].id).await.unwrap();
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    let second = fixture.take().await.remove(0);
    let retry = Decision::Retry { due_at: fixture.now() };
    assert!(
        matches!(fixture.record(&held[0], retry.clone()).await, Recording::Stored(_)),
        "either request may be the one that counts"
    );
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    let third = fixture.take().await.remove(0);
    assert_eq!((third.id, third.attempts), (held[0].id, 1));
    assert_eq!(fixture.record(&second, retry).await, Recording::Lost, "its attempt has been made already");
    assert!(matches!(fixture.record(&third, Decision::Delivered).await, Recording::Stored(_)));
    fixture.reopen().await;
}
