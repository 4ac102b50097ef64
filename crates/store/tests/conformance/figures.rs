//! Figures and incidents: written with the attempts that they are about, and with no others.

use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Decision, EndpointId, EventFilter, HealthPolicy, IncidentState, Span, Timestamp};
use bellwire_store::{AccountStanding, ClaimedDelivery, FiguresQuery, IncidentChange, IncidentQuery, Outcome, Recording};

use crate::fixture::{Fixture, account_id, event, history_of, outcome, page};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn failed() -> Decision {
    Decision::Failed { endpoint_gone: false }
}

/// Attempts, deliveries delivered and failed by the spans of the last ten days.
async fn counted(fixture: &Fixture, account: Option<&str>, endpoint: Option<&str>, by: Span) -> Vec<(Timestamp, [i64; 3])> {
    let query = FiguresQuery {
        account_id: account.map(account_id),
        endpoint_id: endpoint.map(|id| EndpointId::try_new(id).unwrap()),
        since: fixture.now().minus(if by == Span::Minute { 20 * HOUR } else { 10 * DAY }),
        until: fixture.now().plus(MINUTE),
        by,
    };
    let found = fixture.store.records.read_figures(query).await.unwrap();
    let tally = |figures: &bellwire_domain::Figures| [figures.tally.attempts, figures.tally.delivered, figures.tally.failed];
    found.iter().map(|(start, figures)| (*start, tally(figures))).collect()
}

async fn total(fixture: &Fixture, account: Option<&str>, endpoint: Option<&str>) -> [i64; 3] {
    let spans = counted(fixture, account, endpoint, Span::Day).await;
    spans.iter().fold([0; 3], |sum, (_, tally)| std::array::from_fn(|index| sum[index] + tally[index]))
}

async fn two_accounts() -> (Fixture, Vec<ClaimedDelivery>) {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.account("a").await, fixture.account("b").await);
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.endpoint("a", "f", EventFilter::All).await;
    fixture.endpoint("b", "e", EventFilter::All).await;
    fixture.publish(&first, vec![event("e1", "x"), event("e2", "x")]).await.unwrap();
    fixture.publish(&second, vec![event("e1", "x")]).await.unwrap();
    let claimed = fixture.take().await;
    assert_eq!(claimed.len(), 5);
    (fixture, claimed)
}

#[tokio::test]
async fn accounts_and_endpoints_of_a_page_stand_as_they_do() {
    let (fixture, claimed) = two_accounts().await;
    let (records, endpoint) = (&fixture.store.records, |id: &str| EndpointId::try_new(id).unwrap());
    let live = async || {
        let ids = ["e", "f", "g"].map(endpoint).to_vec();
        records.live_deliveries(&account_id("a"), ids).await.unwrap()
    };
    assert_eq!(live().await, [2, 2, 0], "in flight counts, and what is not there has none");
    for delivery in &claimed {
        let refused = delivery.endpoint_id.as_str() == "f";
        fixture.record(delivery, if refused { failed() } else { Decision::Delivered }).await;
    }
    assert_eq!(live().await, [0, 0, 0]);
    let ids = ["a", "b", "c"].map(account_id).to_vec();
    let standing = |endpoints, failing| AccountStanding { endpoints, disabled: 0, failing };
    assert_eq!(records.account_standings(ids).await.unwrap(), [standing(2, 1), standing(1, 0), standing(0, 0)]);
}

#[tokio::test]
async fn a_store_says_what_it_is() {
    let fixture = Fixture::new();
    let described = fixture.store.records.describe().await.unwrap();
    assert!(described.bytes > 100_000 && described.schema >= 22, "{described:?}");
    match described.kind {
        "sqlite" => assert_eq!(described.nodes, []),
        _ => assert_eq!(described.nodes.iter().filter(|node| node.is_this).count(), 1, "{described:?}"),
    }
}

#[tokio::test]
async fn each_attempt_is_counted_for_its_endpoint_its_account_and_all() {
    let (fixture, claimed) = two_accounts().await;
    for delivery in &claimed {
        let refused = delivery.endpoint_id.as_str() == "f";
        fixture.record(delivery, if refused { failed() } else { Decision::Delivered }).await;
    }
    assert_eq!(total(&fixture, None, None).await, [5, 3, 2]);
    assert_eq!(total(&fixture, Some("a"), None).await, [4, 2, 2]);
    assert_eq!(total(&fixture, Some("b"), None).await, [1, 1, 0]);
    assert_eq!(total(&fixture, Some("a"), Some("e")).await, [2, 2, 0]);
    assert_eq!(total(&fixture, Some("a"), Some("f")).await, [2, 0, 2]);
    assert_eq!(total(&fixture, Some("b"), Some("f")).await, [0; 3], "there is no such endpoint");
    assert_eq!(counted(&fixture, None, None, Span::Minute).await.len(), 1);
    fixture.assert_sound();
}

