//! An account's data key is renewed: what was stored stays readable, and what is stored from then on is sealed by the new one.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use bellwire_domain::{AuditAction, Decision, EventFilter, EventId, Secret};
use bellwire_store::{AuditQuery, RenewDataKeyError, Rotation};

use crate::fixture::{Fixture, account_id, event, lane, page};
use crate::privacy::{about, disclosures};

/// Publishes an event about somebody and has it delivered.
async fn deliver(fixture: &mut Fixture, id: &str) {
    let account = fixture.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    fixture.publish(&account, vec![about(id, "patient:1")]).await.unwrap();
    for delivery in fixture.take().await {
        assert!(delivery.event.data.is_some(), "its payload opens");
        fixture.record(&delivery, Decision::Delivered).await;
    }
}

/// Everything of the account that is sealed opens: each payload, answer, secret and URL.
async fn assert_readable(fixture: &Fixture, ids: &[&str]) {
    let records = &fixture.store.records;
    for id in ids.iter().copied() {
        let found = records.find_event(&account_id("a"), &EventId::try_new(id).unwrap()).await.unwrap().unwrap();
        assert!(!found.data.is_empty());
    }
    assert_eq!(disclosures(fixture, "a", "patient:1", 100).await.len(), ids.len(), "the subject has the hash it had");
    assert!(!records.endpoint_secrets(&lane("a", "e")).await.unwrap().is_empty());
    assert!(records.find_endpoint(&lane("a", "e")).await.unwrap().is_some());
    fixture.assert_sound();
}

async fn renewals(fixture: &Fixture) -> usize {
    let query = AuditQuery { action: Some(AuditAction::DataKeyRenewed), ..AuditQuery::default() };
    fixture.store.records.list_audit(query, page(100)).await.unwrap().items.len()
}

#[tokio::test]
async fn what_was_stored_before_and_after_a_renewal_opens() {
    let mut fixture = Fixture::new();
    fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    deliver(&mut fixture, "before").await;
    fixture.store.records.renew_data_key(&account_id("a")).await.unwrap();
    deliver(&mut fixture, "after").await;
    let rotation = Rotation { secret: Secret::new("another secret".to_owned()), old_expire_at: fixture.now(), active_max: 8 };
    fixture.store.records.rotate_endpoint_secret(&lane("a", "e"), rotation).await.unwrap().unwrap();
    assert_readable(&fixture, &["before", "after"]).await;
    let again = fixture.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    let again = fixture.publish(&again, vec![about("before", "patient:1")]).await.unwrap();
    assert!(!again[0].created, "what was published before is known");

    let mut fixture = fixture.killed();
    fixture.store.records.renew_data_key(&account_id("a")).await.unwrap();
    deliver(&mut fixture, "later").await;
    assert_readable(&fixture, &["before", "after", "later"]).await;

    let nobody = fixture.store.records.renew_data_key(&account_id("nobody")).await;
    assert!(matches!(nobody, Err(RenewDataKeyError::AccountNotFound)), "{nobody:?}");
}

#[tokio::test]
async fn a_key_is_renewed_by_itself_once_it_has_sealed_much() {
    let mut fixture = Fixture::with_key_uses_max(40);
    fixture.account("a").await;
    fixture.account("idle").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    deliver(&mut fixture, "e0").await;
    assert_eq!(fixture.store.queue.renew_worn_keys().await.unwrap(), 0, "it is noted, and not worn");
    let (mut sent, mut renewed) = (vec!["e0".to_owned()], 0);
    while renewed == 0 && sent.len() < 100 {
        sent.push(format!("e{}", sent.len()));
        deliver(&mut fixture, sent.last().unwrap()).await;
        renewed = fixture.store.queue.renew_worn_keys().await.unwrap();
    }
    assert_eq!((renewed, renewals(&fixture).await), (1, 1), "after {} events", sent.len());
    assert!(sent.len() > 5 && sent.len() < 41, "{} events, of each a payload, an answer and a disclosure", sent.len());
    deliver(&mut fixture, "after").await;
    assert_eq!(fixture.store.queue.renew_worn_keys().await.unwrap(), 0, "it counts from the beginning");
    let ids: Vec<&str> = sent.iter().map(String::as_str).chain(["after"]).collect();
    assert_readable(&fixture, &ids).await;
}

#[tokio::test]
async fn a_renewal_that_is_interrupted_is_made_by_the_next_one() {
    let fails_at = Arc::new(AtomicUsize::new(usize::MAX));
    let left = Arc::clone(&fails_at);
    let fixture = Fixture::inline(move || left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok());
    let account = fixture.account("a").await;
    let ids: Vec<String> = (0..6).map(|number| format!("e{number}")).collect();
    for (number, id) in ids.iter().enumerate() {
        let account = fixture.store.records.find_account(&account.id).await.unwrap().unwrap();
        fixture.publish(&account, vec![event(id, "x")]).await.unwrap();
        fails_at.store(number % 3, SeqCst);
        let renewed = fixture.store.records.renew_data_key(&account.id).await;
        assert_eq!(renewed.is_ok(), number % 3 == 2, "it takes two commits: {renewed:?}");
        fails_at.store(usize::MAX, SeqCst);
    }
    for id in &ids {
        let found = fixture.store.records.find_event(&account.id, &EventId::try_new(id.as_str()).unwrap()).await.unwrap();
        assert!(found.is_some(), "{id}");
    }
    fixture.assert_sound();
}

#[tokio::test]
async fn an_account_has_so_many_data_keys() {
    let fixture = Fixture::inline(|| true);
    let account = fixture.account("a").await;
    fixture.publish(&account, vec![event("first", "x")]).await.unwrap();
    for _ in 1..256 {
        fixture.store.records.renew_data_key(&account_id("a")).await.unwrap();
    }
    let full = fixture.store.records.renew_data_key(&account_id("a")).await;
    assert!(matches!(full, Err(RenewDataKeyError::TooMany { max: 256 })), "{full:?}");
    let first = fixture.store.records.find_event(&account_id("a"), &EventId::try_new("first").unwrap()).await.unwrap();
    assert!(first.is_some(), "the first key opens what it sealed");
}
