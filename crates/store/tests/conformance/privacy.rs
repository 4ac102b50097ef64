//! What receivers were told about somebody; erasing what is about somebody; and holds, which forbid it.

use std::time::Duration;

use bellwire_domain::{AttemptOutcome, DataRemoval, Decision, ErasureId, ErasureState, EventFilter, HealthPolicy, ReplayId};
use bellwire_domain::{ReplayCase, RetentionPeriods, Timestamp};
use bellwire_store::{
    DeliveryQuery, Disclosure, DisclosureQuery, ErasedSubject, Erasure, NewErasure, NewEvent, NewHold, NewReplay, PageRequest,
    PublishError, RetryResult, StartErasureError, StepState,
};

use crate::fixture::{Fixture, account_id, event, history_of, lane, outcome, page};

pub fn new_erasure(id: &str, account: &str, subject: &str) -> NewErasure {
    NewErasure {
        id: ErasureId::try_new(id).unwrap(),
        account_id: account_id(account),
        subject: ErasedSubject::Named(subject.to_owned()),
        reason: "asked for by the patient".to_owned(),
        asked_by: "key_1".to_owned(),
        running_max: 8,
    }
}

fn new_hold(account: &str, subject: &str) -> NewHold {
    let (account_id, reason) = (account_id(account), "Doe v. Clinic".to_owned());
    NewHold { account_id, subject: subject.to_owned(), reason, placed_by: "key_1".to_owned() }
}

/// An erasure that is done in an account of its own, and a hold in account `a`.
pub async fn erase_and_hold(fixture: &Fixture) {
    let account = fixture.account("erased").await;
    let about = NewEvent { subjects: vec!["patient-9".to_owned()], ..event("gone", "x") };
    fixture.publish(&account, vec![about]).await.unwrap();
    fixture.store.records.start_erasure(new_erasure("era_1", "erased", "patient-9")).await.unwrap();
    run(fixture).await;
    fixture.store.records.put_hold(new_hold("a", "patient-5")).await.unwrap().unwrap();
}

/// Takes every step there is.
pub async fn run(fixture: &Fixture) {
    for _ in 0..1_000 {
        if fixture.store.queue.advance_erasure(None).await.unwrap().is_none() {
            return;
        }
    }
    panic!("it does not end");
}

async fn erase(fixture: &Fixture, id: &str, account: &str, subject: &str) -> Erasure {
    let started = fixture.store.records.start_erasure(new_erasure(id, account, subject)).await.unwrap();
    assert_eq!(started.state, ErasureState::Running);
    run(fixture).await;
    fixture.store.records.find_erasure(&account_id(account), &started.id).await.unwrap().unwrap()
}

pub fn about(id: &str, subject: &str) -> NewEvent {
    NewEvent { subjects: vec![subject.to_owned()], ..event(id, "x") }
}

