//! Lists of deliveries by filter: each filter, all together, and bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use bellwire_domain::{
    AccountId, AttemptOutcome, Decision, DeliveryId, DeliveryState, EventFilter, EventType, HealthPolicy, OutcomeKind,
};
use bellwire_store::{Attempt, ClaimedDelivery, Delivery, DeliveryQuery, NewEvent, PageRequest, SubjectHash};

use crate::fixture::{Fixture, account_id, event, lane, outcome};

/// A delivery with all that a filter may ask.
struct Known {
    delivery: Delivery,
    last: Option<Attempt>,
    subject: SubjectHash,
}

impl Known {
    /// What a filter means, written down once more.
    fn fits(&self, query: &DeliveryQuery) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        let (delivery, last) = (&self.delivery, self.last.as_ref());
        let outcome = last.and_then(|last| OutcomeKind::parse(&last.outcome));
        is(query.account_id.as_ref(), &delivery.account_id)
            && is(query.endpoint_id.as_ref(), &delivery.endpoint_id)
            && is(query.event_id.as_ref(), &delivery.event_id)
            && is(query.state.as_ref(), &delivery.state)
            && is(query.event_type.as_ref(), &delivery.event_type)
            && query.outcome.is_none_or(|wanted| outcome == Some(wanted))
            && query.status.is_none_or(|wanted| last.and_then(|last| last.status) == Some(wanted))
            && query.attempts_min.is_none_or(|min| delivery.attempts >= min)
            && query.since.is_none_or(|since| delivery.created_at >= since)
            && query.until.is_none_or(|until| delivery.created_at < until)
            && is(query.subject.as_ref(), &self.subject)
    }
}

/// Every match of a query, page by page: newest first, each once.
async fn listed(fixture: &Fixture, query: &DeliveryQuery, limit: u32) -> (Vec<Delivery>, usize) {
    let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = fixture.store.records.list_deliveries(query.clone(), PageRequest { limit, after }).await.unwrap();
        pages += 1;
        assert!(page.items.len() <= usize::try_from(limit).unwrap() && pages < 100, "{query:?}");
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            assert!(all.is_sorted_by(|one, next| one.id > next.id), "newest first, each once: {query:?}");
            return (all, pages);
        }
    }
}

async fn hash(fixture: &Fixture, account: &AccountId, subject: &str) -> SubjectHash {
    fixture.store.records.hash_subject(account, subject).await.unwrap().unwrap()
}

fn about(id: &str, event_type: &str, subject: &str) -> NewEvent {
    NewEvent { subjects: vec![subject.to_owned()], ..event(id, event_type) }
}

async fn end(fixture: &Fixture, delivery: &ClaimedDelivery, came: AttemptOutcome, decision: Decision) {
    let ended = outcome(delivery, came, decision, HealthPolicy::default(), fixture.now());
    fixture.store.queue.record_outcomes([ended].into()).await.unwrap();
}

