//! Handshakes: who tries them, what comes of them, and that one that was replaced changes nothing.

use std::time::Duration;

use bellwire_domain::{EventFilter, HealthStatus, Secret, Timestamp};
use bellwire_store::{ActivationEnd, EndpointChanges, LaneKey, NewEndpoint, TakenActivation};

use crate::fixture::{Fixture, event, lane, new_endpoint};

/// Longer than any try takes.
const LEASE: Duration = Duration::from_secs(60);

/// An account with endpoints that are pending.
async fn pending(account: &str, ids: &[&str]) -> Fixture {
    let fixture = Fixture::new();
    fixture.account(account).await;
    for id in ids {
        add(&fixture, account, id).await;
    }
    fixture
}

async fn add(fixture: &Fixture, account: &str, id: &str) {
    let new = NewEndpoint { health: HealthStatus::Pending, secret: None, ..new_endpoint(account, id, EventFilter::All) };
    fixture.store.records.create_endpoint(new, 64).await.unwrap().unwrap();
}

impl Fixture {
    async fn due(&self) -> Vec<String> {
        let due = self.store.queue.due_activations(None, 2, 64).await.unwrap();
        due.lanes.into_iter().map(|lane| lane.endpoint_id.to_string()).collect()
    }

    async fn try_take(&self, lane: &LaneKey) -> Option<TakenActivation> {
        self.store.queue.take_activation(lane, self.now().plus(LEASE)).await.unwrap()
    }

    async fn end(&self, lane: &LaneKey, token: &Secret<String>, end: ActivationEnd) -> Option<HealthStatus> {
        let ended = self.store.queue.finish_activation(lane, token.clone(), end).await.unwrap();
        ended.map(|endpoint| endpoint.health.status)
    }

    async fn health(&self, lane: &LaneKey) -> HealthStatus {
        self.store.records.find_endpoint(lane).await.unwrap().unwrap().health.status
    }
}

fn refused(next_at: Option<Timestamp>) -> ActivationEnd {
    ActivationEnd::Refused { reason: "status 404".to_owned(), next_at }
}

fn accepted(next_at: Option<Timestamp>) -> ActivationEnd {
    ActivationEnd::Accepted { secret: None, rate_limit: None, is_enough: true, next_at }
}

#[tokio::test]
async fn one_process_tries_a_handshake_and_another_one_if_that_dies() {
    let fixture = pending("a", &["e1"]).await;
    let e1 = lane("a", "e1");
    assert_eq!(fixture.due().await, ["e1"]);
    let taken = fixture.try_take(&e1).await.unwrap();
    assert_eq!((taken.failures, taken.token.expose().len()), (0, 64));
    assert!(fixture.due().await.is_empty() && fixture.try_take(&e1).await.is_none(), "somebody has it");
    fixture.clock.advance(LEASE);
    assert_eq!(fixture.due().await, ["e1"], "whoever had it is dead");
    let again = fixture.try_take(&e1).await.unwrap();
    assert_eq!(again.token.expose(), taken.token.expose(), "it is the same handshake");
    assert!(fixture.store.queue.keep_activation(&e1, &again.token, fixture.now().plus(LEASE * 2)).await.unwrap());
    fixture.clock.advance(LEASE);
    assert!(fixture.due().await.is_empty(), "it was kept");
    let fixture = fixture.reopen().await;
    let stands = fixture.store.records.find_activation(&e1).await.unwrap().unwrap();
    assert_eq!((stands.token.expose(), stands.tried_at, stands.activated_at), (again.token.expose(), None, None));
}

#[tokio::test]
async fn each_account_has_its_share_and_the_first_of_each_comes_before_the_second_of_any() {
    let fixture = pending("a", &["a1", "a2", "a3", "a4"]).await;
    fixture.clock.advance(Duration::from_secs(1));
    fixture.account("b").await;
    add(&fixture, "b", "b1").await;
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.due().await, ["a1", "b1", "a2"]);
    let off = EndpointChanges { enabled: Some(false), ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&lane("a", "a1"), off).await.unwrap();
    assert_eq!(fixture.due().await, ["a2", "b1", "a3"], "a disabled endpoint is asked nothing");
}