pub async fn disclosures(fixture: &Fixture, account: &str, subject: &str, limit: u32) -> Vec<Disclosure> {
    let query = DisclosureQuery { account_id: account_id(account), subject: subject.to_owned(), since: None, until: None };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let found = fixture.store.records.list_disclosures(query.clone(), PageRequest { limit, after }).await.unwrap();
        all.extend(found.items);
        after = found.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn what_receivers_were_told_is_kept_for_every_attempt_and_every_subject() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let both = NewEvent { subjects: vec!["one".into(), "two".into(), "one".into()], ..event("e1", "x") };
    let nobody = NewEvent { subjects: Vec::new(), ..event("e2", "x") };
    fixture.publish(&account, vec![both, nobody]).await.unwrap();
    for delivery in fixture.take().await {
        assert_eq!(delivery.event.has_subjects, delivery.event.id.as_str() == "e1");
        fixture.record(&delivery, Decision::Retry { due_at: fixture.now() }).await;
    }
    fixture.clock.advance(Duration::from_secs(1));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    for delivery in fixture.take().await {
        assert_eq!(delivery.event.has_subjects, delivery.event.id.as_str() == "e1", "also where it is read from the store");
        fixture.record(&delivery, Decision::Delivered).await;
    }
    for subject in ["one", "two"] {
        let found = disclosures(&fixture, "a", subject, 1).await;
        let told: Vec<_> = found.iter().map(|told| (told.event.as_str(), told.attempt, told.status)).collect();
        assert_eq!(told, [("e1", 2, Some(200)), ("e1", 1, Some(500))], "{subject}");
        assert!(found.iter().all(|told| told.url == "https://e.example/hook?token=hunter2" && told.digest == [7; 32]));
    }
    assert_eq!(disclosures(&fixture, "a", "three", 10).await, []);
    fixture.account("b").await;
    assert_eq!(disclosures(&fixture, "b", "one", 10).await, [], "another account's subjects are others");
    let at = |since: Option<Timestamp>, until: Option<Timestamp>| DisclosureQuery {
        account_id: account_id("a"),
        subject: "one".into(),
        since,
        until,
    };
    let second = disclosures(&fixture, "a", "one", 10).await[0].at;
    let found = fixture.store.records.list_disclosures(at(Some(second), None), page(10)).await.unwrap().items;
    assert_eq!(found.iter().map(|told| told.attempt).collect::<Vec<_>>(), [2]);
    let found = fixture.store.records.list_disclosures(at(None, Some(second)), page(10)).await.unwrap().items;
    assert_eq!(found.iter().map(|told| told.attempt).collect::<Vec<_>>(), [1]);
    fixture.assert_sound();
}

#[tokio::test]
async fn what_was_lost_to_another_process_was_told_nevertheless() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let gone = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![about("e1", "one")]).await.unwrap();
    let held = fixture.take().await;
    fixture.store.records.delete_endpoint(&gone).await.unwrap();
    fixture.record(&held[0], Decision::Delivered).await;
    assert_eq!(disclosures(&fixture, "a", "one", 10).await.len(), 1);
}

/// Everything about a subject, of an account with deliveries in every state.
async fn furnished() -> Fixture {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    for number in 0..6 {
        let subject = if number % 2 == 0 { "gone" } else { "kept" };
        fixture.publish(&account, vec![about(&format!("e{number}"), subject)]).await.unwrap();
    }
    let due_at = fixture.now().plus(Duration::from_secs(3_600));
    for (index, delivery) in fixture.take().await.iter().enumerate() {
        match index {
            0 | 1 => drop(fixture.record(delivery, Decision::Delivered).await),
            2 | 3 => drop(fixture.record(delivery, Decision::Retry { due_at }).await),
            _ => {} // held
        }
    }
    fixture
}

#[tokio::test]
async fn an_erasure_removes_what_is_about_its_subject_and_nothing_else() {
    let fixture = furnished().await;
    let done = erase(&fixture, "era_1", "a", "gone").await;
    assert_eq!(done.state, ErasureState::Done);
    let erased = done.erased;
    assert_eq!((erased.payloads, erased.answers, erased.documents, erased.deliveries), (3, 2, 0, 2));
    for number in 0..6 {
        let id = format!("e{number}").parse().unwrap();
        let found = fixture.store.records.find_event(&account_id("a"), &id).await.unwrap().unwrap();
        let is_gone = number % 2 == 0;
        assert_eq!(found.removed, is_gone.then_some(DataRemoval::Erased));
        assert_eq!(&found.data[..] == b"null", is_gone);
    }
    let states: Vec<_> = fixture.states("a").await.into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states, ["delivered", "delivered", "cancelled", "pending", "cancelled", "pending"]);
    assert_eq!(disclosures(&fixture, "a", "gone", 10).await.len(), 2, "that it was told stays known");
    fixture.assert_sound();
}