/// Deliveries of two accounts in every state, after attempts of several kinds.
async fn varied() -> (Fixture, Vec<Known>) {
    let mut fixture = Fixture::new();
    let mut subjects = BTreeMap::new();
    let answer = |status| AttemptOutcome::answered(status);
    let refused = || AttemptOutcome::Connect { detail: "refused".to_owned() };
    let failed = Decision::Failed { endpoint_gone: false };
    for account in ["a", "b"] {
        fixture.account(account).await;
        for endpoint in ["e1", "e2", "gone"] {
            fixture.endpoint(account, endpoint, EventFilter::All).await;
        }
    }
    for round in 0..6_usize {
        for account in ["a", "b"] {
            let account = fixture.store.records.find_account(&account_id(account)).await.unwrap().unwrap();
            let (id, subject) = (format!("ev{round}"), format!("patient-{}", round % 2));
            let event_type = ["order.created", "order.shipped", "refill"][round % 3];
            fixture.publish(&account, vec![about(&id, event_type, &subject)]).await.unwrap();
            let subject = hash(&fixture, &account.id, &subject).await;
            subjects.insert((account.id.clone(), id), subject);
            let held = fixture.take().await;
            for (index, delivery) in held.iter().enumerate() {
                match (round + index) % 6 {
                    0 => end(&fixture, delivery, answer(200), Decision::Delivered).await,
                    1 => end(&fixture, delivery, answer(503), failed.clone()).await,
                    2 => end(&fixture, delivery, refused(), failed.clone()).await,
                    3 => end(&fixture, delivery, answer(500), Decision::Retry { due_at: fixture.now() }).await,
                    4 => end(&fixture, delivery, refused(), Decision::Retry { due_at: fixture.now() }).await,
                    _ => {}
                }
            }
            fixture.clock.advance(Duration::from_secs(1));
        }
    }
    fixture.store.queue.claim_due(fixture.now(), 3).await.unwrap();
    for delivery in fixture.take().await.iter().filter(|delivery| delivery.attempts == 1) {
        end(&fixture, delivery, answer(204), Decision::Delivered).await; // the second attempt
    }
    for account in ["a", "b"] {
        fixture.store.records.delete_endpoint(&lane(account, "gone")).await.unwrap(); // some after an attempt
    }
    let (all, _) = listed(&fixture, &DeliveryQuery::default(), 1_000).await;
    let mut known = Vec::new();
    for delivery in all {
        let (_, attempts) = fixture.store.records.find_delivery(delivery.id).await.unwrap().unwrap();
        let subject = subjects[&(delivery.account_id.clone(), delivery.event_id.to_string())];
        known.push(Known { delivery, last: attempts.into_iter().next_back(), subject });
    }
    assert_eq!(known.len(), 36);
    for state in DeliveryState::ALL {
        assert!(known.iter().filter(|known| known.delivery.state == *state).count() > 1, "{state}");
    }
    let cancelled = |known: &&Known| known.delivery.state == DeliveryState::Cancelled && known.last.is_some();
    assert!(known.iter().any(|known| cancelled(&known)), "cancelled after an attempt");
    (fixture, known)
}

/// What may be asked, each by itself.
fn single(fixture: &Fixture, subject: SubjectHash) -> Vec<DeliveryQuery> {
    let (all, start) = (DeliveryQuery::default, fixture.now().minus(Duration::from_secs(12)));
    let account_id = Some(account_id("a"));
    let mut single = vec![
        DeliveryQuery { account_id: account_id.clone(), ..all() },
        DeliveryQuery { account_id, event_id: "ev1".parse().ok(), ..all() },
        DeliveryQuery { endpoint_id: "e1".parse().ok(), ..all() },
        DeliveryQuery { event_type: EventType::try_new("refill").ok(), ..all() },
        DeliveryQuery { status: Some(503), ..all() },
        DeliveryQuery { status: Some(500), ..all() },
        DeliveryQuery { attempts_min: Some(1), ..all() },
        DeliveryQuery { attempts_min: Some(2), ..all() },
        DeliveryQuery { since: Some(start.plus(Duration::from_secs(4))), ..all() },
        DeliveryQuery { until: Some(start.plus(Duration::from_secs(8))), ..all() },
        DeliveryQuery { subject: Some(subject), ..all() },
    ];
    single.extend(DeliveryState::ALL.iter().map(|state| DeliveryQuery { state: Some(*state), ..all() }));
    let outcomes = [OutcomeKind::Response, OutcomeKind::Connect, OutcomeKind::Tls];
    single.extend(outcomes.map(|outcome| DeliveryQuery { outcome: Some(outcome), ..all() }));
    single
}

fn both(one: &DeliveryQuery, other: &DeliveryQuery) -> DeliveryQuery {
    let (one, other) = (one.clone(), other.clone());
    DeliveryQuery {
        account_id: one.account_id.or(other.account_id),
        endpoint_id: one.endpoint_id.or(other.endpoint_id),
        event_id: one.event_id.or(other.event_id),
        state: one.state.or(other.state),
        event_type: one.event_type.or(other.event_type),
        outcome: one.outcome.or(other.outcome),
        status: one.status.or(other.status),
        attempts_min: one.attempts_min.or(other.attempts_min),
        since: one.since.or(other.since),
        until: one.until.or(other.until),
        subject: one.subject.or(other.subject),
    }
}