#[tokio::test]
async fn many_that_are_due_are_found_some_at_a_time() {
    let fixture = Fixture::new();
    let ids = ["e1", "e2", "e3", "e4", "e5"];
    for (account, id) in ["a", "b", "a", "a", "c"].into_iter().zip(ids) {
        fixture.account(account).await;
        add(&fixture, account, id).await;
        fixture.clock.advance(Duration::from_secs(1));
    }
    let (mut after, mut found) = (None, Vec::new());
    for _ in 0..3 {
        let due = fixture.store.queue.due_activations(after, 64, 2).await.unwrap();
        found.push(due.lanes.iter().map(|lane| lane.endpoint_id.to_string()).collect::<Vec<_>>());
        after = due.next;
    }
    assert_eq!(found, [vec!["e1", "e2"], vec!["e3", "e4"], vec!["e5"]]);
    assert_eq!(after, None, "the next look begins anew");
}

#[tokio::test]
async fn an_endpoint_is_pending_until_its_handshake_has_ended_well_and_gets_nothing_before() {
    let mut fixture = pending("a", &["e1"]).await;
    let (e1, account) = (lane("a", "e1"), fixture.account("a").await);
    let early = fixture.publish(&account, vec![event("early", "x")]).await.unwrap();
    assert_eq!(early.first().map(|receipt| receipt.deliveries), Some(0));
    let taken = fixture.try_take(&e1).await.unwrap();
    let next = fixture.now().plus(Duration::from_secs(10));
    assert_eq!(fixture.end(&e1, &taken.token, refused(Some(next))).await, Some(HealthStatus::Pending));
    let stands = fixture.store.records.find_activation(&e1).await.unwrap().unwrap();
    assert_eq!((stands.failures, stands.due_at, stands.failure.as_deref()), (1, Some(next), Some("status 404")));
    fixture.clock.advance(Duration::from_secs(10));
    let taken = fixture.try_take(&e1).await.unwrap();
    assert_eq!(taken.failures, 1);
    let end = ActivationEnd::Accepted {
        secret: Some(Secret::new("chosen by the receiver".to_owned())),
        rate_limit: "600/m".parse().ok(),
        is_enough: true,
        next_at: None,
    };
    assert_eq!(fixture.end(&e1, &taken.token, end).await, Some(HealthStatus::Active));
    let config = fixture.store.queue.find_endpoint_config(&e1, 0).await.unwrap().unwrap();
    assert_eq!(config.secrets.first().map(|secret| secret.secret.expose().as_str()), Some("chosen by the receiver"));
    assert_eq!(config.endpoint.rate_limit.map(|limit| limit.to_string()).as_deref(), Some("600/m"));
    let stands = fixture.store.records.find_activation(&e1).await.unwrap().unwrap();
    assert_eq!((stands.failures, stands.due_at, stands.failure, stands.activated_at), (0, None, None, Some(fixture.now())));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap(); // a changed endpoint is looked at first
    fixture.publish(&account, vec![event("late", "x")]).await.unwrap();
    assert_eq!(fixture.take().await.iter().map(|held| held.event.id.as_str()).collect::<Vec<_>>(), ["late"]);
}

#[tokio::test]
async fn a_handshake_that_was_replaced_meanwhile_changes_nothing() {
    let fixture = pending("a", &["e1"]).await;
    let e1 = lane("a", "e1");
    let taken = fixture.try_take(&e1).await.unwrap();
    let moved = EndpointChanges { url: Some("https://other.example/".to_owned()), activate: true, ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&e1, moved).await.unwrap();
    assert!(!fixture.store.queue.keep_activation(&e1, &taken.token, fixture.now().plus(LEASE)).await.unwrap());
    assert_eq!(fixture.end(&e1, &taken.token, accepted(None)).await, None);
    assert_eq!((fixture.health(&e1).await, fixture.due().await), (HealthStatus::Pending, vec!["e1".to_owned()]));
    // An operator who vouches for it ends that.
    let resumed = EndpointChanges { resume: true, ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&e1, resumed).await.unwrap();
    assert_eq!((fixture.health(&e1).await, fixture.due().await.len()), (HealthStatus::Active, 0));
}

