//! Leases: who is told when, and what ends with them.

use std::time::Duration;

use bellwire_domain::health::{FailedAfter, FailedThen};
use bellwire_domain::{AttemptOutcome, Decision, EventFilter, HealthPolicy, HealthStatus, IncidentState, Lease};
use bellwire_store::{EndpointChanges, IncidentQuery, Lapse, NewEndpoint, PageRequest};

use crate::fixture::{Fixture, event, lane, new_endpoint, outcome};

const DAY: Duration = Duration::from_secs(86_400);

impl Fixture {
    fn lease(&self, days: u32, warn: Option<u32>) -> Lease {
        let expires_at = self.now().plus(DAY * days);
        Lease { expires_at, warn_at: warn.map(|warn| expires_at.minus(DAY * warn)) }
    }

    async fn leased(&self, id: &str, days: u32, warn: Option<u32>) {
        let new = NewEndpoint { lease: Some(self.lease(days, warn)), ..new_endpoint("a", id, EventFilter::All) };
        self.store.records.create_endpoint(new, 64).await.unwrap().unwrap();
    }

    async fn lapses(&self) -> Vec<(String, Option<Lapse>)> {
        let mut lapses = Vec::new();
        for lane in self.store.queue.due_leases(64).await.unwrap() {
            let lapse = self.store.queue.advance_lease(&lane).await.unwrap();
            lapses.push((lane.endpoint_id.to_string(), lapse));
        }
        lapses
    }

    async fn incident_states(&self) -> Vec<(String, IncidentState)> {
        let page = PageRequest { limit: 10, after: None };
        let found = self.store.records.list_incidents(IncidentQuery::default(), page).await.unwrap();
        found.items.iter().map(|incident| (incident.course.failures.cause.outcome.clone(), incident.state())).collect()
    }
}

#[tokio::test]
async fn a_lease_is_told_of_once_and_ends_with_what_waits() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.leased("e1", 30, Some(7)).await;
    fixture.leased("e2", 40, None).await;
    assert!(fixture.lapses().await.is_empty());
    fixture.clock.advance(DAY * 23);
    assert_eq!(fixture.lapses().await, [("e1".to_owned(), Some(Lapse::Told))]);
    assert!(fixture.lapses().await.is_empty(), "once");
    assert_eq!(fixture.incident_states().await, [("lease_ending".to_owned(), IncidentState::Open)]);
    let told: Vec<String> = fixture.store.records.oldest_notices(9).await.unwrap().into_iter().map(|n| n.event_type).collect();
    assert_eq!(told, ["endpoint.expiring"]);

    fixture.publish(&account, vec![event("x1", "x")]).await.unwrap();
    let held = fixture.store.take().await;
    assert_eq!(held.len(), 2);
    fixture.clock.advance(DAY * 7);
    let e1 = lane("a", "e1");
    assert_eq!(fixture.lapses().await, [("e1".to_owned(), Some(Lapse::Ended { cancelled: 1 }))]);
    assert_eq!(fixture.store.queue.advance_lease(&e1).await.unwrap(), None, "somebody has done it");
    let stored = fixture.store.records.find_endpoint(&e1).await.unwrap().unwrap();
    assert_eq!((stored.health.status, stored.enabled), (HealthStatus::Expired, true));
    let receipts = fixture.publish(&account, vec![event("x2", "x")]).await.unwrap();
    assert_eq!(receipts[0].deliveries, 1, "e1 takes nothing any more");

    let fixture = fixture.reopen().await;
    let stored = fixture.store.records.find_endpoint(&e1).await.unwrap().unwrap();
    assert_eq!(stored.health.status, HealthStatus::Expired);
}

