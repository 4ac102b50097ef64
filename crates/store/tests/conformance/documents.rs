//! Resources: a document, its events and their deliveries are stored together or not at all.

use std::sync::Arc;

use bellwire_domain::{EventFilter, ResourceId, RetentionPeriods};
use bellwire_store::{
    Account, EventQuery, Precondition, PublishError, PutAccount, PutResource, PutResourceAnswer, PutResourceError, Resource,
    ResourceDecision, ResourceUpdate,
};
use bytes::Bytes;

use crate::fixture::{Fixture, account_id, event, page};

pub type Answer = Result<PutResourceAnswer, PutResourceError<&'static str>>;

pub fn wanted(id: &str, document: &str) -> PutResource {
    PutResource {
        kind: "order".into(),
        id: ResourceId::try_new(id).unwrap(),
        document: Bytes::copy_from_slice(document.as_bytes()),
        precondition: Precondition::Any,
    }
}

/// A change to `state` that causes these events.
pub fn update(state: &str, events: &[(&str, bool)]) -> ResourceDecision {
    let events = events.iter().map(|(id, id_chosen)| {
        let mut event = event(id, "x");
        event.id_chosen = *id_chosen;
        event
    });
    ResourceDecision::Changed(ResourceUpdate {
        state: state.into(),
        states_ever: vec![state.into()],
        events: events.collect(),
        subjects: Vec::new(),
    })
}

pub async fn put(fixture: &Fixture, account: &Account, wanted: PutResource, decision: ResourceDecision) -> Answer {
    fixture.store.records.put_resource(Arc::new(account.clone()), wanted, |_| Ok(decision)).await
}

pub async fn found(fixture: &Fixture, id: &str) -> Option<Resource> {
    fixture.store.records.find_resource(&account_id("a"), "order", &ResourceId::try_new(id).unwrap()).await.unwrap()
}

pub async fn events(fixture: &Fixture) -> Vec<(i64, String)> {
    let log = fixture.store.records.list_events(&account_id("a"), EventQuery::default(), page(200)).await.unwrap();
    log.items.iter().map(|event| (event.seq, event.id.to_string())).collect()
}

#[tokio::test]
async fn a_document_and_its_events_are_stored_and_handed_over() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let document = "{ \"n\" : 1.10 }";
    let answer = put(&fixture, &account, wanted("o", document), update("open", &[("e1", false), ("e2", false)])).await.unwrap();
    assert_eq!((answer.state.as_str(), answer.version, answer.created), ("open", 1, true));
    let receipts: Vec<_> = answer.events.iter().map(|(receipt, kind)| (receipt.seq, receipt.deliveries, kind.as_str())).collect();
    assert_eq!(receipts, [(1, 1, "x"), (2, 1, "x")]);
    let held = fixture.take().await;
    assert_eq!(held.iter().map(|delivery| (delivery.number, delivery.event.seq)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);

    let fixture = fixture.reopen().await;
    let resource = found(&fixture, "o").await.unwrap();
    assert_eq!((&resource.document[..], resource.head.state.as_str()), (document.as_bytes(), "open"));
    let listed = fixture.store.records.list_resources(&account_id("a"), "order", page(10)).await.unwrap();
    assert_eq!(listed.items, [resource.head]);
    let others = fixture.store.records.list_resources(&account_id("a"), "refill", page(10)).await.unwrap();
    assert!(others.items.is_empty());
    assert!(fixture.delete_account(&account_id("a")).await);
    assert!(found(&fixture, "o").await.is_none());
    fixture.assert_sound();
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let mut fixture = Fixture::with_backlog_max(3);
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let first = update("open", &[("e1", true)]);
    put(&fixture, &account, wanted("o", "1"), first).await.unwrap();
    let held = fixture.take().await.len();

    let refused: Answer = fixture.store.records.put_resource(Arc::new(account.clone()), wanted("o", "2"), |_| Err("no")).await;
    assert!(matches!(refused, Err(PutResourceError::Refused("no"))));
    let mut taken = event("e1", "another.type");
    taken.fingerprint = [2; 32];
    let conflict =
        ResourceUpdate { state: "s".into(), states_ever: vec![], events: vec![event("e9", "x"), taken], subjects: vec![] };
    let conflict = put(&fixture, &account, wanted("o", "2"), ResourceDecision::Changed(conflict)).await;
    assert!(matches!(conflict, Err(PutResourceError::Publish(PublishError::Conflict { index: 1 }))), "{conflict:?}");
    let many = update("s", &[("m1", false), ("m2", false), ("m3", false)]);
    let many = put(&fixture, &account, wanted("o", "2"), many).await;
    assert!(matches!(many, Err(PutResourceError::Publish(PublishError::BacklogFull { pending: 1 }))), "{many:?}");
    let mut changed = PutAccount {
        id: account.id.clone(),
        contract: account.contract.clone(),
        contract_version: None,
        name: Some("new".into()),
        secret: None,
        sandbox: false,
        entitlements: [].into(),
        retention: RetentionPeriods::default(),
    };
    fixture.store.records.put_account(changed.clone()).await.unwrap();
    let stale = put(&fixture, &account, wanted("o", "2"), update("s", &[("s1", false)])).await;
    assert!(matches!(stale, Err(PutResourceError::Publish(PublishError::AccountChanged))), "{stale:?}");
    changed.id = account_id("other");
    fixture.store.records.put_account(changed).await.unwrap();

    assert_eq!(found(&fixture, "o").await.unwrap().document, "1");
    assert_eq!(events(&fixture).await, [(1, "e1".to_owned())]);
    assert_eq!((fixture.take().await.len(), fixture.store.queue.held()), (0, held), "nothing was handed over, no room is taken");
    fixture.assert_sound();
}

