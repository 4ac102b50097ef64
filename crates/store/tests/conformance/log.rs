//! The log as a consumer reads it that was away: what has arrived, what has not, and how far one page looks.

use bellwire_domain::ReplayCase;
use bellwire_domain::{Decision, EndpointId, EventFilter, EventType, ReplayId, Timestamp};
use bellwire_store::{Account, Arrival, EventQuery, LaneKey, NewReplay};

use crate::fixture::{Fixture, event, page};

const FAILED: Decision = Decision::Failed { endpoint_gone: false };

fn arrival(delivered: bool, endpoint: Option<(&LaneKey, EventFilter)>) -> EventQuery {
    let (endpoint_id, wanted): (Option<EndpointId>, _) =
        endpoint.map_or((None, EventFilter::All), |(lane, wanted)| (Some(lane.endpoint_id.clone()), wanted));
    EventQuery { arrival: Some(Arrival { delivered, endpoint_id, wanted }), ..EventQuery::default() }
}

/// The ids on all pages of so many items.
async fn found(fixture: &Fixture, account: &Account, mut query: EventQuery, limit: u32) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let read = fixture.store.records.list_events(&account.id, query.clone(), page(limit)).await.unwrap();
        ids.extend(read.items.iter().map(|event| event.id.to_string()));
        let Some(next) = read.next else { return ids };
        let next = next.parse().unwrap();
        assert!(next > query.after_seq, "every page leads on");
        query.after_seq = next;
    }
}

/// Ends every delivery that is handed out: those of `arrives` at the endpoint named there arrive, the others fail.
async fn end(fixture: &mut Fixture, arrives: &[(&str, &str)]) {
    for delivery in fixture.take().await {
        let place = (delivery.event.id.as_str(), delivery.endpoint_id.as_str());
        let decision = if arrives.contains(&place) { Decision::Delivered } else { FAILED };
        fixture.record(&delivery, decision).await;
    }
}

/// Two endpoints, one of which wants the type `x` only. Of `both`, `one` and `none` the names say where they arrived.
async fn log(fixture: &mut Fixture) -> (Account, LaneKey, LaneKey, EventFilter) {
    let account = fixture.account("a").await;
    fixture.publish(&account, vec![event("before", "x")]).await.unwrap();
    let only_x = EventFilter::Only([EventType::try_new("x").unwrap()].into());
    let (all, some) = (fixture.endpoint("a", "all", EventFilter::All).await, fixture.endpoint("a", "some", only_x.clone()).await);
    let mut test = event("test", "x");
    test.is_test = true;
    let events = vec![event("both", "x"), event("one", "x"), event("none", "x"), event("other", "xx"), test];
    fixture.publish(&account, events).await.unwrap();
    end(fixture, &[("both", "all"), ("both", "some"), ("one", "all"), ("other", "all")]).await;
    fixture.publish(&account, vec![event("under-way", "x")]).await.unwrap();
    (account, all, some, only_x)
}

#[tokio::test]
async fn what_has_not_arrived_is_told_from_what_has() {
    let mut fixture = Fixture::new();
    let (account, all, some, only_x) = log(&mut fixture).await;
    for limit in [1, 2, 100] {
        for (query, expected) in [
            (arrival(false, None), &["before", "none", "under-way"][..]),
            (arrival(true, None), &["both", "one", "other"]),
            (arrival(false, Some((&all, EventFilter::All))), &["before", "none", "under-way"]),
            (arrival(false, Some((&some, only_x.clone()))), &["before", "one", "none", "under-way"]),
            (arrival(true, Some((&some, EventFilter::All))), &["both"]),
        ] {
            assert_eq!(found(&fixture, &account, query.clone(), limit).await, expected, "{query:?}, {limit} at once");
        }
    }
    let typed = EventQuery { event_type: EventType::try_new("xx").ok(), ..arrival(false, None) };
    assert!(found(&fixture, &account, typed, 10).await.is_empty(), "filters go together");
    let stranger = fixture.account("b").await;
    assert!(found(&fixture, &stranger, arrival(false, None), 10).await.is_empty());
}

#[tokio::test]
async fn a_replay_of_what_did_not_arrive_leaves_nothing_missed() {
    let mut fixture = Fixture::new();
    let (account, _, some, only_x) = log(&mut fixture).await;
    end(&mut fixture, &[("under-way", "some")]).await;
    let missed = arrival(false, Some((&some, only_x)));
    let before = found(&fixture, &account, missed.clone(), 10).await;
    assert_eq!(before, ["before", "one", "none"]);
    let replay = NewReplay {
        id: ReplayId::try_new("rpl_1").unwrap(),
        lane: some.clone(),
        since: Timestamp::from_secs(0),
        until: None,
        cases: [ReplayCase::Failed, ReplayCase::Cancelled, ReplayCase::Missed].into(),
        running_max: 1,
        account_running_max: 8,
    };
    fixture.store.records.start_replay(replay).await.unwrap();
    while fixture.store.queue.advance_replay(None).await.unwrap().is_some_and(|step| step.advanced) {}
    fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap();
    let mut again = Vec::new();
    for delivery in fixture.take().await {
        assert_eq!(delivery.endpoint_id, some.endpoint_id, "nobody else hears of it");
        again.push(delivery.event.id.to_string());
        fixture.record(&delivery, Decision::Delivered).await;
    }
    // The test event failed and is sent again too; it is nobody's to miss.
    again.retain(|id| id != "test");
    assert_eq!(again, before, "exactly what was missed");
    assert!(found(&fixture, &account, missed, 10).await.is_empty());
    fixture.assert_sound();
}

#[tokio::test]
async fn a_page_looks_so_far_and_says_where_to_go_on() {
    const EVENTS: usize = 5_001;
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let all: Vec<_> =
        (1..=EVENTS).map(|number| event(&format!("e{number}"), if number == EVENTS { "rare" } else { "x" })).collect();
    for some in all.chunks(1_000) {
        fixture.publish(&account, some.to_vec()).await.unwrap();
    }
    let rare = EventQuery { event_type: EventType::try_new("rare").ok(), ..EventQuery::default() };
    let first = fixture.store.records.list_events(&account.id, rare.clone(), page(10)).await.unwrap();
    assert_eq!((first.items.len(), first.next.as_deref()), (0, Some("5000")), "not to the end in one go");
    let second = fixture.store.records.list_events(&account.id, EventQuery { after_seq: 5_000, ..rare }, page(10)).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    let missed = EventQuery { after_seq: 1, ..arrival(false, None) };
    let full = fixture.store.records.list_events(&account.id, missed.clone(), page(10)).await.unwrap();
    assert_eq!((full.items.len(), full.next.as_deref()), (10, Some("11")), "a full page goes on after its last");
    let rest = fixture.store.records.list_events(&account.id, missed, page(5_000)).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (5_000, None), "what is looked at ends with the log");
    let everything = fixture.store.records.list_events(&account.id, EventQuery::default(), page(6_000)).await.unwrap();
    assert_eq!((everything.items.len(), everything.next), (EVENTS, None), "without a filter there is nothing to look for");
}