#[tokio::test]
async fn an_outcome_that_is_not_written_is_not_counted_and_a_late_one_is() {
    let (fixture, claimed) = two_accounts().await;
    let of = |endpoint: &'static str| {
        let is_of = move |held: &&ClaimedDelivery| held.account_id == account_id("a") && held.endpoint_id.as_str() == endpoint;
        claimed.iter().filter(is_of).collect::<Vec<_>>()
    };
    let (first, cancelled) = (of("e"), of("f"));
    fixture.record(first[0], Decision::Delivered).await;
    assert_eq!(fixture.record(first[0], Decision::Delivered).await, Recording::Lost, "it has ended");
    let lane = cancelled[0].lane();
    assert!(fixture.store.records.delete_endpoint(&lane).await.unwrap());
    assert_eq!(fixture.record(cancelled[0], Decision::Delivered).await, Recording::Stored(None));
    assert_eq!(fixture.record(cancelled[0], Decision::Delivered).await, Recording::Lost);
    assert_eq!(total(&fixture, None, None).await, [2, 2, 0]);
    assert_eq!(total(&fixture, Some("a"), Some("f")).await, [1, 1, 0], "the endpoint is gone, its figures stay");
    fixture.assert_sound();
}

#[tokio::test]
async fn the_same_delivery_twice_in_one_group_counts_once() {
    let (fixture, claimed) = two_accounts().await;
    let answered = AttemptOutcome::answered(200);
    let twice = || outcome(&claimed[0], answered.clone(), Decision::Delivered, HealthPolicy::default(), fixture.now());
    let recorded = fixture.store.queue.record_outcomes([twice(), twice()].into()).await.unwrap();
    assert_eq!(recorded, [Recording::Stored(None), Recording::Lost]);
    assert_eq!(total(&fixture, None, None).await, [1, 1, 0]);
    fixture.assert_sound();
}

#[tokio::test]
async fn folding_into_longer_spans_loses_no_count() {
    let (fixture, claimed) = two_accounts().await;
    let began = fixture.now();
    for delivery in &claimed {
        fixture.record(delivery, Decision::Delivered).await;
        fixture.clock.advance(25 * MINUTE);
    }
    let hours = counted(&fixture, Some("a"), None, Span::Hour).await;
    let [of_all, of_first, of_lane] = [(None, None), (Some("a"), None), (Some("a"), Some("e"))];
    let totals = async |fixture: &Fixture| {
        let [all, first] = [total(fixture, of_all.0, of_all.1).await, total(fixture, of_first.0, of_first.1).await];
        [all, first, total(fixture, of_lane.0, of_lane.1).await]
    };
    let before = totals(&fixture).await;
    assert_eq!(before[0], [5, 5, 0]);
    fixture.clock.advance(2 * HOUR);
    let mut steps = 0;
    while fixture.store.queue.fold_figures().await.unwrap() {
        assert_eq!(totals(&fixture).await, before, "after each step");
        fixture.assert_sound();
        steps += 1;
    }
    assert_eq!(steps, 5, "a step for each minute that had any");
    let minutes = counted(&fixture, Some("a"), None, Span::Minute).await;
    assert_eq!(minutes.len(), 4, "they can be looked at still");
    assert_eq!(counted(&fixture, Some("a"), None, Span::Hour).await, hours);
    fixture.clock.advance(9 * DAY);
    while fixture.store.queue.fold_figures().await.unwrap() {}
    assert_eq!(totals(&fixture).await, before);
    assert_eq!(counted(&fixture, None, None, Span::Hour).await, [], "and by days");
    assert_eq!(counted(&fixture, None, None, Span::Day).await[0].0, Span::Day.start(Span::Day.number(began)));
    fixture.assert_sound();
    fixture.clock.advance(400 * DAY);
    while fixture.store.queue.fold_figures().await.unwrap() {}
    assert_eq!(totals(&fixture).await, [[0; 3]; 3], "forgotten at last");
    fixture.assert_sound();
}

async fn incidents(fixture: &Fixture, query: IncidentQuery) -> Vec<(String, i64, IncidentState)> {
    let found = fixture.store.records.list_incidents(query, page(100)).await.unwrap();
    let tell =
        |found: &bellwire_store::Incident| (found.lane.endpoint_id.to_string(), found.course.failures.count, found.state());
    found.items.iter().map(tell).collect()
}