#[tokio::test]
async fn nothing_that_was_erased_can_be_sent_again() {
    let mut fixture = furnished().await;
    erase(&fixture, "era_1", "a", "gone").await;
    let query = DeliveryQuery { account_id: Some(account_id("a")), event_id: "e0".parse().ok(), ..Default::default() };
    let delivered = fixture.store.records.list_deliveries(query, page(10)).await.unwrap().items.remove(0);
    assert_eq!(fixture.store.records.retry_delivery(delivered.id).await.unwrap(), RetryResult::DataRemoved);
    let account = fixture.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    let again = NewEvent { redeliver: true, ..about("e0", "gone") };
    let refused = fixture.publish(&account, vec![again]).await;
    assert!(matches!(refused, Err(PublishError::DataRemoved { index: 0 })), "{refused:?}");
    let same = fixture.publish(&account, vec![about("e0", "gone")]).await.unwrap();
    assert!(!same[0].created, "it is there already, and is not published a second time");
    let new = NewReplay {
        id: ReplayId::try_new("rpl_1").unwrap(),
        lane: lane("a", "e"),
        since: Timestamp::from_secs(0),
        until: None,
        cases: ReplayCase::ALL.iter().copied().collect(),
        running_max: 8,
        account_running_max: 8,
    };
    fixture.store.records.start_replay(new).await.unwrap();
    let step = fixture.store.queue.advance_replay(None).await.unwrap().unwrap();
    assert_eq!(step.created, 1, "of what ended, only the delivery about somebody else");
    fixture.assert_sound();
    for delivery in fixture.take().await {
        assert!(delivery.event.data.is_some());
    }
}

#[tokio::test]
async fn what_is_held_in_memory_is_forgotten_and_a_late_answer_is_not_kept() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![about("e0", "gone"), about("e1", "kept"), about("e2", "gone")]).await.unwrap();
    let held = fixture.take().await;
    for delivery in &held {
        assert!(!fixture.store.queue.forget_erased(delivery).await.unwrap());
    }
    erase(&fixture, "era_1", "a", "gone").await;
    assert!(fixture.store.queue.forget_erased(&held[0]).await.unwrap(), "it is not sent any more");
    assert!(!fixture.store.queue.forget_erased(&held[1]).await.unwrap());
    fixture.record(&held[2], Decision::Delivered).await; // its request was in flight
    let (delivery, attempts) = fixture.store.records.find_delivery(held[2].id).await.unwrap().unwrap();
    assert_eq!((delivery.state.as_str(), attempts[0].response.clone()), ("delivered", None));
    assert_eq!(disclosures(&fixture, "a", "gone", 10).await.len(), 1);
    fixture.assert_sound();
}

#[tokio::test]
async fn an_erasure_goes_on_after_a_crash_and_takes_bounded_steps() {
    const MANY: usize = 180;
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, (0..MANY).map(|number| about(&format!("e{number}"), "gone")).collect()).await.unwrap();
    for delivery in fixture.take().await.iter().take(60) {
        fixture.record(delivery, Decision::Delivered).await;
    }
    fixture.store.records.start_erasure(new_erasure("era_1", "a", "gone")).await.unwrap();
    for _ in 0..2 {
        let step = fixture.store.queue.advance_erasure(None).await.unwrap().unwrap();
        assert_eq!(step.state, StepState::Removed);
    }
    fixture = fixture.killed();
    let found = fixture.store.records.find_erasure(&account_id("a"), &"era_1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((found.state, found.erased.payloads), (ErasureState::Running, 100));
    run(&fixture).await;
    let found = fixture.store.records.find_erasure(&account_id("a"), &found.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.erased.payloads, found.erased.deliveries), (ErasureState::Done, 180, 120));
    fixture.assert_sound();
}

