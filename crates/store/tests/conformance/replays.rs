//! Replays: what they send again, in what steps, and what ends them.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_domain::{Decision, EventFilter, EventType, ReplayId, Timestamp};
use bellwire_domain::{ReplayCase, ReplayState};
use bellwire_store::{Account, DeliveryQuery, EndpointChanges, LaneKey, NewReplay, Origin, Replay, StartReplayError, StoreError};

use crate::fixture::{Fixture, account_id, event, lane, page};

const FAILED: Decision = Decision::Failed { endpoint_gone: false };

pub fn replay(id: &str, lane: &LaneKey, cases: &[ReplayCase]) -> NewReplay {
    NewReplay {
        id: ReplayId::try_new(id).unwrap(),
        lane: lane.clone(),
        since: Timestamp::from_secs(0),
        until: None,
        cases: cases.iter().copied().collect(),
        running_max: 2,
        account_running_max: 8,
    }
}

/// Takes steps until none advances.
pub async fn run(fixture: &Fixture) {
    while fixture.store.queue.advance_replay(None).await.unwrap().is_some_and(|step| step.advanced) {}
}

async fn stored(fixture: &Fixture, lane: &LaneKey, id: &str) -> Replay {
    fixture.store.records.find_replay(lane, &ReplayId::try_new(id).unwrap()).await.unwrap().unwrap()
}

/// The events that an endpoint's live deliveries are of, by number.
async fn live(fixture: &Fixture, lane: &LaneKey) -> Vec<(i64, String)> {
    let query = DeliveryQuery {
        account_id: Some(lane.account_id.clone()),
        endpoint_id: Some(lane.endpoint_id.clone()),
        state: Some(bellwire_domain::DeliveryState::Pending),
        ..DeliveryQuery::default()
    };
    let found = fixture.store.records.list_deliveries(query, page(10_000)).await.unwrap();
    let mut all: Vec<_> = found.items.iter().map(|item| (item.number, item.event_id.to_string())).collect();
    all.sort();
    all
}

/// An endpoint with one event of every kind: delivered, failed, cancelled, live, and one from before it existed.
async fn every_case(fixture: &mut Fixture) -> (Account, LaneKey) {
    let account = fixture.account("a").await;
    fixture.publish(&account, vec![event("missed", "x")]).await.unwrap();
    fixture.endpoint("a", "other", EventFilter::All).await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, ["delivered", "failed"].map(|id| event(id, "x")).into()).await.unwrap();
    for delivery in fixture.take().await.iter().filter(|delivery| delivery.lane() == lane) {
        let failed = delivery.event.id.as_str() == "failed";
        fixture.record(delivery, if failed { FAILED } else { Decision::Delivered }).await;
    }
    fixture.publish(&account, vec![event("live", "x")]).await.unwrap();
    fixture.take().await;
    (account, lane)
}

fn ids(found: &[(i64, String)]) -> Vec<&str> {
    found.iter().map(|(_, id)| id.as_str()).collect()
}

#[tokio::test]
async fn each_case_is_sent_again_only_when_it_is_asked_for() {
    for (cases, expected) in [
        (&[ReplayCase::Failed][..], &["live", "failed"][..]),
        (&[ReplayCase::Missed], &["live", "missed"]),
        (&[ReplayCase::Delivered], &["live", "delivered"]),
        (&[ReplayCase::Cancelled], &["live"]),
        (ReplayCase::ALL, &["live", "missed", "delivered", "failed"]),
    ] {
        let mut fixture = Fixture::new();
        let (_, lane) = every_case(&mut fixture).await;
        fixture.store.records.start_replay(replay("rpl_1", &lane, cases)).await.unwrap();
        run(&fixture).await;
        let found = live(&fixture, &lane).await;
        let count = i64::try_from(expected.len()).unwrap();
        assert_eq!(ids(&found), expected, "{cases:?}");
        assert!(found.iter().map(|(number, _)| *number).eq(3..3 + count), "new numbers without gaps");
        let done = stored(&fixture, &lane, "rpl_1").await;
        assert_eq!((done.state, done.examined, done.created), (ReplayState::Done, 4, count - 1));
        assert_eq!(done.ended_at, Some(fixture.now()));
        fixture.assert_sound();
    }
}

