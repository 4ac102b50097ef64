//! Events and their deliveries are committed together, numbered without gaps, and once.

use std::collections::BTreeSet;

use bellwire_domain::{Decision, EventFilter, EventType, HealthStatus};
use bellwire_store::{EndpointChanges, EventQuery, PublishError, StoreError};

use crate::fixture::{Fixture, account_id, event, lane, page};
use crate::privacy::new_erasure;

#[tokio::test]
async fn an_event_goes_to_every_endpoint_that_wants_it_and_is_handed_over() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "all", EventFilter::All).await;
    fixture.endpoint("a", "some", EventFilter::Only([EventType::try_new("x").unwrap()].into())).await;
    fixture.endpoint("a", "none", EventFilter::Only(BTreeSet::new())).await;
    let receipt = fixture.publish(&account, vec![event("e1", "x")]).await.unwrap().remove(0);
    assert_eq!((receipt.seq, receipt.deliveries, receipt.created), (1, 2, true));
    let claimed = fixture.take().await;
    assert_eq!(claimed.iter().map(|delivery| delivery.endpoint_id.as_str()).collect::<Vec<_>>(), ["all", "some"]);
    assert_eq!(claimed[0].event.data.as_deref(), Some("{\"b\":1.10,\"a\":12345678901234567890}"));
    let receipt = fixture.publish(&account, vec![event("e2", "y")]).await.unwrap().remove(0);
    assert_eq!((receipt.seq, receipt.deliveries), (2, 1));
}

#[tokio::test]
async fn events_that_match_no_endpoint_are_stored() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    assert_eq!(fixture.publish(&account, vec![event("e1", "x")]).await.unwrap()[0].deliveries, 0);
    let log = fixture.store.records.list_events(&account.id, EventQuery::default(), page(10)).await.unwrap();
    assert_eq!((log.items.len(), log.items[0].seq, log.next), (1, 1, None));
}

#[tokio::test]
async fn the_same_id_again_changes_nothing_and_other_content_is_a_conflict() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let first = fixture.publish(&account, vec![event("e1", "x")]).await.unwrap().remove(0);
    let again = fixture.publish(&account, vec![event("e1", "x")]).await.unwrap().remove(0);
    assert_eq!((again.seq, again.deliveries, again.created), (first.seq, first.deliveries, false));
    assert_eq!(fixture.take().await.len(), 1, "nothing was sent again");
    let mut other = event("e1", "x");
    other.fingerprint = [2; 32];
    let conflict = fixture.publish(&account, vec![event("e9", "x"), other]).await.unwrap_err();
    assert!(matches!(conflict, PublishError::Conflict { index: 1 }), "{conflict:?}");
    let log = fixture.store.records.list_events(&account.id, EventQuery::default(), page(10)).await.unwrap();
    assert_eq!(log.items.len(), 1, "of a refused call nothing is stored");
}

#[tokio::test]
async fn one_call_may_name_the_same_event_twice() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let receipts = fixture.publish(&account, vec![event("e1", "x"), event("e1", "x")]).await.unwrap();
    assert_eq!((receipts[0].created, receipts[1].created, receipts[0].seq, receipts[1].seq), (true, false, 1, 1));
    let mut other = event("e2", "x");
    other.fingerprint = [2; 32];
    assert!(fixture.publish(&account, vec![event("e2", "x"), other]).await.is_err());
}

#[tokio::test]
async fn redelivery_sends_the_same_event_again_under_new_numbers() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let mut again = event("e1", "x");
    again.redeliver = true;
    let receipt = fixture.publish(&account, vec![again]).await.unwrap().remove(0);
    assert_eq!((receipt.seq, receipt.created), (1, false));
    let claimed = fixture.take().await;
    assert_eq!(claimed.iter().map(|delivery| (delivery.number, delivery.event.seq)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
}

#[tokio::test]
async fn concurrent_publishers_get_numbers_without_gaps() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let mut calls = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let (store, account) = (fixture.store.clone(), account.clone());
        calls.spawn(async move {
            let events = (0..4).map(|index| event(&format!("e{caller}-{index}"), "x")).collect();
            store.records.commit_events(&account, events).await.unwrap()
        });
    }
    let mut seqs: Vec<i64> = calls.join_all().await.into_iter().flatten().map(|receipt| receipt.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<_>>());
    let numbers: Vec<i64> = fixture.states("a").await.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn concurrent_calls_with_one_id_store_it_once() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, account) = (fixture.store.clone(), account.clone());
        calls.spawn(async move { store.records.commit_events(&account, vec![event("same", "x")]).await.unwrap().remove(0) });
    }
    let receipts = calls.join_all().await;
    assert_eq!(receipts.iter().filter(|receipt| receipt.created).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.seq == 1 && receipt.deliveries == 1));
    assert_eq!(fixture.take().await.len(), 1);
}