#[tokio::test]
async fn a_hold_refuses_erasures_until_it_is_lifted() {
    let fixture = furnished().await;
    let (records, id) = (&fixture.store.records, account_id("a"));
    let hold = records.put_hold(new_hold("a", "gone")).await.unwrap().unwrap();
    assert_eq!((hold.subject.as_str(), hold.reason.as_str()), ("gone", "Doe v. Clinic"));
    let again = NewHold { reason: "another".to_owned(), ..new_hold("a", "gone") };
    assert_eq!(records.put_hold(again).await.unwrap().unwrap().reason, "another");
    let refused = records.start_erasure(new_erasure("era_1", "a", "gone")).await;
    assert!(matches!(refused, Err(StartErasureError::Held)), "{refused:?}");
    records.put_hold(new_hold("a", "kept")).await.unwrap();
    let (mut subjects, mut after) = (Vec::new(), None);
    for _ in 0..2 {
        let found = records.list_holds(&id, PageRequest { limit: 1, after }).await.unwrap();
        subjects.extend(found.items.into_iter().map(|hold| hold.subject));
        after = found.next;
    }
    subjects.sort_unstable();
    assert_eq!((subjects, after), (vec!["gone".to_owned(), "kept".to_owned()], None));
    assert!(records.delete_hold(&id, "gone").await.unwrap());
    assert!(!records.delete_hold(&id, "gone").await.unwrap());
    assert_eq!(records.find_hold(&id, "gone").await.unwrap(), None);
    erase(&fixture, "era_1", "a", "gone").await;
    fixture.assert_sound();
}

#[tokio::test]
async fn retention_passes_over_what_a_hold_keeps_and_removes_it_once_it_is_lifted() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    for (id, subject) in [("e0", "other"), ("e1", "held"), ("e2", "other")] {
        fixture.publish(&account, vec![about(id, subject)]).await.unwrap();
        for delivery in fixture.take().await {
            fixture.record(&delivery, Decision::Delivered).await;
        }
        fixture.clock.advance(Duration::from_secs(14 * 24 * 3_600));
    }
    let records = fixture.store.records.clone();
    records.put_hold(new_hold("a", "held")).await.unwrap();
    fixture.store.queue.retain(history_of(Duration::ZERO)).await.unwrap();
    let ids = async || {
        let events = records.list_events(&account_id("a"), bellwire_store::EventQuery::default(), page(10)).await.unwrap();
        events.items.into_iter().map(|event| event.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids().await, ["e1", "e2"], "a log has no holes");
    assert_eq!(fixture.states("a").await.len(), 2, "the history of what is held, and what came later");
    fixture.assert_sound();
    records.delete_hold(&account_id("a"), "held").await.unwrap();
    fixture.store.queue.retain(history_of(Duration::ZERO)).await.unwrap();
    assert_eq!(ids().await, Vec::<String>::new());
    assert_eq!(disclosures(&fixture, "a", "held", 10).await.len(), 1, "disclosures outlive it");
    fixture.assert_sound();
}

