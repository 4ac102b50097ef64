//! What does not fit in memory waits in the store, in order, and is found again: also by the next process.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter};
use bellwire_store::{EndpointChanges, HandOffLimits};

use crate::fixture::{Fixture, event};

const SMALL: HandOffLimits = HandOffLimits { lane_deliveries_max: 4, deliveries_max: 100, bytes_max: 1 << 20 };

#[tokio::test]
async fn committed_and_never_attempted_is_found_after_a_restart() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    assert_eq!(fixture.take().await.len(), 2, "claimed by a process that now dies");
    let mut fixture = fixture.reopen().await;
    fixture.store.claim_due(fixture.now(), 10).await.unwrap();
    let claimed = fixture.take().await;
    assert_eq!(claimed.iter().map(|delivery| (delivery.number, delivery.attempts)).collect::<Vec<_>>(), [(1, 0), (2, 0)]);
    assert!(claimed.iter().all(|delivery| delivery.event.data.is_some()));
}

#[tokio::test]
async fn a_full_lane_leaves_the_rest_in_the_store_and_gets_it_in_order() {
    let mut fixture = Fixture::with_limits(SMALL);
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let events = (0..10).map(|number| event(&format!("e{number}"), "x")).collect();
    fixture.publish(&account, events).await.unwrap();
    let mut order = Vec::new();
    loop {
        let batch = fixture.take().await;
        assert!(fixture.store.held() <= SMALL.lane_deliveries_max);
        for delivery in &batch {
            order.push(delivery.number);
            fixture.record(delivery, Decision::Delivered).await;
        }
        if batch.is_empty() {
            break;
        }
        fixture.store.claim_due(fixture.now(), 100).await.unwrap();
    }
    assert_eq!(order, (1..=10).collect::<Vec<_>>());
    let straight = fixture.publish(&account, vec![event("last", "x")]).await.unwrap().remove(0);
    assert_eq!((straight.deliveries, fixture.take().await.len()), (1, 1), "a lane that caught up is handed over to again");
}

#[tokio::test]
async fn a_full_lane_does_not_hide_what_is_due_for_others() {
    let mut fixture = Fixture::with_limits(SMALL);
    let account = fixture.account("a").await;
    fixture.endpoint("a", "slow", EventFilter::All).await;
    let events = (0..50).map(|number| event(&format!("e{number}"), "x")).collect();
    fixture.publish(&account, events).await.unwrap();
    let held = fixture.take().await;
    assert_eq!(held.len(), 4);
    let other = fixture.account("b").await;
    fixture.endpoint("b", "quick", EventFilter::All).await;
    fixture.publish(&other, vec![event("e1", "x")]).await.unwrap();
    assert_eq!(fixture.take().await.len(), 1, "first attempts of others go straight");
    let due_at = fixture.now().plus(Duration::from_secs(1));
    for delivery in &held {
        fixture.record(delivery, Decision::Retry { due_at }).await;
    }
    fixture.clock.advance(Duration::from_secs(1));
    let report = fixture.store.claim_due(fixture.now(), 100).await.unwrap();
    assert_eq!((report.claimed, report.next_wake), (4, None), "the lane's own room, and no row is looked at twice");
    assert_eq!(fixture.take().await.iter().map(|delivery| delivery.number).collect::<Vec<_>>(), [5, 6, 7, 8]);
}

#[tokio::test]
async fn a_delivery_put_back_waits_for_its_lane_to_open() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let delivery = fixture.take().await.remove(0);
    fixture.store.release_deliveries(std::slice::from_ref(&delivery)).await.unwrap();
    assert_eq!(fixture.store.held(), 0);
    fixture.store.claim_due(fixture.now(), 10).await.unwrap();
    assert!(fixture.take().await.is_empty(), "nothing spins on it");
    fixture.store.update_endpoint(&lane, EndpointChanges::default()).await.unwrap().unwrap();
    fixture.store.claim_due(fixture.now(), 10).await.unwrap();
    assert_eq!(fixture.take().await.len(), 1);
}