#[tokio::test]
async fn an_account_changed_since_it_was_read_refuses_the_call() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.account("a").await; // a second PUT
    let refused = fixture.publish(&account, vec![event("e1", "x")]).await.unwrap_err();
    assert!(matches!(refused, PublishError::AccountChanged));
    let fresh = fixture.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    assert!(fixture.publish(&fresh, vec![event("e1", "x")]).await.is_ok());
    fixture.delete_account(&fresh.id).await;
    let refused = fixture.publish(&fresh, vec![event("e2", "x")]).await.unwrap_err();
    assert!(matches!(refused, PublishError::AccountNotFound));
}

#[tokio::test]
async fn disabled_endpoints_get_nothing_and_paused_ones_queue() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let off = fixture.endpoint("a", "off", EventFilter::All).await;
    let changes = EndpointChanges { enabled: Some(false), ..Default::default() };
    fixture.store.records.update_endpoint(&off, changes).await.unwrap().unwrap();
    assert_eq!(fixture.publish(&account, vec![event("e1", "x")]).await.unwrap()[0].deliveries, 0);
    let new = bellwire_store::NewEndpoint {
        id: lane("a", "paused").endpoint_id,
        account_id: account.id.clone(),
        url: "https://paused.example".into(),
        name: None,
        filter: EventFilter::All,
        headers: Vec::new(),
        enabled: true,
        in_flight_max: None,
        rate_limit: None,
        payload: None,
        keep_answers: true,
        lease: None,
        heartbeat: None,
        options: None,
        credentials: None,
        health: HealthStatus::Failed,
        secret: None,
    };
    fixture.store.records.create_endpoint(new, 1_000).await.unwrap().unwrap();
    assert_eq!(fixture.publish(&account, vec![event("e2", "x")]).await.unwrap()[0].deliveries, 1);
    assert!(fixture.take().await.is_empty(), "it waits in the store");
    assert_eq!(fixture.states("a").await, [(1, "pending", 0)]);
    let resume = EndpointChanges { resume: true, ..Default::default() };
    fixture.store.records.update_endpoint(&lane("a", "paused"), resume).await.unwrap().unwrap();
    assert_eq!(fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap().claimed, 1);
    assert_eq!(fixture.take().await.len(), 1);
}

