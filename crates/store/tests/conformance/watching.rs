//! What is watched of the whole store.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter, RoomLimits};
use bellwire_store::{EndpointChanges, EndpointCounts, IncidentChange, IncidentQuery, StoreWatch};

use futures_util::future::join_all;

use crate::fixture::{Fixture, event, lane, page};

const MINUTE: Duration = Duration::from_secs(60);

/// Room for one delivery of a lane; the others wait in the store.
fn tight() -> RoomLimits {
    RoomLimits { lane_deliveries_max: 1, ..RoomLimits::default() }
}

async fn look(fixture: &Fixture, before: StoreWatch) -> StoreWatch {
    fixture.store.records.watch(before).await.unwrap()
}

#[tokio::test]
async fn a_store_in_which_nothing_waits_says_so() {
    let fixture = Fixture::new();
    let found = look(&fixture, StoreWatch::default()).await;
    assert_eq!((found.oldest_due, found.waiting, found.scheduled, found.in_order), (None, 0, 0, 0));
    assert_eq!((found.incidents_open, found.incidents_acknowledged), (0, 0));
    assert_eq!(found.endpoints, Some(EndpointCounts::default()), "all of none were counted");
}

#[tokio::test]
async fn the_oldest_that_waits_is_found_unless_its_endpoint_takes_nothing() {
    let mut fixture = Fixture::with_limits(tight());
    let account = fixture.account("a").await;
    for endpoint in ["e", "f"] {
        fixture.endpoint("a", endpoint, EventFilter::All).await;
    }
    let started = fixture.now();
    for id in ["1", "2", "3"] {
        fixture.publish(&account, vec![event(id, "x")]).await.unwrap();
        fixture.clock.advance(MINUTE);
    }
    let found = look(&fixture, StoreWatch::default()).await;
    assert_eq!((found.oldest_due, found.waiting), (Some(started.plus(MINUTE)), 4), "the first ones are held in memory");

    for endpoint in ["e", "f"] {
        let changes = EndpointChanges { enabled: Some(false), ..EndpointChanges::default() };
        fixture.store.records.update_endpoint(&lane("a", endpoint), changes).await.unwrap();
    }
    let found = look(&fixture, found).await;
    assert_eq!((found.oldest_due, found.waiting), (None, 4), "nobody is late who is not to be sent to");
    assert_eq!(found.endpoints.unwrap().disabled, 2);
    assert_eq!(fixture.take().await.len(), 2);
}

#[tokio::test]
async fn a_retry_counts_as_due_from_its_instant_on_and_a_failure_is_an_incident() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("1", "x")]).await.unwrap();
    let held = fixture.take().await;
    let due_at = fixture.now().plus(MINUTE);
    fixture.record(&held[0], Decision::Retry { due_at }).await;
    let found = look(&fixture, StoreWatch::default()).await;
    assert_eq!((found.oldest_due, found.scheduled), (None, 1));
    assert_eq!((found.incidents_open, found.incidents_acknowledged), (1, 0));

    fixture.clock.advance(2 * MINUTE);
    let incidents = fixture.store.records.list_incidents(IncidentQuery::default(), page(1)).await.unwrap().items;
    let known = fixture.store.records.change_incident(incidents[0].id.clone(), IncidentChange::Acknowledge, "me".to_owned());
    known.await.unwrap();
    let found = look(&fixture, found).await;
    assert_eq!((found.oldest_due, found.scheduled), (Some(due_at), 1));
    assert_eq!((found.incidents_open, found.incidents_acknowledged), (0, 1));
}

/// One look reads 1,000 endpoints.
#[tokio::test]
async fn of_very_many_endpoints_each_look_reads_some_until_all_are_counted() {
    let fixture = Fixture::new();
    for account in ["a", "b"] {
        fixture.account(account).await;
        let names: Vec<_> = (0..600).map(|number| format!("e{number}")).collect();
        join_all(names.iter().map(|name| fixture.endpoint(account, name, EventFilter::All))).await;
    }
    let first = look(&fixture, StoreWatch::default()).await;
    assert_eq!(first.endpoints, None, "not known yet");
    let second = look(&fixture, first).await;
    assert_eq!(second.endpoints.as_ref().unwrap().by_health["active"], 1_200);
    let third = look(&fixture, second).await;
    assert_eq!(third.endpoints.unwrap().by_health["active"], 1_200, "as in the last pass");
}