#[tokio::test]
async fn a_repeated_handshake_has_a_token_of_its_own_and_whoever_fails_it_is_pending_again() {
    let mut fixture = pending("a", &["e1"]).await;
    let (e1, account) = (lane("a", "e1"), fixture.account("a").await);
    let every = Duration::from_secs(3_600);
    let first = fixture.try_take(&e1).await.unwrap();
    fixture.end(&e1, &first.token, accepted(Some(fixture.now().plus(every)))).await;
    assert!(fixture.due().await.is_empty());
    fixture.clock.advance(every);
    let second = fixture.try_take(&e1).await.unwrap();
    assert_ne!(second.token.expose(), first.token.expose());
    let soon = fixture.now().plus(Duration::from_secs(1));
    assert_eq!(fixture.end(&e1, &second.token, refused(Some(soon))).await, Some(HealthStatus::Active), "it is tried again");
    fixture.publish(&account, vec![event("between", "x")]).await.unwrap();
    let held = fixture.take().await;
    fixture.clock.advance(Duration::from_secs(1));
    let third = fixture.try_take(&e1).await.unwrap();
    assert_eq!(third.token.expose(), second.token.expose());
    assert_eq!(fixture.end(&e1, &third.token, refused(None)).await, Some(HealthStatus::Pending));
    fixture.store.queue.unclaim(&held).await.unwrap();
    assert!(fixture.due().await.is_empty(), "it is given up");
    let again = EndpointChanges { activate: true, ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&e1, again).await.unwrap();
    let fourth = fixture.try_take(&e1).await.unwrap();
    fixture.end(&e1, &fourth.token, accepted(None)).await;
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    assert_eq!(fixture.take().await.len(), 1, "what waited meanwhile is delivered");
}

#[tokio::test]
async fn a_receiver_that_calls_back_is_found_by_its_token() {
    let fixture = pending("a", &["e1", "e2"]).await;
    let (e1, records) = (lane("a", "e1"), &fixture.store.records);
    let first = fixture.try_take(&e1).await.unwrap();
    let token = first.token.expose();
    let asked = ActivationEnd::Accepted { secret: Some(first.token.clone()), rate_limit: None, is_enough: false, next_at: None };
    assert_eq!(fixture.end(&e1, &first.token, asked.clone()).await, Some(HealthStatus::Pending));
    assert_eq!(fixture.due().await, ["e2"], "it is the receiver's turn");
    assert_eq!(records.find_activating(token).await.unwrap(), Some(e1.clone()));
    assert_eq!(records.find_activating("something else").await.unwrap(), None);
    assert!(records.confirm_activation(&lane("a", "e2"), token, None).await.unwrap().is_none(), "it is the token of e1");
    for _ in 0..2 {
        let confirmed = records.confirm_activation(&e1, token, None).await.unwrap().unwrap();
        assert_eq!(confirmed.health.status, HealthStatus::Active);
    }

    // One that calls back before its answer is written down is active, and stays so.
    let e2 = lane("a", "e2");
    let early = fixture.try_take(&e2).await.unwrap();
    let later = Some(fixture.now().plus(Duration::from_secs(3_600)));
    records.confirm_activation(&e2, early.token.expose(), later).await.unwrap().unwrap();
    assert_eq!(fixture.end(&e2, &early.token, asked).await, Some(HealthStatus::Active));
    assert_eq!(records.find_activation(&e2).await.unwrap().unwrap().due_at, later);

    // One that is asked again stays active, and is not asked again before its time although nobody calls back.
    fixture.clock.advance(Duration::from_secs(3_600));
    let again = fixture.try_take(&e2).await.unwrap();
    let after = Some(fixture.now().plus(Duration::from_secs(3_600)));
    let asked = ActivationEnd::Accepted { secret: None, rate_limit: None, is_enough: false, next_at: after };
    assert_eq!(fixture.end(&e2, &again.token, asked).await, Some(HealthStatus::Active));
    assert_eq!(records.find_activation(&e2).await.unwrap().unwrap().due_at, after);
}