#[tokio::test]
async fn contents_go_by_their_age_while_their_rows_stay_and_what_is_live_or_held_keeps_its_own() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let events = [("e0", "other"), ("e1", "held"), ("e2", "other"), ("live", "other"), ("later", "other"), ("young", "other")];
    for (id, subject) in events {
        if id == "young" {
            fixture.clock.advance(Duration::from_secs(10 * 24 * 3_600));
        }
        fixture.publish(&account, vec![about(id, subject)]).await.unwrap();
        for delivery in fixture.take().await.iter().filter(|_| id != "live") {
            fixture.record(delivery, Decision::Delivered).await;
        }
    }
    let (records, queue) = (fixture.store.records.clone(), fixture.store.queue.clone());
    records.put_hold(new_hold("a", "held")).await.unwrap();
    let week = Some(Duration::from_secs(7 * 24 * 3_600));
    let expiry = RetentionPeriods { history: None, payloads: week, answers: week, disclosures: week };
    let expired = queue.expire(expiry).await.unwrap();
    assert_eq!((expired.payloads, expired.answers, expired.disclosures), (2, 3, 3), "e0 and e2; the live one stops it");
    let gone = async || {
        let events = records.list_events(&account_id("a"), bellwire_store::EventQuery::default(), page(10)).await.unwrap();
        let gone = events.items.into_iter().filter(|event| event.removed == Some(DataRemoval::Expired));
        gone.map(|event| event.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(gone().await, ["e0", "e2"]);
    assert_eq!(disclosures(&fixture, "a", "held", 10).await.len(), 1);
    assert_eq!(disclosures(&fixture, "a", "other", 10).await.len(), 1, "of the young one");
    assert_eq!(queue.expire(expiry).await.unwrap(), bellwire_store::Expired::default(), "once is enough");
    fixture.assert_sound();
    records.delete_hold(&account_id("a"), "held").await.unwrap();
    let expired = queue.expire(expiry).await.unwrap();
    assert_eq!((expired.payloads, expired.answers, expired.disclosures), (1, 1, 1), "what was passed over");
    assert_eq!(gone().await, ["e0", "e1", "e2"]);
    fixture.assert_sound();
}

#[tokio::test]
async fn an_account_has_so_many_erasures_at_once_and_they_are_listed_the_latest_first() {
    let fixture = furnished().await;
    let (records, id) = (&fixture.store.records, account_id("a"));
    for erasure in ["era_1", "era_2"] {
        let new = NewErasure { running_max: 2, ..new_erasure(erasure, "a", erasure) };
        records.start_erasure(new).await.unwrap();
    }
    let third = records.start_erasure(NewErasure { running_max: 2, ..new_erasure("era_3", "a", "x") }).await;
    assert!(matches!(third, Err(StartErasureError::TooMany { max: 2 })), "{third:?}");
    let nobody = records.start_erasure(new_erasure("era_4", "nobody", "x")).await;
    assert!(matches!(nobody, Err(StartErasureError::AccountNotFound)), "{nobody:?}");
    let first = records.list_erasures(&id, PageRequest { limit: 1, after: None }).await.unwrap();
    assert_eq!(first.items[0].id.as_str(), "era_2");
    let second = records.list_erasures(&id, PageRequest { limit: 1, after: first.next }).await.unwrap();
    assert_eq!((second.items[0].id.as_str(), second.next), ("era_1", None));
    run(&fixture).await;
    assert!(records.list_erasures(&id, page(10)).await.unwrap().items.iter().all(|found| found.state == ErasureState::Done));
    fixture.delete_account(&id).await;
    assert_eq!(records.list_erasures(&id, page(10)).await.unwrap().items, []);
    fixture.assert_sound();
}

#[tokio::test]
async fn subjects_of_an_earlier_version_are_hashed_when_the_store_is_opened() {
    let fixture = furnished().await;
    fixture.store.records.close().await;
    let Fixture { store, clock, place, limits } = fixture;
    drop(store);
    let earlier = "DELETE FROM subjects; UPDATE queue SET about = NULL; \
         INSERT INTO event_subjects SELECT 'a', 'gone', place & 1099511627775 FROM events WHERE id IN ('e0', 'e2', 'e4')";
    let place = crate::backend::damaged_copy(&place.location(), earlier);
    let store = crate::fixture::Store::open(crate::fixture::options(&place, &clock, limits, 9)).unwrap();
    let fixture = Fixture { store, clock, place, limits };
    fixture.assert_sound();
    let done = erase(&fixture, "era_1", "a", "gone").await;
    assert_eq!((done.erased.payloads, done.erased.deliveries), (3, 2));
}

#[tokio::test]
async fn what_may_not_have_gone_out_is_no_disclosure() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![about("e1", "one")]).await.unwrap();
    let held = fixture.take().await;
    let failed = Decision::Failed { endpoint_gone: false };
    let refused = AttemptOutcome::Connect { detail: "refused".to_owned() };
    let mut ended = outcome(&held[0], refused, failed, HealthPolicy::default(), fixture.now());
    ended.told = None; // as the engine says of such an outcome
    fixture.store.queue.record_outcomes([ended].into()).await.unwrap();
    assert_eq!(disclosures(&fixture, "a", "one", 10).await, []);
}