#[tokio::test]
async fn changes_of_one_resource_come_one_after_another() {
    const PUTS: usize = 20;
    let mut fixture = Fixture::new();
    let account = Arc::new(fixture.account("a").await);
    fixture.endpoint("a", "e", EventFilter::All).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..PUTS {
        let (store, account) = (fixture.store.clone(), Arc::clone(&account));
        tasks.spawn(async move {
            let wanted = wanted("o", &format!("{{\"n\":{number}}}"));
            let decide = move |stored: Option<&Resource>| {
                let seen = stored.map_or(0, |stored| stored.head.version);
                Ok::<_, &str>(update(&seen.to_string(), &[(&format!("e{seen}"), true)]))
            };
            let answer = store.records.put_resource(account, wanted, decide).await.unwrap();
            (answer.version, answer.state, answer.events[0].0.seq, answer.created)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_unstable();
    let expected: Vec<_> =
        (0..i64::try_from(PUTS).unwrap()).map(|seen| (seen + 1, seen.to_string(), seen + 1, seen == 0)).collect();
    assert_eq!(answers, expected, "each saw what the one before had stored");
    let numbers: Vec<_> = fixture.take().await.iter().map(|delivery| delivery.number).collect();
    assert!(numbers.iter().copied().eq(1..=i64::try_from(PUTS).unwrap()), "{numbers:?}");
    fixture.assert_sound();
}

#[tokio::test]
async fn a_precondition_is_asked_of_what_is_stored() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let attempt = async |precondition: Precondition| {
        let wanted = PutResource { precondition, ..wanted("o", "1") };
        match put(&fixture, &account, wanted, update("s", &[])).await {
            Ok(answer) => Ok(answer.version),
            Err(PutResourceError::Precondition { version }) => Err(version),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(attempt(Precondition::Present).await, Err(None));
    assert_eq!(attempt(Precondition::Versions(vec![1])).await, Err(None));
    assert_eq!(attempt(Precondition::Absent).await, Ok(1));
    assert_eq!(attempt(Precondition::Absent).await, Err(Some(1)));
    assert_eq!(attempt(Precondition::Versions(vec![7, 1])).await, Ok(2));
    assert_eq!(attempt(Precondition::Versions(vec![1])).await, Err(Some(2)));
    assert_eq!(attempt(Precondition::Present).await, Ok(3));
    let all = |versions| Precondition::All(vec![Precondition::Present, Precondition::OtherThan(versions)]);
    assert_eq!(attempt(all(vec![3])).await, Err(Some(3)));
    assert_eq!(attempt(all(vec![2])).await, Ok(4));
}

#[tokio::test]
async fn what_is_the_same_is_not_stored_again() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    put(&fixture, &account, wanted("o", "1"), update("s", &[])).await.unwrap();
    let answer = put(&fixture, &account, wanted("o", " 1"), ResourceDecision::Same).await.unwrap();
    assert_eq!((answer.version, answer.created, answer.events.len()), (1, false, 0));
    assert_eq!(found(&fixture, "o").await.unwrap().document, "1");
}

#[tokio::test]
async fn an_event_with_a_known_id_is_sent_again_as_it_was() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    put(&fixture, &account, wanted("o", "1"), update("s", &[("e1", true)])).await.unwrap();
    let mut again = event("e1", "x");
    (again.data, again.fingerprint) = (Bytes::from_static(b"\"other\""), [7; 32]);
    let again = ResourceUpdate { state: "s".into(), states_ever: vec![], events: vec![again], subjects: vec![] };
    let answer = put(&fixture, &account, wanted("o", "2"), ResourceDecision::Changed(again)).await.unwrap();
    assert_eq!((answer.version, answer.events[0].0.seq, answer.events[0].0.created), (2, 1, false));
    let held = fixture.take().await;
    assert_eq!(held.iter().map(|delivery| (delivery.number, delivery.event.seq)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    assert_eq!(held[0].event.data, held[1].event.data);
    fixture.assert_sound();
}