#[tokio::test]
async fn every_filter_and_every_three_of_them_find_what_they_mean_and_each_match_once() {
    let (fixture, known) = varied().await;
    let single = single(&fixture, hash(&fixture, &account_id("a"), "patient-1").await);
    let mut queries = single.clone();
    for (index, one) in single.iter().enumerate() {
        for (place, other) in single.iter().enumerate().skip(index + 1) {
            queries.push(both(one, other));
            queries.extend(single.iter().skip(place + 1).step_by(3).map(|third| both(&both(one, other), third)));
        }
    }
    let mut matched = 0;
    for query in queries {
        let expected: Vec<DeliveryId> = known.iter().filter(|known| known.fits(&query)).map(|known| known.delivery.id).collect();
        let found: Vec<DeliveryId> = listed(&fixture, &query, 4).await.0.iter().map(|delivery| delivery.id).collect();
        assert_eq!(found, expected, "{query:?}");
        matched += usize::from(!found.is_empty());
    }
    assert!(matched > 100, "{matched} of the questions have an answer");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (fixture, _) = varied().await;
    for query in [
        DeliveryQuery { account_id: Some(account_id("nobody")), ..DeliveryQuery::default() },
        DeliveryQuery { endpoint_id: "nothing".parse().ok(), ..DeliveryQuery::default() },
        DeliveryQuery { account_id: Some(account_id("a")), endpoint_id: "nothing".parse().ok(), ..DeliveryQuery::default() },
        DeliveryQuery { account_id: Some(account_id("a")), event_id: "nothing".parse().ok(), ..DeliveryQuery::default() },
        DeliveryQuery { subject: Some(hash(&fixture, &account_id("a"), "nobody").await), ..DeliveryQuery::default() },
    ] {
        assert_eq!(listed(&fixture, &query, 10).await.0, [], "{query:?}");
    }
}

/// A rare match lies behind more deliveries than a page looks at.
#[tokio::test]
async fn a_page_looks_at_so_many_deliveries_and_the_next_goes_on_from_there() {
    const MANY: usize = 4_500;
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![about("first", "rare", "patient-rare")]).await.unwrap();
    for batch in 0..MANY / 500 {
        fixture.clock.advance(Duration::from_secs(1));
        let events = (0..500).map(|number| about(&format!("e-{batch}-{number}"), "common", "patient-1")).collect();
        fixture.publish(&account, events).await.unwrap();
        loop {
            let held = fixture.take().await;
            let ended = held.iter().map(|delivery| {
                let answer = AttemptOutcome::answered(200);
                outcome(delivery, answer, Decision::Delivered, HealthPolicy::default(), fixture.now())
            });
            fixture.store.queue.record_outcomes(ended.collect::<Vec<_>>().into()).await.unwrap();
            if held.is_empty() && fixture.store.queue.claim_due(fixture.now(), 500).await.unwrap().claimed == 0 {
                break;
            }
        }
    }
    let rare = EventType::try_new("rare").ok();
    let common = hash(&fixture, &account.id, "patient-1").await;
    let rare_subject = hash(&fixture, &account.id, "patient-rare").await;
    let of_account = DeliveryQuery { account_id: Some(account_id("a")), ..DeliveryQuery::default() };
    for query in [
        DeliveryQuery { event_type: rare.clone(), ..DeliveryQuery::default() },
        DeliveryQuery { event_type: rare.clone(), ..of_account.clone() },
        DeliveryQuery { event_type: rare.clone(), endpoint_id: "e".parse().ok(), ..DeliveryQuery::default() },
        DeliveryQuery { event_type: rare, subject: Some(common), ..of_account.clone() },
    ] {
        let first = fixture.store.records.list_deliveries(query.clone(), PageRequest { limit: 10, after: None }).await.unwrap();
        assert!(first.items.is_empty() && first.next.is_some(), "{query:?}");
        let (found, pages) = listed(&fixture, &query, 10).await;
        assert_eq!(found.len(), usize::from(query.subject.is_none()), "{query:?}");
        assert_eq!(pages, 3, "4,501 rows, of which a page looks at 2,000: {query:?}");
    }
    // What an index finds is found at once.
    for query in [
        DeliveryQuery { event_id: "first".parse().ok(), ..of_account.clone() },
        DeliveryQuery { subject: Some(rare_subject), ..of_account.clone() },
        DeliveryQuery { until: Some(fixture.now().minus(Duration::from_secs(8))), ..of_account },
        DeliveryQuery { state: Some(DeliveryState::Failed), ..DeliveryQuery::default() },
    ] {
        let (_, pages) = listed(&fixture, &query, 10).await;
        assert_eq!(pages, 1, "{query:?}");
    }
}
