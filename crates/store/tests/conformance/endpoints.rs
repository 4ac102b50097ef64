//! An endpoint is sent to as it was stored, whatever somebody writes into the database.

use std::collections::BTreeSet;

use bellwire_domain::{Decision, EventFilter, EventType, FilterChange, Secret, Unchanged};
use bellwire_store::{EndpointChanges, ExpectedError, Found, NewEndpoint, Precondition, StoreError};

use crate::fixture::{Fixture, event, lane, new_endpoint, page};

const URL: &str = "https://e1.example/hook?token=planted&x=1";

/// Accounts `a` and `b` with an endpoint each.
async fn two() -> Fixture {
    let fixture = Fixture::new();
    for (account, id) in [("a", "e1"), ("b", "e2")] {
        fixture.account(account).await;
        let headers = vec![("x-own".to_owned(), "planted".to_owned())];
        let credentials = Some(Secret::new(r#"{"token":"planted"}"#.to_owned()));
        let new = NewEndpoint { url: URL.replace("e1", id), headers, credentials, ..new_endpoint(account, id, EventFilter::All) };
        fixture.store.records.create_endpoint(new, 8).await.unwrap().unwrap();
    }
    fixture
}

#[track_caller]
fn is_named<T: std::fmt::Debug>(read: Result<T, StoreError>) {
    let error = read.unwrap_err();
    let StoreError::Altered { account_id, endpoint_id } = &error else { panic!("{error}") };
    assert_eq!((account_id.as_str(), endpoint_id.as_str()), ("a", "e1"));
    assert!(error.is_of_row() && !error.to_string().contains("example"), "{error}");
}

#[tokio::test]
async fn an_endpoint_whose_url_somebody_changed_in_the_database_gets_nothing_and_is_named() {
    let mut fixture = two().await;
    crate::backend::damage(&fixture.place, "UPDATE endpoints SET url = 'https://evil.example/hook?token=…&x=…' WHERE id = 'e1'");
    let (e1, e2) = (lane("a", "e1"), lane("b", "e2"));
    let Fixture { store, .. } = &fixture;
    is_named(store.queue.find_endpoint_config(&e1, 0).await);
    is_named(store.records.find_endpoint(&e1).await);
    is_named(store.records.list_endpoints(&e1.account_id, page(8)).await);
    let changes = EndpointChanges { name: Some(Some("new".to_owned())), ..EndpointChanges::default() };
    is_named(store.records.update_endpoint(&e1, changes).await);
    // Others are sent to, and its own deliveries are kept.
    let other = store.queue.find_endpoint_config(&e2, 0).await.unwrap().unwrap();
    assert_eq!(other.endpoint.url, URL.replace("e1", "e2"));
    store.queue.claim_due(fixture.now(), 10).await.unwrap(); // an endpoint that was to be changed is looked at first
    for account in ["a", "b"] {
        let account = store.records.find_account(&lane(account, "x").account_id).await.unwrap().unwrap();
        fixture.publish(&account, vec![event("ev1", "x")]).await.unwrap();
    }
    let held = fixture.take().await;
    let of = |id: &str| held.iter().find(|delivery| delivery.endpoint_id.as_str() == id).unwrap().clone();
    fixture.record(&of("e2"), Decision::Delivered).await;
    assert_eq!(fixture.states("b").await, [(1, "delivered", 1)]);
    fixture.store.queue.unclaim(&[of("e1")]).await.unwrap();
    assert_eq!(fixture.states("a").await, [(1, "pending", 0)]);
    // It can be deleted, and made anew.
    assert!(fixture.store.records.delete_endpoint(&e1).await.unwrap());
    assert_eq!(fixture.states("a").await, [(1, "cancelled", 0)]);
}

#[tokio::test]
async fn whatever_decides_where_and_how_is_sent_cannot_be_changed_in_the_database() {
    for change in [
        "url = 'https://e1.example/other?token=…&x=…'",
        "url = 'https://e1.example/hook?token=planted&x=1'",
        "events = '[\"y\"]'",
        "in_flight_max = 7",
        "rate_limit = '7/s'",
        "headers_sealed = NULL",
        "headers_sealed = (SELECT p.headers_sealed FROM endpoints p WHERE p.id = 'e2')",
        "credentials_sealed = NULL",
        "credentials_sealed = (SELECT p.credentials_sealed FROM endpoints p WHERE p.id = 'e2')",
        "config_sealed = (SELECT p.config_sealed FROM endpoints p WHERE p.id = 'e2')",
        "config_sealed = NULL",
    ] {
        let fixture = two().await;
        crate::backend::damage(&fixture.place, &format!("UPDATE endpoints SET {change} WHERE id = 'e1'"));
        is_named(fixture.store.records.find_endpoint(&lane("a", "e1")).await);
        assert!(fixture.store.records.find_endpoint(&lane("b", "e2")).await.unwrap().is_some(), "{change}");
    }
}

#[tokio::test]
async fn an_endpoint_is_disabled_without_the_key_and_not_enabled() {
    let fixture = two().await;
    let (e1, find) = (lane("a", "e1"), |lane| fixture.store.records.find_endpoint(lane));
    crate::backend::damage(&fixture.place, "UPDATE endpoints SET enabled = 0 WHERE id = 'e1'");
    assert!(!find(&e1).await.unwrap().unwrap().enabled, "as an engine does whose endpoint is gone");
    let renamed = EndpointChanges { name: Some(None), ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&e1, renamed).await.unwrap().unwrap();
    crate::backend::damage(&fixture.place, "UPDATE endpoints SET enabled = 1 WHERE id = 'e1'");
    is_named(find(&e1).await);
}

#[tokio::test]
async fn a_url_is_whole_for_who_has_the_key_and_masked_in_its_column() {
    let fixture = two().await;
    let endpoint = fixture.store.records.find_endpoint(&lane("a", "e1")).await.unwrap().unwrap();
    assert_eq!(endpoint.url, URL);
    let column = crate::backend::read(&fixture.place, "SELECT url FROM endpoints WHERE id = 'e1'");
    assert_eq!(column, "https://e1.example/hook?token=…&x=…");
    for wanted in [URL, "https://e1.example/hook?token=another&x=2", column.as_str()] {
        let found = fixture.store.records.find_anywhere(wanted).await.unwrap();
        assert_eq!(found, Some(Found::Endpoint(lane("a", "e1"))), "{wanted}");
    }
    assert_eq!(fixture.store.records.find_anywhere("https://e1.example/hook").await.unwrap(), None);
}

#[tokio::test]
async fn endpoints_of_an_earlier_schema_are_sealed_once_as_they_are() {
    let fixture = two().await;
    let before = fixture.store.records.find_endpoint(&lane("a", "e1")).await.unwrap().unwrap();
    fixture.store.records.close().await;
    let unsealed = format!("UPDATE endpoints SET config_sealed = NULL, url = '{URL}' WHERE id = 'e1'");
    crate::backend::damage(&fixture.place, &unsealed);
    crate::backend::damage(&fixture.place, "DELETE FROM meta WHERE key = 'endpoints.sealed'");
    let fixture = fixture.reopen().await;
    let e1 = lane("a", "e1");
    let find = || fixture.store.records.find_endpoint(&e1);
    assert_eq!(find().await.unwrap(), Some(before));
    let column = crate::backend::read(&fixture.place, "SELECT url FROM endpoints WHERE id = 'e1'");
    assert_eq!(column, "https://e1.example/hook?token=…&x=…");
    fixture.assert_sound();
    // What has no seal from then on was put there by somebody else, and stays refused.
    crate::backend::damage(&fixture.place, &unsealed);
    is_named(find().await);
    fixture.store.records.close().await;
    let Fixture { clock, place, limits, store } = fixture;
    drop(store);
    let store = crate::fixture::Store::open(crate::fixture::options(&place, &clock, limits, 3)).unwrap();
    is_named(store.records.find_endpoint(&e1).await);
}

#[tokio::test]
async fn credentials_are_sealed_and_change_the_version_that_requests_are_made_with() {
    let fixture = two().await;
    let (records, e1) = (&fixture.store.records, lane("a", "e1"));
    let before = records.find_endpoint(&e1).await.unwrap().unwrap();
    assert_eq!(before.credential_names(), ["token"]);
    assert_eq!(before.credentials, Some(Secret::new(r#"{"token":"planted"}"#.to_owned())));
    let given = Secret::new(r#"{"id":"1","token":"other"}"#.to_owned());
    let changes = EndpointChanges { credentials: Some(Some(given.clone())), ..EndpointChanges::default() };
    let after = records.update_endpoint(&e1, changes).await.unwrap().unwrap();
    assert_eq!((after.credentials.clone(), after.version), (Some(given), before.version + 1));
    let config = fixture.store.queue.find_endpoint_config(&e1, after.version).await.unwrap().unwrap();
    assert_eq!(config.endpoint.credentials, after.credentials);
    // What is not named stays, and none is left where that is said.
    let renamed = EndpointChanges { name: Some(None), ..EndpointChanges::default() };
    assert_eq!(records.update_endpoint(&e1, renamed).await.unwrap().unwrap().credentials, after.credentials);
    let none = EndpointChanges { credentials: Some(None), ..EndpointChanges::default() };
    let without = records.update_endpoint(&e1, none).await.unwrap().unwrap();
    assert!(without.credentials.is_none() && without.credential_names().is_empty());
    fixture.assert_sound();
}

#[tokio::test]
async fn of_changes_of_a_choice_at_once_none_is_lost() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let e1 = fixture.endpoint("a", "e1", EventFilter::Only(BTreeSet::new())).await;
    let records = &fixture.store.records;
    let types = |names: &[&str]| names.iter().map(|name| EventType::try_new(name).unwrap()).collect::<BTreeSet<_>>();
    let change = |added: &[&str], removed: &[&str]| {
        let change = FilterChange { added: types(added), removed: types(removed), all: None, must_change: true };
        let changes = EndpointChanges { filter_change: Some(change), ..EndpointChanges::default() };
        let (records, lane) = (records.clone(), e1.clone());
        async move {
            records.update_expected_endpoint(&lane, changes, Precondition::Any).await.map(|endpoint| endpoint.unwrap().filter)
        }
    };
    fixture.publish(&account, vec![event("ev1", "x")]).await.unwrap();
    assert!(fixture.states("a").await.is_empty(), "nothing is chosen");
    let all = tokio::join!(change(&["x"], &[]), change(&["y"], &[]), change(&["z"], &[]), change(&["x"], &[]));
    let refused =
        |result: &Result<EventFilter, ExpectedError>| matches!(result, Err(ExpectedError::Unchanged(Unchanged::Chosen)));
    let (first, last) = (all.0, all.3);
    assert!(all.1.is_ok() && all.2.is_ok() && refused(&first) != refused(&last), "{first:?} {last:?}");
    let stored = async || records.find_endpoint(&e1).await.unwrap().unwrap();
    assert_eq!(stored().await.filter, EventFilter::Only(types(&["x", "y", "z"])));
    let version = stored().await.version;
    let missing = change(&[], &["w"]).await;
    assert!(matches!(missing, Err(ExpectedError::Unchanged(Unchanged::NotChosen))), "{missing:?}");
    assert_eq!(stored().await.version, version, "what is refused changes nothing");
    let both = tokio::join!(change(&[], &["x", "y"]), change(&["w"], &["z"]));
    assert!(both.0.is_ok() && both.1.is_ok());
    fixture.publish(&account, vec![event("ev2", "x"), event("ev3", "w")]).await.unwrap();
    assert_eq!(fixture.states("a").await.len(), 1, "only what is left");
    assert_eq!(change(&[], &["w"]).await.unwrap(), EventFilter::Only(BTreeSet::new()));
    fixture.publish(&account, vec![event("ev4", "w")]).await.unwrap();
    assert_eq!(fixture.states("a").await.len(), 1, "nothing, and not everything");
    fixture.assert_sound();
}
