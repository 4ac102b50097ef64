//! Heartbeats: which are due, what was sent last, and that one node sends each.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter, Timestamp};
use bellwire_store::{EndpointChanges, LaneKey, NewEndpoint, WithoutHeartbeat};

use crate::fixture::{Fixture, account_id, event, lane, new_endpoint};

const PERIOD: Duration = Duration::from_secs(60);

async fn add(fixture: &Fixture, account: &str, id: &str, heartbeat: Option<Duration>) -> LaneKey {
    let new = NewEndpoint { heartbeat, ..new_endpoint(account, id, EventFilter::All) };
    fixture.store.records.create_endpoint(new, 64).await.unwrap().unwrap();
    lane(account, id)
}

impl Fixture {
    async fn due_heartbeats(&self) -> Vec<String> {
        let due = self.store.queue.due_heartbeats(None, 2, 64).await.unwrap();
        due.lanes.into_iter().map(|lane| lane.endpoint_id.to_string()).collect()
    }

    async fn heartbeat_at(&self, lane: &LaneKey) -> Option<Timestamp> {
        self.store.queue.find_heartbeat(lane).await.unwrap().map(|due| due.due_at)
    }

    async fn last_attempt_at(&self, lane: &LaneKey) -> Option<Timestamp> {
        self.store.queue.find_heartbeat(lane).await.unwrap().unwrap().last_attempt_at
    }

    async fn set_heartbeat(&self, lane: &LaneKey, heartbeat: Option<Duration>) {
        let changes = EndpointChanges { heartbeat: Some(heartbeat), ..EndpointChanges::default() };
        self.store.records.update_endpoint(lane, changes).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn one_is_due_after_its_period_and_one_node_moves_it_on() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let (with, without) = (add(&fixture, "a", "with", Some(PERIOD)).await, add(&fixture, "a", "without", None).await);
    assert_eq!((fixture.heartbeat_at(&without).await, fixture.due_heartbeats().await), (None, vec![]));
    let due_at = fixture.now().plus(PERIOD);
    assert_eq!(fixture.heartbeat_at(&with).await, Some(due_at));
    fixture.clock.advance(PERIOD);
    assert_eq!(fixture.due_heartbeats().await, ["with"]);
    let next = fixture.now().plus(PERIOD);
    let first = fixture.store.queue.advance_heartbeat(&with, due_at, Some(next)).await.unwrap();
    let second = fixture.store.queue.advance_heartbeat(&with, due_at, Some(next)).await.unwrap();
    assert_eq!((first, second), (true, false), "who has seen it when another has moved it on");
    assert!(fixture.due_heartbeats().await.is_empty());
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.heartbeat_at(&with).await, Some(next));
    assert!(fixture.store.queue.advance_heartbeat(&with, next, None).await.unwrap());
    assert_eq!(fixture.heartbeat_at(&with).await, None, "it has none any more");
}

#[tokio::test]
async fn a_change_makes_it_due_no_later_than_before_and_takes_it_away() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = add(&fixture, "a", "e", Some(PERIOD)).await;
    let due_at = fixture.now().plus(PERIOD);
    fixture.clock.advance(PERIOD / 2);
    fixture.set_heartbeat(&lane, Some(PERIOD)).await;
    assert_eq!(fixture.heartbeat_at(&lane).await, Some(due_at), "changes do not put it off for ever");
    fixture.set_heartbeat(&lane, Some(PERIOD / 6)).await;
    assert_eq!(fixture.heartbeat_at(&lane).await, Some(fixture.now().plus(PERIOD / 6)));
    fixture.set_heartbeat(&lane, None).await;
    assert_eq!(fixture.heartbeat_at(&lane).await, None);
    fixture.set_heartbeat(&lane, Some(PERIOD)).await;
    assert_eq!(fixture.heartbeat_at(&lane).await, Some(fixture.now().plus(PERIOD)));
    let other = EndpointChanges { name: Some(Some("e".to_owned())), ..EndpointChanges::default() };
    fixture.store.records.update_endpoint(&lane, other).await.unwrap();
    assert!(fixture.heartbeat_at(&lane).await.is_some(), "what says nothing of it leaves it alone");
}

#[tokio::test]
async fn what_was_sent_last_is_the_newest_attempt_of_what_lives_and_what_has_ended() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = add(&fixture, "a", "e", Some(PERIOD)).await;
    assert_eq!(fixture.last_attempt_at(&lane).await, None);
    fixture.publish(&account, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    let held = fixture.take().await;
    assert_eq!(fixture.last_attempt_at(&lane).await, None, "nothing was sent yet");
    fixture.record(&held[1], Decision::Delivered).await;
    let ended_at = fixture.now();
    assert_eq!(fixture.last_attempt_at(&lane).await, Some(ended_at));
    fixture.clock.advance(Duration::from_secs(5));
    fixture.record(&held[0], Decision::Retry { due_at: fixture.now().plus(PERIOD) }).await;
    assert_eq!(fixture.last_attempt_at(&lane).await, Some(fixture.now()), "of one that is tried again");
    assert_eq!(fixture.store.queue.find_heartbeat(&lane).await.unwrap().unwrap().config.unwrap().endpoint.last_number, 2);
}

#[tokio::test]
async fn each_account_has_its_share_and_the_first_of_each_comes_before_the_second_of_any() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    fixture.account("b").await;
    for (account, id) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1")] {
        add(&fixture, account, id, Some(PERIOD)).await;
        fixture.clock.advance(Duration::from_secs(1));
    }
    fixture.clock.advance(PERIOD);
    assert_eq!(fixture.due_heartbeats().await, ["a1", "b1", "a2"]);
}

#[tokio::test]
async fn endpoints_that_are_older_than_their_contract_s_heartbeat_are_found_page_by_page() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    fixture.account("b").await;
    for (account, id, heartbeat) in [("a", "e1", None), ("a", "e2", Some(PERIOD)), ("a", "e3", None), ("b", "e0", None)] {
        add(&fixture, account, id, heartbeat).await;
    }
    let mut found: Vec<WithoutHeartbeat> = Vec::new();
    loop {
        let after = found.last().map(|last| last.lane.clone());
        let more = fixture.store.queue.without_heartbeat("noyo", after, 2).await.unwrap();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    let lanes: Vec<LaneKey> = found.iter().map(|found| found.lane.clone()).collect();
    assert_eq!(lanes, [lane("a", "e1"), lane("a", "e3"), lane("b", "e0")]);
    assert!(fixture.store.queue.without_heartbeat("silver", None, 2).await.unwrap().is_empty());
    fixture.store.queue.begin_heartbeat(&lanes[0], PERIOD).await.unwrap();
    assert_eq!(fixture.heartbeat_at(&lanes[0]).await, Some(fixture.now().plus(PERIOD)));
    fixture.delete_account(&account_id("a")).await;
    assert_eq!(fixture.heartbeat_at(&lanes[0]).await, None, "it goes with its endpoint");
}