#[tokio::test]
async fn failures_open_an_incident_which_the_next_success_resolves() {
    let (fixture, claimed) = two_accounts().await;
    let of_f: Vec<_> = claimed.iter().filter(|held| held.endpoint_id.as_str() == "f").collect();
    let retry = Decision::Retry { due_at: fixture.now() };
    fixture.record(of_f[0], retry.clone()).await;
    fixture.record(of_f[1], failed()).await;
    let other = claimed.iter().find(|held| held.endpoint_id.as_str() == "e").unwrap();
    fixture.record(other, Decision::Delivered).await;
    assert_eq!(incidents(&fixture, IncidentQuery::default()).await, [("f".to_owned(), 2, IncidentState::Open)]);
    fixture.assert_sound();
    let found = fixture.store.records.list_incidents(IncidentQuery::default(), page(1)).await.unwrap().items.remove(0);
    assert_eq!((found.course.failures.cause.status, found.course.failures.delivery), (Some(500), of_f[1].id));
    let change = |change| fixture.store.records.change_incident(found.id.clone(), change, "officer".to_owned());
    let acknowledged = change(IncidentChange::Acknowledge).await.unwrap().unwrap();
    assert_eq!((acknowledged.state(), acknowledged.acknowledged_by.as_deref()), (IncidentState::Acknowledged, Some("officer")));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    let mut fixture = fixture;
    let again = fixture.take().await.remove(0);
    fixture.record(&again, Decision::Delivered).await;
    let resolved = fixture.store.records.find_incident(found.id.clone()).await.unwrap().unwrap();
    assert_eq!((resolved.state(), resolved.resolved_by), (IncidentState::Resolved, None), "by the success");
    let again = fixture.store.records.change_incident(found.id, IncidentChange::Resolve, "late".to_owned()).await.unwrap();
    assert_eq!(again.unwrap().resolved_by, None, "one that is resolved stays as it is");
    fixture.assert_sound();
}

#[tokio::test]
async fn incidents_are_listed_by_account_endpoint_and_state_and_end_with_their_endpoint() {
    let (fixture, claimed) = two_accounts().await;
    for delivery in &claimed {
        fixture.record(delivery, failed()).await;
    }
    let of = |account: &str, endpoint: Option<&str>| IncidentQuery {
        account_id: Some(account_id(account)),
        endpoint_id: endpoint.map(|id| EndpointId::try_new(id).unwrap()),
        state: None,
    };
    assert_eq!(incidents(&fixture, IncidentQuery::default()).await.len(), 3);
    assert_eq!(incidents(&fixture, of("a", None)).await.len(), 2);
    assert_eq!(incidents(&fixture, of("b", None)).await, [("e".to_owned(), 1, IncidentState::Open)]);
    assert_eq!(incidents(&fixture, of("a", Some("f"))).await.len(), 1);
    let lane = claimed.iter().find(|held| held.endpoint_id.as_str() == "f").unwrap().lane();
    assert!(fixture.store.records.delete_endpoint(&lane).await.unwrap());
    let state = |state| IncidentQuery { state: Some(state), ..IncidentQuery::default() };
    assert_eq!(incidents(&fixture, state(IncidentState::Resolved)).await.len(), 1);
    assert_eq!(incidents(&fixture, state(IncidentState::Open)).await.len(), 2);
    assert_eq!(incidents(&fixture, state(IncidentState::Acknowledged)).await, []);
    assert!(fixture.delete_account(&account_id("a")).await);
    assert_eq!(incidents(&fixture, IncidentQuery::default()).await.len(), 1, "those of an account go with it");
    fixture.assert_sound();
}

#[tokio::test]
async fn resolved_incidents_go_with_what_they_were_about_and_unresolved_ones_stay() {
    let (fixture, claimed) = two_accounts().await;
    for delivery in &claimed {
        fixture.record(delivery, failed()).await;
    }
    let all = fixture.store.records.list_incidents(IncidentQuery::default(), page(10)).await.unwrap().items;
    let resolved = all[0].id.clone();
    fixture.store.records.change_incident(resolved, IncidentChange::Resolve, "me".to_owned()).await.unwrap();
    fixture.clock.advance(30 * DAY);
    fixture.store.queue.retain(history_of(DAY)).await.unwrap();
    assert_eq!(incidents(&fixture, IncidentQuery::default()).await.len(), 2);
    fixture.assert_sound();
}