#[tokio::test]
async fn it_reaches_the_engine_with_its_origin_and_ends_as_history() {
    let mut fixture = Fixture::new();
    let (_, lane) = every_case(&mut fixture).await;
    fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Failed, ReplayCase::Missed])).await.unwrap();
    run(&fixture).await;
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let claimed = fixture.take().await;
    let origin = Origin::Replayed(ReplayId::try_new("rpl_1").unwrap());
    assert!(claimed.iter().all(|delivery| delivery.origin == origin && delivery.attempts == 0));
    assert_eq!(claimed.iter().map(|delivery| delivery.event.id.as_str()).collect::<Vec<_>>(), ["missed", "failed"]);
    fixture.record(&claimed[0], Decision::Delivered).await;
    fixture.record(&claimed[1], FAILED).await;
    // Its latest delivery counts: what has arrived since is not sent again, what has failed again is.
    fixture.clock.advance(Duration::from_secs(1));
    fixture.store.records.start_replay(replay("rpl_2", &lane, &[ReplayCase::Failed, ReplayCase::Missed])).await.unwrap();
    run(&fixture).await;
    assert_eq!(ids(&live(&fixture, &lane).await), ["live", "failed"]);
    let fixture = fixture.reopen().await;
    assert_eq!(stored(&fixture, &lane, "rpl_1").await.created, 2);
    let listed = fixture.store.records.list_replays(&lane, page(1)).await.unwrap();
    assert_eq!((listed.items[0].id.as_str(), listed.next.as_deref()), ("rpl_2", Some("rpl_2")), "newest first");
    let rest = bellwire_store::PageRequest { limit: 1, after: listed.next };
    assert_eq!(fixture.store.records.list_replays(&lane, rest).await.unwrap().items[0].id.as_str(), "rpl_1");
}

#[tokio::test]
async fn missed_is_what_the_endpoint_wants_and_no_test() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let mut test = event("test", "x");
    test.is_test = true;
    let other = event("other-type", "y");
    fixture.publish(&account, vec![event("wanted", "x"), other, test]).await.unwrap();
    let lane = fixture.endpoint("a", "e", EventFilter::Only([EventType::try_new("x").unwrap()].into())).await;
    fixture.store.records.start_replay(replay("rpl_1", &lane, ReplayCase::ALL)).await.unwrap();
    run(&fixture).await;
    assert_eq!(ids(&live(&fixture, &lane).await), ["wanted"]);
    assert!(fixture.take().await.is_empty());
}

#[tokio::test]
async fn the_range_is_of_the_time_of_acceptance() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let start = fixture.now();
    for minute in 0..10 {
        fixture.clock.set(start.plus(Duration::from_secs(minute * 60)));
        fixture.publish(&account, vec![event(&format!("m{minute}"), "x")]).await.unwrap();
    }
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let minutes = |minute: u64| start.plus(Duration::from_secs(minute * 60));
    let new = NewReplay { since: minutes(3), until: Some(minutes(6)), ..replay("rpl_1", &lane, &[ReplayCase::Missed]) };
    fixture.store.records.start_replay(new).await.unwrap();
    run(&fixture).await;
    assert_eq!(ids(&live(&fixture, &lane).await), ["m3", "m4", "m5"]);
    let done = stored(&fixture, &lane, "rpl_1").await;
    assert_eq!((done.examined, done.created), (3, 3), "only what is in the range is counted");
    fixture.assert_sound();
}

#[tokio::test]
async fn what_is_published_after_it_was_asked_for_is_not_its_business() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.publish(&account, vec![event("before", "x")]).await.unwrap();
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Missed])).await.unwrap();
    fixture.store.records.update_endpoint(&lane, EndpointChanges { enabled: Some(false), ..Default::default() }).await.unwrap();
    fixture.publish(&account, vec![event("after", "x")]).await.unwrap();
    run(&fixture).await;
    assert_eq!(ids(&live(&fixture, &lane).await), ["before"]);
}

async fn publish_many(fixture: &Fixture, account: &Account, count: usize) {
    for start in (0..count).step_by(500) {
        let events = (start..count.min(start + 500)).map(|index| event(&format!("ev{index}"), "x")).collect();
        fixture.publish(account, events).await.unwrap();
    }
}

