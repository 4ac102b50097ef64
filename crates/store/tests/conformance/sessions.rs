//! Who is signed in: until when, and what ends it.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter, EventId, KeyId, Role};
use bellwire_store::KeyDeletion;
use bellwire_store::{ApiKey, DeliveryQuery, PortalLink, Session, key_hash};

use crate::fixture::{Fixture, account_id, event, page};

const HOUR: Duration = Duration::from_secs(3_600);

fn session(fixture: &Fixture, account: Option<&str>, key: Option<&str>) -> Session {
    Session {
        role: Role::Consumer,
        account_id: account.map(account_id),
        key_id: key.map(|id| KeyId::try_new(id).unwrap()),
        person: None,
        read_only: false,
        created_at: fixture.now(),
        expires_at: fixture.now().plus(HOUR),
    }
}

fn key(fixture: &Fixture, id: &str) -> ApiKey {
    let (id, created_at) = (KeyId::try_new(id).unwrap(), fixture.now());
    ApiKey::new(id, Role::Admin, created_at)
}

#[tokio::test]
async fn a_session_lasts_until_its_hour_has_come_or_it_is_ended() {
    let fixture = Fixture::new();
    let records = &fixture.store.records;
    let stored = session(&fixture, Some("a"), None);
    records.create_session(stored.clone(), key_hash("one")).await.unwrap();
    records.create_session(stored.clone(), key_hash("two")).await.unwrap();
    assert_eq!(records.find_session(key_hash("one")).await.unwrap(), Some(stored.clone()));
    records.end_session(key_hash("one")).await.unwrap();
    assert_eq!(records.find_session(key_hash("one")).await.unwrap(), None);
    fixture.clock.advance(HOUR);
    assert_eq!(records.find_session(key_hash("two")).await.unwrap(), None);
    fixture.assert_sound();
}

#[tokio::test]
async fn a_session_goes_with_its_key_and_with_the_key_that_takes_its_place() {
    let fixture = Fixture::new();
    let records = &fixture.store.records;
    records.create_key(key(&fixture, "key_spare"), key_hash("spare")).await.unwrap(); // the last one could not be revoked
    for (name, ends) in [("revoked", 0), ("replaced", 1), ("expired", 2)] {
        let id = format!("key_{name}");
        records.create_key(key(&fixture, &id), key_hash(name)).await.unwrap();
        records.create_session(session(&fixture, None, Some(&id)), key_hash(&id)).await.unwrap();
        assert!(records.find_session(key_hash(&id)).await.unwrap().is_some());
        match ends {
            0 => assert_eq!(records.delete_key(&KeyId::try_new(&id).unwrap()).await.unwrap(), KeyDeletion::Deleted),
            1 => records.replace_key(key(&fixture, &id), key_hash("another")).await.unwrap(),
            _ => {
                let ended = ApiKey { expires_at: Some(fixture.now()), ..key(&fixture, &id) };
                assert_eq!(records.delete_key(&ended.id).await.unwrap(), KeyDeletion::Deleted);
                records.create_key(ended, key_hash(name)).await.unwrap();
            }
        }
        assert_eq!(records.find_session(key_hash(&id)).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn a_link_opens_one_session_and_nothing_after_that() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let records = &fixture.store.records;
    let now = fixture.now();
    let link = |read_only| PortalLink {
        account_id: Some(account_id("a")),
        read_only,
        path: Some("/events".to_owned()),
        created_at: now,
        expires_at: now.plus(HOUR),
    };
    let end = now.plus(HOUR);
    assert!(records.create_portal_link(link(true), key_hash("link")).await.unwrap());
    let opened = records.open_portal_link(key_hash("link"), key_hash("session"), end).await.unwrap();
    assert_eq!(opened, Some(link(true)));
    let session = records.find_session(key_hash("session")).await.unwrap().unwrap();
    assert_eq!((session.role, session.account_id, session.read_only), (Role::Consumer, Some(account_id("a")), true));
    assert_eq!(records.open_portal_link(key_hash("link"), key_hash("again"), end).await.unwrap(), None, "it was used");
    assert_eq!(records.find_session(key_hash("again")).await.unwrap(), None);

    assert!(records.create_portal_link(link(false), key_hash("late")).await.unwrap());
    assert!(records.create_portal_link(link(false), key_hash("useless")).await.unwrap());
    assert_eq!(records.end_account_sessions(&account_id("a")).await.unwrap(), 3);
    assert_eq!(records.open_portal_link(key_hash("useless"), key_hash("s"), end).await.unwrap(), None);
    assert_eq!(records.find_session(key_hash("session")).await.unwrap(), None);

    assert!(records.create_portal_link(link(false), key_hash("late")).await.unwrap());
    fixture.clock.advance(HOUR);
    assert_eq!(records.open_portal_link(key_hash("late"), key_hash("s"), end).await.unwrap(), None, "it has expired");
    let nobodys = PortalLink { account_id: Some(account_id("nobody")), ..link(false) };
    assert!(!records.create_portal_link(nobodys, key_hash("nobodys")).await.unwrap());
}

#[tokio::test]
async fn an_account_that_is_deleted_takes_its_sessions_and_links_with_it() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let records = &fixture.store.records;
    let now = fixture.now();
    let link = PortalLink {
        account_id: Some(account_id("a")),
        read_only: false,
        path: None,
        created_at: now,
        expires_at: now.plus(HOUR),
    };
    assert!(records.create_portal_link(link, key_hash("link")).await.unwrap());
    records.create_session(session(&fixture, Some("a"), None), key_hash("a's")).await.unwrap();
    assert!(records.delete_account(&account_id("a")).await.unwrap());
    assert_eq!(records.find_session(key_hash("a's")).await.unwrap(), None);
    assert_eq!(records.open_portal_link(key_hash("link"), key_hash("s"), now.plus(HOUR)).await.unwrap(), None);
    fixture.assert_sound();
}

/// The event of each delivery that is found by its event, and whether it has ended.
async fn of_event(fixture: &Fixture, id: &str) -> Vec<(String, bool)> {
    let (account_id, event_id) = (Some(account_id("a")), EventId::try_new(id).ok());
    let query = DeliveryQuery { account_id, event_id, ..DeliveryQuery::default() };
    let found = fixture.store.records.list_deliveries(query, page(10)).await.unwrap();
    let mut found: Vec<_> =
        found.items.iter().map(|delivery| (delivery.event_id.to_string(), delivery.ended_at.is_some())).collect();
    found.sort();
    found
}

#[tokio::test]
async fn the_deliveries_of_an_event_are_found_live_and_ended() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    for endpoint in ["e1", "e2"] {
        fixture.endpoint("a", endpoint, EventFilter::All).await;
    }
    fixture.publish(&account, vec![event("one", "x"), event("two", "x")]).await.unwrap();
    let live = ("one".to_owned(), false);
    assert_eq!(of_event(&fixture, "one").await, [live.clone(), live.clone()]);
    let first = fixture.take().await.into_iter().find(|delivery| delivery.event.id.as_str() == "one").unwrap();
    fixture.record(&first, Decision::Delivered).await;
    assert_eq!(of_event(&fixture, "one").await, [live, ("one".to_owned(), true)]);
    assert_eq!(of_event(&fixture, "three").await, []);
}
