//! Which endpoints get an event is decided by what is stored at that moment, however often the account has published before and
//! whoever changed it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use bellwire_domain::{Decision, EventFilter, EventType, ReplayCase};
use bellwire_store::{Account, DeliveryQuery, EndpointChanges};

use crate::fixture::{Fixture, event, lane, page};
use crate::replays::{replay, run};

pub fn types(types: &[&str]) -> EventFilter {
    EventFilter::Only(types.iter().map(|name| EventType::try_new(name).unwrap()).collect::<BTreeSet<_>>())
}

/// An account with many endpoints, `e00` to `e29`: each of a type of its own, `e30` of all types, `e31` of two.
pub async fn many(fixture: &Fixture) -> Account {
    let account = fixture.account("a").await;
    for number in 0..30 {
        fixture.endpoint("a", &format!("e{number:02}"), types(&[&format!("t{number:02}")])).await;
    }
    fixture.endpoint("a", "e30", EventFilter::All).await;
    fixture.endpoint("a", "e31", types(&["t03", "t04"])).await;
    account
}

/// Publishes an event, and says who gets it.
pub async fn gets(fixture: &Fixture, account: &Account, event_type: &str) -> Vec<String> {
    static PUBLISHED: AtomicU32 = AtomicU32::new(0);
    let id = format!("p{}", PUBLISHED.fetch_add(1, Ordering::Relaxed));
    let wanted = event(&id, event_type);
    let query =
        DeliveryQuery { event_id: Some(wanted.id.clone()), account_id: Some(account.id.clone()), ..DeliveryQuery::default() };
    fixture.publish(account, vec![wanted]).await.unwrap();
    let made = fixture.store.records.list_deliveries(query, page(100)).await.unwrap();
    let got: BTreeSet<String> = made.items.iter().map(|delivery| delivery.endpoint_id.to_string()).collect();
    assert_eq!(got.len(), made.items.len());
    got.into_iter().collect()
}

async fn change(fixture: &Fixture, endpoint: &str, changes: EndpointChanges) {
    fixture.store.records.update_endpoint(&lane("a", endpoint), changes).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_change_counts_from_the_next_event_on() {
    let fixture = Fixture::new();
    let account = many(&fixture).await;
    for _ in 0..3 {
        assert_eq!(gets(&fixture, &account, "t03").await, ["e03", "e30", "e31"]);
        assert_eq!(gets(&fixture, &account, "else").await, ["e30"]);
    }
    change(&fixture, "e03", EndpointChanges { filter: Some(types(&["t05"])), ..EndpointChanges::default() }).await;
    assert_eq!(gets(&fixture, &account, "t03").await, ["e30", "e31"]);
    assert_eq!(gets(&fixture, &account, "t05").await, ["e03", "e05", "e30"]);
    change(&fixture, "e30", EndpointChanges { enabled: Some(false), ..EndpointChanges::default() }).await;
    assert_eq!(gets(&fixture, &account, "t05").await, ["e03", "e05"]);
    assert!(fixture.store.records.delete_endpoint(&lane("a", "e05")).await.unwrap());
    assert_eq!(gets(&fixture, &account, "t05").await, ["e03"]);
    fixture.endpoint("a", "e32", types(&["t05"])).await;
    assert_eq!(gets(&fixture, &account, "t05").await, ["e03", "e32"]);
    change(&fixture, "e30", EndpointChanges { enabled: Some(true), ..EndpointChanges::default() }).await;
    assert_eq!(gets(&fixture, &account, "t05").await, ["e03", "e30", "e32"]);
    fixture.assert_sound(); // numbers without gaps among others
}

#[tokio::test]
async fn a_test_event_for_one_of_many_goes_to_that_one() {
    let mut fixture = Fixture::new();
    let account = many(&fixture).await;
    for (number, only) in ["e07", "e30", "e07", "gone"].into_iter().enumerate() {
        let mut wanted = event(&format!("only-{number}"), "t01");
        wanted.only_endpoint = Some(lane("a", only).endpoint_id);
        fixture.publish(&account, vec![wanted]).await.unwrap();
        let got: Vec<_> = fixture.take().await.iter().map(|delivery| delivery.endpoint_id.clone()).collect();
        let expected = if only == "gone" { vec![] } else { vec![lane("a", only).endpoint_id] };
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn what_somebody_else_changes_in_the_database_counts_as_well() {
    let fixture = Fixture::new();
    let account = many(&fixture).await;
    assert_eq!(gets(&fixture, &account, "t03").await, ["e03", "e30", "e31"]);
    crate::backend::damage(&fixture.place, "UPDATE endpoints SET enabled = 0 WHERE id = 'e30'");
    assert_eq!(gets(&fixture, &account, "t03").await, ["e03", "e31"]);
    crate::backend::damage(&fixture.place, "UPDATE endpoints SET last_number = 40 WHERE id = 'e03'");
    assert_eq!(gets(&fixture, &account, "t03").await, ["e03", "e31"]);
    let e03 = lane("a", "e03");
    let query = DeliveryQuery { endpoint_id: Some(e03.endpoint_id), account_id: Some(account.id), ..DeliveryQuery::default() };
    let made = fixture.store.records.list_deliveries(query, page(100)).await.unwrap();
    assert_eq!(made.items.iter().map(|delivery| delivery.number).max(), Some(41));
}

#[tokio::test]
async fn numbers_given_by_a_replay_are_not_given_again() {
    let mut fixture = Fixture::new();
    let (account, e09) = (many(&fixture).await, lane("a", "e09"));
    for id in ["p1", "p2"] {
        fixture.publish(&account, vec![event(id, "t09")]).await.unwrap();
        for delivery in fixture.take().await {
            fixture.record(&delivery, Decision::Delivered).await;
        }
    }
    fixture.store.records.start_replay(replay("rpl_1", &e09, ReplayCase::ALL)).await.unwrap();
    run(&fixture).await;
    fixture.publish(&account, vec![event("p3", "t09")]).await.unwrap();
    let query = DeliveryQuery { endpoint_id: Some(e09.endpoint_id), account_id: Some(account.id), ..DeliveryQuery::default() };
    let found = fixture.store.records.list_deliveries(query, page(100)).await.unwrap();
    let numbers: BTreeSet<i64> = found.items.iter().map(|delivery| delivery.number).collect();
    assert_eq!(numbers, (1..=5).collect(), "two sent, two sent again, and one after them");
    fixture.assert_sound();
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_nothing_from_the_next_event_on() {
    let mut fixture = Fixture::new();
    let account = many(&fixture).await;
    assert_eq!(gets(&fixture, &account, "t08").await, ["e08", "e30"]);
    fixture.publish(&account, vec![event("last", "t08")]).await.unwrap();
    let last = fixture.take().await.remove(0);
    fixture.record(&last, Decision::Failed { endpoint_gone: true }).await;
    assert_eq!(gets(&fixture, &account, "t08").await, ["e30"]);
}