/// What the operator is still to be told: types, and whose.
async fn notices(fixture: &Fixture) -> Vec<(String, String)> {
    let found = fixture.store.records.oldest_notices(100).await.unwrap();
    let account = |data: &str| {
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        data["account"].as_str().unwrap().to_owned()
    };
    found.iter().map(|notice| (notice.event_type.clone(), account(&notice.data))).collect()
}

#[tokio::test]
async fn the_operator_is_told_the_answer_that_ends_a_delivery_and_its_body_stays_sealed() {
    let (fixture, claimed) = two_accounts().await;
    let answered = |delivery, decision, relays_answer| {
        let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        let answer = AttemptOutcome::Response { status: 201, retry_after: None, headers, body: b"thanks a lot".to_vec() };
        Outcome { relays_answer, ..outcome(delivery, answer, decision, HealthPolicy::default(), fixture.now()) }
    };
    let retry = Decision::Retry { due_at: fixture.now() };
    let no_answer = AttemptOutcome::Connect { detail: "refused".to_owned() };
    let no_answer = outcome(&claimed[3], no_answer, Decision::Delivered, HealthPolicy::default(), fixture.now());
    let all = [
        answered(&claimed[0], Decision::Delivered, true),
        answered(&claimed[1], retry, true),
        answered(&claimed[2], Decision::Delivered, false),
        Outcome { relays_answer: true, ..no_answer },
    ];
    fixture.store.queue.record_outcomes(all.into()).await.unwrap();
    assert_eq!(notices(&fixture).await, [("delivery.answered".to_owned(), claimed[0].account_id.to_string())]);
    let told = fixture.store.records.oldest_notices(100).await.unwrap().remove(0);
    assert!(!told.data.contains("thanks"), "{}", told.data);
    let data: serde_json::Value = serde_json::from_str(&told.data).unwrap();
    assert_eq!((&data["status"], &data["content_type"]), (&201.into(), &"text/plain".into()));
    assert_eq!((&data["state"], &data["body_withheld"]), (&"delivered".into(), &true.into()), "it has subjects");

    // One that is cancelled while its request is in flight, and arrives.
    assert!(fixture.store.records.delete_endpoint(&claimed[4].lane()).await.unwrap());
    fixture.store.queue.record_outcomes([answered(&claimed[4], Decision::Delivered, true)].into()).await.unwrap();
    let told = notices(&fixture).await;
    assert_eq!(told.iter().filter(|(event_type, _)| event_type == "delivery.answered").count(), 2, "{told:?}");
}

#[tokio::test]
async fn the_operator_is_told_of_failures_with_what_was_recorded_and_not_of_its_own_account() {
    let (mut fixture, claimed) = two_accounts().await;
    fixture.record(&claimed[0], failed()).await;
    fixture.record(&claimed[0], failed()).await; // lost
    assert_eq!(notices(&fixture).await, [("delivery.failed".to_owned(), "a".to_owned())]);
    let told = fixture.store.records.oldest_notices(100).await.unwrap();
    fixture.store.records.remove_notices(told.into_iter().map(|notice| notice.id).collect()).await.unwrap();

    let policy = HealthPolicy { unhealthy_after_failures: Some(1), ..HealthPolicy::default() };
    let refused = AttemptOutcome::Connect { detail: "refused".to_owned() };
    let retry = Decision::Retry { due_at: fixture.now() };
    let outcome = outcome(&claimed[4], refused, retry, policy, fixture.now());
    fixture.store.queue.record_outcomes([outcome].into()).await.unwrap();
    assert_eq!(notices(&fixture).await, [("endpoint.unhealthy".to_owned(), "b".to_owned())]);

    let operator = fixture.account("operator").await;
    fixture.endpoint("operator", "e", EventFilter::All).await;
    fixture.publish(&operator, vec![event("e1", "x")]).await.unwrap();
    let own = fixture.take().await.remove(0);
    fixture.record(&own, failed()).await;
    assert_eq!(notices(&fixture).await.len(), 1, "what fails at its own account is not told");
    fixture.assert_sound();
}

#[tokio::test]
async fn the_operator_is_told_once_in_an_hour_that_an_account_comes_near_its_limit() {
    let fixture = Fixture::with_backlog_max(10);
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let publish = async |from: usize, count: usize| {
        let events = (from..from + count).map(|number| event(&format!("e{number}"), "x")).collect();
        fixture.publish(&account, events).await.unwrap();
    };
    publish(0, 7).await;
    assert_eq!(notices(&fixture).await, []);
    publish(7, 1).await;
    publish(8, 2).await;
    assert_eq!(notices(&fixture).await, [("account.backlog".to_owned(), "a".to_owned())]);
    fixture.assert_sound();
}