#[tokio::test]
async fn a_step_is_bounded_and_a_restart_goes_on_from_its_cursor() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 1_200).await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Missed])).await.unwrap();
    assert_eq!(fixture.store.queue.advance_replay(None).await.unwrap().unwrap().created, 100);
    let fixture = fixture.reopen().await;
    let halfway = stored(&fixture, &lane, "rpl_1").await;
    assert_eq!((halfway.state, halfway.examined, halfway.created), (ReplayState::Running, 100, 100));
    run(&fixture).await;
    let events: BTreeSet<String> = live(&fixture, &lane).await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(events.len(), 1_200, "each once");
    assert_eq!(stored(&fixture, &lane, "rpl_1").await.created, 1_200);
    fixture.reopen().await;
}

#[tokio::test]
async fn it_waits_while_much_is_live_and_goes_on_when_there_is_room() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 2_300).await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Missed])).await.unwrap();
    run(&fixture).await;
    let waiting = stored(&fixture, &lane, "rpl_1").await;
    assert_eq!((waiting.state, waiting.created), (ReplayState::Running, 2_000));
    let step = fixture.store.queue.advance_replay(None).await.unwrap().unwrap();
    assert_eq!((step.advanced, step.created), (false, 0));
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let taken = fixture.take().await;
    for delivery in &taken {
        fixture.record(delivery, Decision::Delivered).await;
    }
    run(&fixture).await;
    let created = usize::try_from(stored(&fixture, &lane, "rpl_1").await.created).unwrap();
    assert!(!taken.is_empty() && created == 2_000 + taken.len(), "as much as there is room: {created}");
    fixture.assert_sound();
}

#[tokio::test]
async fn the_replays_of_an_account_add_so_many_per_second_together_and_leave_others_theirs() {
    let fixture = Fixture::with_replay_rate("150/s");
    for account in ["a", "b"] {
        let account = fixture.account(account).await;
        publish_many(&fixture, &account, 500).await;
    }
    let mut lanes = Vec::new();
    for (account, endpoint) in [("a", "e1"), ("a", "e2"), ("b", "e3")] {
        let lane = fixture.endpoint(account, endpoint, EventFilter::All).await;
        let new = replay(&format!("rpl_{endpoint}"), &lane, &[ReplayCase::Missed]);
        fixture.store.records.start_replay(new).await.unwrap();
        lanes.push(lane);
    }
    let created = async || {
        let mut created = Vec::new();
        for (lane, id) in lanes.iter().zip(["rpl_e1", "rpl_e2", "rpl_e3"]) {
            created.push(stored(&fixture, lane, id).await.created);
        }
        (created[0] + created[1], created[2])
    };
    let steps = async || {
        let mut after = None;
        for _ in 0..12 {
            let step = fixture.store.queue.advance_replay(after.as_ref()).await.unwrap();
            after = step.map(|step| step.replay);
        }
    };
    steps().await;
    assert_eq!(created().await, (150, 150), "a second's worth at once");
    fixture.clock.advance(Duration::from_millis(500));
    steps().await;
    assert_eq!(created().await, (225, 225));
    fixture.assert_sound();
}

#[tokio::test]
async fn the_backlog_of_the_account_bounds_it_too() {
    let fixture = Fixture::with_backlog_max(3);
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 5).await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Missed])).await.unwrap();
    run(&fixture).await;
    assert_eq!(live(&fixture, &lane).await.len(), 3);
    fixture.assert_sound();
}

#[tokio::test]
async fn running_replays_take_turns() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 600).await;
    let (one, two) = (fixture.endpoint("a", "e1", EventFilter::All).await, fixture.endpoint("a", "e2", EventFilter::All).await);
    fixture.store.records.start_replay(replay("rpl_1", &one, &[ReplayCase::Missed])).await.unwrap();
    fixture.store.records.start_replay(replay("rpl_2", &two, &[ReplayCase::Missed])).await.unwrap();
    let mut after = None;
    let mut turns = Vec::new();
    for _ in 0..3 {
        let step = fixture.store.queue.advance_replay(after.as_ref()).await.unwrap();
        turns.push(step.as_ref().map(|step| step.replay.to_string()));
        after = step.map(|step| step.replay);
    }
    assert_eq!(turns, [Some("rpl_1".to_owned()), Some("rpl_2".to_owned()), None]);
}

