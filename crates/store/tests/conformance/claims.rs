//! What does not fit in memory waits in the store, in order, and is found again: also by the next process.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::RoomLimits;
use bellwire_domain::{Decision, EventFilter, EventType};
use bellwire_store::{ClaimedEvent, EndpointChanges, NewEvent};

use crate::fixture::{Fixture, event};

const SMALL: RoomLimits = RoomLimits { lane_deliveries_max: 4, deliveries_max: 100, bytes_max: 1 << 20 };

/// What was posted, as it came out of the store.
fn text(event: &ClaimedEvent) -> &[u8] {
    event.data.as_deref().unwrap_or_default().as_bytes()
}

#[tokio::test]
async fn committed_and_never_attempted_is_found_after_a_restart() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    assert_eq!(fixture.take().await.len(), 2, "claimed by a process that now dies");
    let mut fixture = fixture.reopen().await;
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
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
        assert!(fixture.store.queue.held() <= SMALL.lane_deliveries_max);
        for delivery in &batch {
            order.push(delivery.number);
            fixture.record(delivery, Decision::Delivered).await;
        }
        if batch.is_empty() {
            break;
        }
        fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
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
    let report = fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
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
    fixture.store.queue.unclaim(std::slice::from_ref(&delivery)).await.unwrap();
    assert_eq!(fixture.store.queue.held(), 0);
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert!(fixture.take().await.is_empty(), "nothing spins on it");
    fixture.store.records.update_endpoint(&lane, EndpointChanges::default()).await.unwrap().unwrap();
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert_eq!(fixture.take().await.len(), 1);
}

#[tokio::test]
async fn deliveries_of_one_event_share_its_payload_when_they_are_claimed_together() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    for number in 0..5 {
        fixture.endpoint("a", &format!("endpoint-{number}"), EventFilter::All).await;
    }
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    let mut fixture = fixture.reopen().await;
    while fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap().more {}
    let claimed = fixture.take().await;
    for id in ["e1", "e2"] {
        let events: Vec<_> = claimed.iter().map(|delivery| &delivery.event).filter(|event| event.id.as_str() == id).collect();
        assert_eq!(events.len(), 5);
        assert!(events.iter().all(|event| Arc::ptr_eq(event, events[0]) && text(event) == self::event(id, "x").data));
    }
}

#[tokio::test]
async fn a_delivery_that_found_no_room_shares_the_payload_of_one_that_did() {
    let mut fixture = Fixture::with_limits(SMALL);
    let account = fixture.account("a").await;
    fixture.endpoint("a", "full", EventFilter::All).await;
    let events = (0..4).map(|number| event(&format!("before-{number}"), "x")).collect();
    fixture.publish(&account, events).await.unwrap();
    let before = fixture.take().await;
    let only_y = EventFilter::Only([EventType::try_new("y").unwrap()].into());
    fixture.endpoint("a", "free", only_y).await;
    fixture.publish(&account, vec![event("shared", "y")]).await.unwrap();
    let held = fixture.take().await;
    assert_eq!((before.len(), held.len()), (4, 1), "one lane is full");
    for delivery in &before {
        fixture.record(delivery, Decision::Delivered).await;
    }
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let late = fixture.take().await;
    assert_eq!(late.len(), 1);
    assert!(Arc::ptr_eq(&late[0].event, &held[0].event) && late[0].endpoint_id != held[0].endpoint_id);
    drop(held);
    let due_at = fixture.now().plus(Duration::from_secs(1));
    fixture.record(&late[0], Decision::Retry { due_at }).await;
    drop(late);
    fixture.clock.advance(Duration::from_secs(1));
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let again = fixture.take().await;
    assert_eq!(again.len(), 1);
    assert_eq!(text(&again[0].event), event("shared", "y").data, "read again once nobody holds it");
}

#[tokio::test]
async fn a_large_payload_comes_back_as_it_was_and_takes_the_room_it_has_opened() {
    let entry = r#"{"resourceType":"Observation","status":"final","valueQuantity":{"unit":"mg/dL"}},"#;
    let data = entry.repeat(250); // compresses to a few hundred bytes
    let large = |id: &str| NewEvent { data: data.clone().into_bytes().into(), ..event(id, "x") };
    let room = RoomLimits { bytes_max: 2 * data.len() + 1_000, ..SMALL };
    let fixture = Fixture::with_limits(room);
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, ["e1", "e2", "e3"].map(large).into()).await.unwrap();
    let mut fixture = fixture.reopen().await;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
        let batch = fixture.take().await;
        assert_eq!(batch.len(), 1, "one lane does not take what is left for others");
        for delivery in &batch {
            assert_eq!((delivery.event.size, text(&delivery.event)), (data.len(), &large("e").data[..]));
            fixture.record(delivery, Decision::Delivered).await;
        }
        claimed.extend(batch.into_iter().map(|delivery| delivery.number));
    }
    assert_eq!(claimed, [1, 2, 3]);
    fixture.assert_sound();
}

/// Whoever sets an endpoint up wants to see whether it works before switching it on.
#[tokio::test]
async fn a_test_event_reaches_a_disabled_endpoint_with_and_without_room_and_nothing_else_does() {
    let mut fixture = Fixture::with_limits(SMALL);
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    // One more than there is room for: it waits in the store, and is no test event.
    let events = (0..5).map(|number| event(&format!("e{number}"), "x")).collect();
    fixture.publish(&account, events).await.unwrap();
    let held = fixture.take().await;
    assert_eq!(held.len(), 4);
    let off = EndpointChanges { enabled: Some(false), ..Default::default() };
    fixture.store.records.update_endpoint(&lane, off).await.unwrap().unwrap();
    let test = |id: &str| NewEvent { is_test: true, only_endpoint: Some(lane.endpoint_id.clone()), ..event(id, "x") };
    fixture.publish(&account, vec![test("t1")]).await.unwrap();
    assert!(fixture.take().await.is_empty(), "the lane is full");
    for delivery in &held {
        fixture.record(delivery, Decision::Delivered).await;
    }
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let found: Vec<String> = fixture.take().await.iter().map(|delivery| delivery.event.id.to_string()).collect();
    assert_eq!(found, ["t1"], "what found no room is found in the store");
    let mut fixture = fixture.reopen().await;
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let found = fixture.take().await;
    assert_eq!(found.iter().map(|delivery| delivery.event.id.as_str()).collect::<Vec<_>>(), ["t1"], "also by the next process");
    fixture.record(&found[0], Decision::Delivered).await;
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    assert!(fixture.take().await.is_empty());
    fixture.publish(&account, vec![test("t2")]).await.unwrap();
    assert_eq!(fixture.take().await.len(), 1, "with room it is handed over at once");
    let on = EndpointChanges { enabled: Some(true), ..Default::default() };
    fixture.store.records.update_endpoint(&lane, on).await.unwrap().unwrap();
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    assert_eq!(
        fixture.take().await.iter().map(|delivery| delivery.number).collect::<Vec<_>>(),
        [5],
        "what waited for the switch"
    );
}