#[tokio::test]
async fn the_log_pages_filters_and_keeps_bytes() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    for number in 1..=5 {
        let event_type = if number % 2 == 0 { "even" } else { "odd" };
        fixture.publish(&account, vec![event(&format!("e{number}"), event_type)]).await.unwrap();
    }
    let first = fixture.store.records.list_events(&account.id, EventQuery::default(), page(2)).await.unwrap();
    assert_eq!((first.items.len(), first.next.as_deref()), (2, Some("2")));
    let rest = EventQuery { after_seq: 2, ..Default::default() };
    let rest = fixture.store.records.list_events(&account.id, rest, page(10)).await.unwrap();
    assert_eq!(rest.items.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4, 5]);
    let even = EventQuery { event_type: EventType::try_new("even").ok(), ..Default::default() };
    let even = fixture.store.records.list_events(&account.id, even, page(10)).await.unwrap();
    assert_eq!(even.items.iter().map(|event| event.seq).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(&even.items[0].data[..], b"{\"b\":1.10,\"a\":12345678901234567890}");
    let late = EventQuery { since: Some(fixture.now()), ..Default::default() };
    assert!(fixture.store.records.list_events(&account.id, late, page(10)).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn under_a_flood_what_is_accepted_is_stored_and_the_rest_is_told_busy() {
    let fixture = Fixture::with_jobs_max(16);
    let account = fixture.account("a").await;
    let mut calls = tokio::task::JoinSet::new();
    for caller in 0..3_000 {
        let (store, account) = (fixture.store.clone(), account.clone());
        calls.spawn(async move { store.records.commit_events(&account, vec![event(&format!("e{caller}"), "x")]).await });
    }
    let results = calls.join_all().await;
    let stored = results.iter().filter(|result| result.is_ok()).count();
    let busy = results.iter().filter(|result| matches!(result, Err(PublishError::Store(StoreError::Busy)))).count();
    assert_eq!(stored + busy, 3_000);
    assert!(stored > 0 && busy > 0, "{stored} were stored, {busy} were refused");
    let log = fixture.store.records.list_events(&account.id, EventQuery::default(), page(5_000)).await.unwrap();
    assert_eq!(log.items.len(), stored, "what was refused is not stored, what was accepted is");
}

#[tokio::test]
async fn an_account_has_so_many_live_deliveries_and_no_more() {
    let mut fixture = Fixture::with_backlog_max(4);
    let (account, other) = (fixture.account("a").await, fixture.account("b").await);
    for (account, endpoint) in [("a", "e1"), ("a", "e2"), ("b", "e3")] {
        fixture.endpoint(account, endpoint, EventFilter::Only([EventType::try_new("x").unwrap()].into())).await;
    }
    fixture.publish(&account, vec![event("ev1", "x")]).await.unwrap();
    let over = fixture.publish(&account, vec![event("ev2", "x"), event("ev3", "x")]).await.unwrap_err();
    assert!(matches!(over, PublishError::BacklogFull { pending: 2 }), "{over:?}");
    assert!(fixture.store.records.find_event(&account.id, &event("ev2", "x").id).await.unwrap().is_none(), "nothing is stored");
    fixture.publish(&account, vec![event("ev2", "x")]).await.unwrap();
    assert!(fixture.publish(&account, vec![event("ev3", "x")]).await.is_err(), "exactly full");
    // What makes no delivery passes: an event that nobody wants, and one that is there already, unless it is sent again.
    assert_eq!(fixture.publish(&account, vec![event("quiet", "y"), event("ev1", "x")]).await.unwrap().len(), 2);
    let mut again = event("ev1", "x");
    again.redeliver = true;
    assert!(fixture.publish(&account, vec![again]).await.is_err());
    fixture.publish(&other, vec![event("ev1", "x")]).await.unwrap(); // another account has its own
    let held = fixture.take().await;
    fixture.record(&held[0], Decision::Delivered).await;
    assert!(fixture.publish(&account, vec![event("ev3", "x")]).await.is_err(), "room for one of two");
    fixture.record(&held[1], Decision::Failed { endpoint_gone: false }).await;
    fixture.publish(&account, vec![event("ev3", "x")]).await.unwrap();
    fixture.store.records.retry_delivery(held[0].id).await.unwrap(); // by hand, one over
    fixture.store.records.delete_endpoint(&lane("a", "e1")).await.unwrap();
    fixture.publish(&account, vec![event("ev4", "x")]).await.unwrap();
    fixture.reopen().await;
}

#[tokio::test]
async fn of_a_batch_in_which_one_cannot_be_sent_again_nothing_is_stored() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("gone", "x")]).await.unwrap();
    fixture.store.records.start_erasure(new_erasure("era_1", "a", "patient-1")).await.unwrap();
    while fixture.store.queue.advance_erasure(None).await.unwrap().is_some() {}
    let mut again = event("gone", "x");
    again.redeliver = true;
    let refused = fixture.publish(&account, vec![event("new", "x"), again]).await;
    assert!(matches!(refused, Err(PublishError::DataRemoved { index: 1 })), "{refused:?}");
    assert!(fixture.store.records.find_event(&account.id, &event("new", "x").id).await.unwrap().is_none());
    assert_eq!(fixture.store.records.last_seq(&account.id).await.unwrap(), 1);
    fixture.reopen().await;
}