#[tokio::test]
async fn a_cancelled_one_keeps_what_it_made_and_makes_no_more() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 600).await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let started = fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Missed])).await.unwrap().replay;
    fixture.store.queue.advance_replay(None).await.unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    let cancelled = fixture.store.records.cancel_replay(&lane, &started.id).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.ended_at), (ReplayState::Cancelled, Some(fixture.now())));
    assert_eq!(fixture.store.queue.advance_replay(None).await.unwrap(), None);
    assert_eq!(live(&fixture, &lane).await.len(), 100);
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(fixture.store.records.cancel_replay(&lane, &started.id).await.unwrap(), Some(cancelled), "it stays as it ended");
    assert_eq!(fixture.store.records.cancel_replay(&lane, &ReplayId::try_new("rpl_x").unwrap()).await.unwrap(), None);
    let other = LaneKey { account_id: account_id("b"), ..lane.clone() };
    assert_eq!(fixture.store.records.find_replay(&other, &started.id).await.unwrap(), None, "the account is part of the name");
    fixture.assert_sound();
}

#[tokio::test]
async fn deleting_the_endpoint_or_the_account_ends_it() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 600).await;
    let one = fixture.endpoint("a", "e1", EventFilter::All).await;
    fixture.store.records.start_replay(replay("rpl_1", &one, &[ReplayCase::Missed])).await.unwrap();
    fixture.store.queue.advance_replay(None).await.unwrap();
    fixture.store.records.delete_endpoint(&one).await.unwrap();
    assert_eq!(stored(&fixture, &one, "rpl_1").await.state, ReplayState::Cancelled);
    assert_eq!(fixture.store.queue.advance_replay(None).await.unwrap(), None);
    fixture.assert_sound();
    let two = fixture.endpoint("a", "e2", EventFilter::All).await;
    fixture.store.records.start_replay(replay("rpl_2", &two, &[ReplayCase::Missed])).await.unwrap();
    fixture.store.queue.advance_replay(None).await.unwrap();
    fixture.delete_account(&account.id).await;
    assert_eq!(fixture.store.queue.advance_replay(None).await.unwrap(), None);
    assert_eq!(fixture.store.records.find_replay(&two, &ReplayId::try_new("rpl_2").unwrap()).await.unwrap(), None);
    fixture.assert_sound();
}

#[tokio::test]
async fn what_it_made_for_a_failed_endpoint_waits_for_resume() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    publish_many(&fixture, &account, 2).await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.store.records.update_endpoint(&lane, EndpointChanges { enabled: Some(false), ..Default::default() }).await.unwrap();
    fixture.store.records.start_replay(replay("rpl_1", &lane, &[ReplayCase::Missed])).await.unwrap();
    run(&fixture).await;
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    assert!(fixture.take().await.is_empty());
    fixture.store.records.update_endpoint(&lane, EndpointChanges { enabled: Some(true), ..Default::default() }).await.unwrap();
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    assert_eq!(fixture.take().await.len(), 2);
}

#[tokio::test]
async fn so_many_run_at_once_and_only_for_endpoints_that_exist() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let nobody = fixture.store.records.start_replay(replay("rpl_0", &lane("a", "nobody"), ReplayCase::ALL)).await.unwrap_err();
    assert!(matches!(nobody, StartReplayError::EndpointNotFound));
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    for id in ["rpl_1", "rpl_2"] {
        fixture.store.records.start_replay(replay(id, &lane, ReplayCase::ALL)).await.unwrap();
    }
    let third = fixture.store.records.start_replay(replay("rpl_3", &lane, ReplayCase::ALL)).await.unwrap_err();
    assert!(matches!(third, StartReplayError::TooMany { max: 2 }));
    run(&fixture).await;
    fixture.store.records.start_replay(replay("rpl_3", &lane, ReplayCase::ALL)).await.unwrap();
    fixture.store.records.close().await;
    let closed = fixture.store.records.start_replay(replay("rpl_4", &lane, ReplayCase::ALL)).await.unwrap_err();
    assert!(matches!(closed, StartReplayError::Store(StoreError::Closed)));
}
