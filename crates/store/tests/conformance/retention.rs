//! What is older than it has to be kept goes, and nothing else does.

use std::time::Duration;

use bellwire_domain::ReplayCase;
use bellwire_domain::{Decision, EventFilter, EventId, ReplayId, Timestamp};
use bellwire_store::{Account, EventQuery, NewReplay, Removed};

use crate::fixture::{Fixture, account_id, event, history_of, lane, page};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Publishes events and lets their deliveries arrive.
async fn publish_and_deliver(fixture: &mut Fixture, account: &Account, ids: &[&str]) {
    fixture.publish(account, ids.iter().map(|id| event(id, "x")).collect()).await.unwrap();
    deliver(fixture).await;
}

async fn deliver(fixture: &mut Fixture) {
    for delivery in fixture.take().await {
        fixture.record(&delivery, Decision::Delivered).await;
    }
}

async fn retain(fixture: &Fixture, weeks: u32) -> Removed {
    fixture.store.queue.retain(history_of(WEEK * weeks)).await.unwrap()
}

/// The log as a consumer sees it.
async fn log(fixture: &Fixture) -> Vec<(i64, String)> {
    let log = fixture.store.records.list_events(&account_id("a"), EventQuery::default(), page(1_000)).await.unwrap();
    log.items.into_iter().map(|event| (event.seq, event.id.to_string())).collect()
}

fn kept(ids: &[(i64, &str)]) -> Vec<(i64, String)> {
    ids.iter().map(|(seq, id)| (*seq, (*id).to_owned())).collect()
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_young_stays() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e1", EventFilter::All).await;
    fixture.publish(&account, vec![event("failing", "x")]).await.unwrap();
    let held = fixture.take().await.remove(0);
    fixture.record(&held, Decision::Retry { due_at: fixture.now() }).await;
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    deliver(&mut fixture).await;
    publish_and_deliver(&mut fixture, &account, &["old"]).await;
    fixture.clock.advance(WEEK * 5);
    publish_and_deliver(&mut fixture, &account, &["young"]).await;
    fixture.publish(&account, vec![event("live", "x")]).await.unwrap();

    let removed = retain(&fixture, 2).await;
    assert_eq!(removed.events, 2);
    assert!(removed.deliveries == 2 || removed.partitions > 1, "{removed:?}");
    assert_eq!(log(&fixture).await, kept(&[(3, "young"), (4, "live")]));
    assert_eq!(fixture.states("a").await, [(3, "delivered", 1), (4, "pending", 0)]);
    assert!(fixture.store.records.find_delivery(held.id).await.unwrap().is_none());
    assert!(fixture.store.records.find_event(&account.id, &EventId::try_new("old").unwrap()).await.unwrap().is_none());
    fixture.assert_sound();

    assert_eq!(retain(&fixture, 2).await, Removed::default(), "nothing is left to remove");
    let again = fixture.publish(&account, vec![event("old", "x")]).await.unwrap().remove(0);
    assert_eq!((again.seq, again.created), (5, true), "numbers go on, and an id that is forgotten is free");
    let mut fixture = fixture.reopen().await;
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    deliver(&mut fixture).await;
    assert_eq!(fixture.states("a").await, [(3, "delivered", 1), (4, "delivered", 1), (5, "delivered", 1)]);
}

#[tokio::test]
async fn a_live_delivery_keeps_its_week() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e1", EventFilter::All).await;
    fixture.publish(&account, vec![event("waits", "x")]).await.unwrap();
    let held = fixture.take().await.remove(0);
    fixture.record(&held, Decision::Retry { due_at: fixture.now().plus(WEEK * 6) }).await;
    publish_and_deliver(&mut fixture, &account, &["beside"]).await;
    fixture.clock.advance(WEEK * 7);

    assert_eq!(retain(&fixture, 1).await, Removed::default());
    assert_eq!(log(&fixture).await, kept(&[(1, "waits"), (2, "beside")]));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    deliver(&mut fixture).await;
    assert_eq!(fixture.states("a").await, [(1, "delivered", 2), (2, "delivered", 1)]);
    fixture.assert_sound();

    assert_eq!(retain(&fixture, 1).await.events, 2);
    assert_eq!((log(&fixture).await, fixture.states("a").await), (Vec::new(), Vec::new()));
    fixture.assert_sound();
}

#[tokio::test]
async fn an_event_that_is_sent_again_stays_until_that_is_old() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e1", EventFilter::All).await;
    publish_and_deliver(&mut fixture, &account, &["first", "again", "last"]).await;
    fixture.clock.advance(WEEK * 5);
    let mut again = event("again", "x");
    again.redeliver = true;
    fixture.publish(&account, vec![again]).await.unwrap();
    assert_eq!(retain(&fixture, 1).await.events, 1, "the live delivery needs its event");
    deliver(&mut fixture).await;
    assert_eq!(retain(&fixture, 1).await.events, 0, "its history does as well");
    assert_eq!(log(&fixture).await, kept(&[(2, "again"), (3, "last")]), "a log has no holes");
    assert_eq!(fixture.states("a").await, [(4, "delivered", 1)]);
    fixture.assert_sound();
    fixture.clock.advance(WEEK * 5);
    assert_eq!(retain(&fixture, 1).await.events, 2);
    fixture.assert_sound();
}

#[tokio::test]
async fn a_replay_finds_what_is_left() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_and_deliver(&mut fixture, &account, &["gone"]).await;
    fixture.clock.advance(WEEK * 5);
    publish_and_deliver(&mut fixture, &account, &["missed"]).await;
    assert_eq!(retain(&fixture, 1).await.events, 1);
    fixture.endpoint("a", "e1", EventFilter::All).await;
    let new = NewReplay {
        id: ReplayId::try_new("rpl_1").unwrap(),
        lane: lane("a", "e1"),
        since: Timestamp::from_secs(0),
        until: None,
        cases: [ReplayCase::Missed].into(),
        running_max: 8,
        account_running_max: 8,
    };
    fixture.store.records.start_replay(new).await.unwrap();
    assert_eq!(fixture.store.queue.advance_replay(None).await.unwrap().unwrap().created, 1);
    assert_eq!(fixture.states("a").await, [(1, "pending", 0)]);
    fixture.assert_sound();
}

#[tokio::test]
async fn a_long_log_goes_in_steps_and_two_may_ask_at_once() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.account("b").await;
    for hundred in 0..12 {
        let ids: Vec<String> = (0..100).map(|one| format!("e{hundred}-{one}")).collect();
        fixture.publish(&account, ids.iter().map(|id| event(id, "x")).collect()).await.unwrap();
    }
    fixture.clock.advance(WEEK * 5);
    fixture.publish(&account, vec![event("young", "x")]).await.unwrap();
    let (one, other) = tokio::join!(retain(&fixture, 2), retain(&fixture, 2));
    assert_eq!(one.events + other.events, 1_200);
    assert_eq!(log(&fixture).await, kept(&[(1_201, "young")]));
    fixture.assert_sound();
}
