//! Clients of published APIs: so many of an account, known by their ids, gone with their accounts; and assertions, which are used once.

use std::time::Duration;

use bellwire_domain::{ClientId, RetentionPeriods};
use bellwire_store::{Client, ClientKeySource, LimitedError, PageRequest};
use tokio::task::JoinSet;

use crate::fixture::{Fixture, account_id};

pub fn client(fixture: &Fixture, account: &str, id: &str) -> Client {
    Client {
        id: ClientId::try_new(id).unwrap(),
        account_id: account_id(account),
        name: Some("Ward".to_owned()),
        keys: ClientKeySource::Url("https://client.example/jwks".to_owned()),
        created_at: fixture.now(),
    }
}

#[tokio::test]
async fn a_client_is_found_by_its_id_until_it_is_deleted() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    fixture.account("b").await;
    let records = &fixture.store.records;
    let one = client(&fixture, "a", "cli_1");
    let two = Client { name: None, keys: ClientKeySource::Set(r#"{"keys":[]}"#.to_owned()), ..client(&fixture, "a", "cli_2") };
    for new in [&one, &two] {
        assert_eq!(records.create_client(new.clone(), 2).await.unwrap().as_ref(), Some(new));
        assert_eq!(records.find_client(&new.id).await.unwrap().as_deref(), Some(new));
    }
    assert!(records.create_client(client(&fixture, "nobody", "cli_9"), 2).await.unwrap().is_none());
    let page = |after| records.list_clients(&one.account_id, PageRequest { limit: 1, after });
    let first = page(None).await.unwrap();
    assert_eq!((first.items.as_slice(), first.next.as_deref()), (std::slice::from_ref(&one), Some("cli_1")));
    assert_eq!(page(first.next).await.unwrap().items, std::slice::from_ref(&two));
    assert!(!records.delete_client(&account_id("b"), &one.id).await.unwrap(), "it is another account's");
    assert!(records.delete_client(&one.account_id, &one.id).await.unwrap());
    assert!(!records.delete_client(&one.account_id, &one.id).await.unwrap());
    assert_eq!(records.find_client(&one.id).await.unwrap(), None);
    fixture.assert_sound();
}

#[tokio::test]
async fn an_account_has_so_many_clients_however_many_are_asked_for_at_once() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    fixture.account("b").await;
    let mut creating = JoinSet::new();
    for number in 0..8 {
        let (records, new) = (fixture.store.records.clone(), client(&fixture, "a", &format!("cli_{number}")));
        creating.spawn(async move { records.create_client(new, 3).await });
    }
    let results = creating.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    assert!(results.iter().flat_map(Result::as_ref).all(Option::is_some));
    assert!(
        results.iter().filter_map(|result| result.as_ref().err()).all(|error| matches!(error, LimitedError::Reached { max: 3 }))
    );
    assert!(fixture.store.records.create_client(client(&fixture, "b", "cli_b"), 3).await.is_ok(), "others have their own");
}

#[tokio::test]
async fn clients_go_with_their_account_at_once() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let records = &fixture.store.records;
    let one = client(&fixture, "a", "cli_1");
    records.create_client(one.clone(), 2).await.unwrap();
    assert!(records.find_client(&one.id).await.unwrap().is_some());
    records.delete_account(&one.account_id).await.unwrap();
    assert_eq!(records.find_client(&one.id).await.unwrap(), None);
    assert!(records.create_client(client(&fixture, "a", "cli_2"), 2).await.unwrap().is_none());
    assert!(!records.use_assertion(&one.id, "1", fixture.now()).await.unwrap());
}

#[tokio::test]
async fn an_assertion_is_used_once_and_forgotten_when_nobody_takes_it_any_more() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let records = &fixture.store.records;
    let (one, two) = (client(&fixture, "a", "cli_1"), client(&fixture, "a", "cli_2"));
    records.create_client(one.clone(), 2).await.unwrap();
    records.create_client(two.clone(), 2).await.unwrap();
    let end = fixture.now().plus(Duration::from_secs(300));
    let mut using = JoinSet::new();
    for _ in 0..8 {
        let (records, id) = (records.clone(), one.id.clone());
        using.spawn(async move { records.use_assertion(&id, "jti", end).await.unwrap() });
    }
    assert_eq!(using.join_all().await.into_iter().filter(|first| *first).count(), 1);
    assert!(records.use_assertion(&two.id, "jti", end).await.unwrap(), "each client has its own names");
    assert!(records.use_assertion(&one.id, "other", end).await.unwrap());
    let unknown = ClientId::try_new("cli_unknown").unwrap();
    assert!(!records.use_assertion(&unknown, "jti", end).await.unwrap());
    let retain = || async { fixture.store.queue.expire(RetentionPeriods::default()).await.unwrap() };
    fixture.clock.set(end);
    retain().await;
    assert!(!records.use_assertion(&one.id, "jti", end).await.unwrap(), "another node's clock may be behind");
    fixture.clock.advance(Duration::from_secs(300));
    retain().await;
    assert!(records.use_assertion(&one.id, "jti", end).await.unwrap());
}

#[tokio::test]
async fn a_token_is_proven_by_its_store_also_after_it_was_opened_again() {
    let fixture = Fixture::new();
    let proof = fixture.store.records.prove_token(b"text");
    let fixture = fixture.reopen().await;
    let records = &fixture.store.records;
    assert!(records.is_proven_token(b"text", &proof));
    assert!(!records.is_proven_token(b"Text", &proof) && !records.is_proven_token(b"text", &proof[..31]));
}