#[tokio::test]
async fn only_a_renewal_that_is_allowed_revives_what_has_expired() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    fixture.leased("e1", 10, Some(5)).await;
    let (e1, records) = (lane("a", "e1"), &fixture.store.records);
    fixture.clock.advance(DAY * 5);
    assert_eq!(fixture.lapses().await.len(), 1);
    let renew = |revive| EndpointChanges { lease: Some(Some(fixture.lease(10, Some(5)))), revive, ..EndpointChanges::default() };
    let renewed = records.update_endpoint(&e1, renew(false)).await.unwrap().unwrap();
    assert_eq!((renewed.health.status, renewed.expires_at), (HealthStatus::Active, Some(fixture.now().plus(DAY * 10))));
    assert_eq!(fixture.incident_states().await, [("lease_ending".to_owned(), IncidentState::Resolved)]);
    fixture.clock.advance(DAY * 5);
    assert_eq!(fixture.lapses().await, [("e1".to_owned(), Some(Lapse::Told))], "each lease is told of");
    fixture.clock.advance(DAY * 5);
    assert_eq!(fixture.lapses().await, [("e1".to_owned(), Some(Lapse::Ended { cancelled: 0 }))]);
    for changes in [
        EndpointChanges { resume: true, ..EndpointChanges::default() },
        EndpointChanges { activate: true, ..EndpointChanges::default() },
        EndpointChanges { enabled: Some(true), ..EndpointChanges::default() },
        EndpointChanges { lease: Some(Some(fixture.lease(10, None))), ..EndpointChanges::default() },
    ] {
        let changed = records.update_endpoint(&e1, changes).await.unwrap().unwrap();
        assert_eq!((changed.health.status, changed.expires_at), (HealthStatus::Expired, Some(fixture.now())));
    }
    let revived = records.update_endpoint(&e1, EndpointChanges { lease: Some(None), revive: true, ..EndpointChanges::default() });
    let revived = revived.await.unwrap().unwrap();
    assert_eq!((revived.health.status, revived.expires_at), (HealthStatus::Active, None));
    fixture.clock.advance(DAY * 100);
    assert!(fixture.lapses().await.is_empty());
}

#[tokio::test]
async fn the_first_of_each_account_comes_before_the_second_of_any() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    fixture.account("b").await;
    for id in ["e1", "e2", "e3"] {
        fixture.leased(id, 1, None).await;
    }
    fixture.clock.advance(DAY / 2);
    let new = NewEndpoint { lease: Some(fixture.lease(1, None)), ..new_endpoint("b", "f1", EventFilter::All) };
    fixture.store.records.create_endpoint(new, 64).await.unwrap().unwrap();
    fixture.clock.advance(DAY);
    let due = fixture.store.queue.due_leases(2).await.unwrap();
    assert_eq!(due, [lane("a", "e1"), lane("b", "f1")]);
}

#[tokio::test]
async fn what_is_muted_waits_and_goes_on_by_itself() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let e1 = fixture.endpoint("a", "e1", EventFilter::All).await;
    let policy = HealthPolicy { failed: Some((FailedAfter::Failures(1), FailedThen::Mute(DAY))), ..HealthPolicy::default() };
    fixture.publish(&account, vec![event("x1", "x")]).await.unwrap();
    let claimed = fixture.take().await;
    let over = Decision::Failed { endpoint_gone: false };
    let failed = outcome(&claimed[0], AttemptOutcome::answered(503), over, policy, fixture.now());
    fixture.store.queue.record_outcomes([failed].into()).await.unwrap();
    let stored = fixture.store.records.find_endpoint(&e1).await.unwrap().unwrap();
    assert_eq!(stored.health.status, HealthStatus::Failed);
    let resumes_at = stored.health.resumes_at.unwrap();
    assert!(fixture.store.queue.muted(9).await.unwrap().is_empty());
    assert_eq!(fixture.store.queue.unmute(&e1).await.unwrap(), None, "it is too early");
    fixture.publish(&account, vec![event("x2", "x")]).await.unwrap();
    let mut fixture = fixture.reopen().await;
    fixture.clock.advance(resumes_at.since(fixture.now()));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert!(fixture.take().await.is_empty(), "it waits until somebody unmutes it");
    assert_eq!(fixture.store.queue.muted(9).await.unwrap(), std::slice::from_ref(&e1));
    assert_eq!(fixture.store.queue.unmute(&e1).await.unwrap(), Some(Lapse::Resumed));
    assert_eq!(fixture.store.queue.unmute(&e1).await.unwrap(), None, "once");
    let stored = fixture.store.records.find_endpoint(&e1).await.unwrap().unwrap();
    assert_eq!((stored.health.status, stored.health.resumes_at), (HealthStatus::Active, None));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert_eq!(fixture.take().await.len(), 1, "what waited is sent");
}
