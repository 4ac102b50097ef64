//! Accounts, endpoints, secrets, keys, pages.

use std::time::Duration;

use bellwire_domain::{Decision, EndpointId, EventFilter, KeyId, PayloadChoice, Pointer, Secret, Timestamp};
use bellwire_domain::{RetentionPeriods, Role};
use bellwire_store::KeyDeletion;
use bellwire_store::{
    ApiKey, DeliveryQuery, EndpointChanges, EventQuery, LimitedError, NamedEndpoint, NewEndpoint, PageRequest, PutAccount,
    PutAccountError, Rotation, key_hash,
};

use tokio::task::JoinSet;

use crate::fixture::{Fixture, Store, account_id, event, lane, new_endpoint, options, page};

#[tokio::test]
async fn an_account_keeps_its_contract_and_its_data_key() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    let mut wanted = PutAccount {
        id: account.id.clone(),
        contract: "silver".into(),
        contract_version: None,
        name: Some("Clinic".into()),
        secret: Some(Secret::new("first".into())),
        sandbox: true,
        entitlements: ["x".to_owned()].into(),
        retention: RetentionPeriods::default(),
    };
    let refused = fixture.store.records.put_account(wanted.clone()).await.unwrap_err();
    assert!(matches!(refused, PutAccountError::ContractFixed { contract } if contract == "noyo"));
    wanted.contract = "noyo".into();
    let (changed, created) = fixture.store.records.put_account(wanted.clone()).await.unwrap();
    assert!(!created && changed.version > account.version && changed.sandbox && changed.entitlements.contains("x"));
    let secrets = || async {
        let all = fixture.store.records.account_secrets(&account.id).await.unwrap();
        all.iter().map(|active| active.secret.expose().clone()).collect::<Vec<_>>()
    };
    assert_eq!(secrets().await, ["first"]);
    wanted.secret = None;
    fixture.store.records.put_account(wanted.clone()).await.unwrap();
    assert_eq!(secrets().await, ["first"], "no secret given keeps the one it has");
    fixture.clock.advance(Duration::from_secs(1));
    wanted.secret = Some(Secret::new("second".into()));
    fixture.store.records.put_account(wanted).await.unwrap();
    assert_eq!(secrets().await, ["second"]);
}

#[tokio::test]
async fn a_new_secret_of_the_account_reaches_the_sender_at_once() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let before = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert!(before.account_secrets.is_empty());
    let wanted = PutAccount {
        id: account_id("a"),
        contract: "noyo".into(),
        contract_version: None,
        name: None,
        secret: Some(Secret::new("new".into())),
        sandbox: false,
        entitlements: [].into(),
        retention: RetentionPeriods::default(),
    };
    fixture.store.records.put_account(wanted).await.unwrap();
    let after = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert_eq!(after.account_secrets[0].secret.expose(), "new");
    assert!(after.endpoint.version > before.endpoint.version);
}

fn rotation(secret: &str, old_expire_at: Timestamp) -> Rotation {
    Rotation { secret: Secret::new(secret.to_owned()), old_expire_at, active_max: 3 }
}

#[tokio::test]
async fn many_at_once_register_no_more_endpoints_than_the_limit() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let mut creating = JoinSet::new();
    for number in 0..32 {
        let records = fixture.store.records.clone();
        let new = new_endpoint("a", &format!("e{number}"), EventFilter::All);
        creating.spawn(async move { records.create_endpoint(new, 5).await });
    }
    let mut refused = 0;
    for created in creating.join_all().await {
        match created {
            Ok(created) => assert!(created.is_some()),
            Err(error) => refused += usize::from(matches!(error, LimitedError::Reached { max: 5 })),
        }
    }
    assert_eq!(refused, 27);
}

#[tokio::test]
async fn of_many_that_put_one_name_at_once_one_is_stored_and_the_others_are_told_which() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let mut putting = JoinSet::new();
    for number in 0..16 {
        let records = fixture.store.records.clone();
        let new = new_endpoint("a", &format!("e{number}"), EventFilter::All);
        let new = NewEndpoint { name: Some("desk".to_owned()), ..new };
        putting.spawn(async move { records.create_named_endpoint(new, 5).await });
    }
    let (mut created, mut known) = (Vec::new(), Vec::new());
    for put in putting.join_all().await {
        match put.unwrap().unwrap() {
            NamedEndpoint::Created(endpoint) => created.push(endpoint.id),
            NamedEndpoint::Known(id) => known.push(id),
        }
    }
    assert_eq!((created.len(), known.len()), (1, 15));
    assert!(known.iter().all(|id| *id == created[0]));
    let found = fixture.store.records.find_endpoint_named(&account_id("a"), "desk").await.unwrap();
    assert_eq!(found.as_ref(), created.first());
}

#[tokio::test]
async fn many_rotations_at_once_leave_no_more_secrets_than_the_limit() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let end = fixture.now().plus(Duration::from_secs(3_600));
    let mut rotating = JoinSet::new();
    for number in 0..20 {
        let (records, lane) = (fixture.store.records.clone(), lane.clone());
        rotating.spawn(async move { records.rotate_endpoint_secret(&lane, rotation(&format!("s{number}"), end)).await });
    }
    for rotated in rotating.join_all().await {
        assert!(matches!(rotated, Ok(Some(_)) | Err(LimitedError::Reached { max: 3 })));
    }
    assert_eq!(fixture.store.records.endpoint_secrets(&lane).await.unwrap().len(), 3);
    let at_once = fixture.store.records.rotate_endpoint_secret(&lane, rotation("last", fixture.now())).await;
    assert!(at_once.unwrap().is_some(), "one that replaces all others at once always fits");
    for number in 0..5 {
        let rotated = fixture.store.records.rotate_account_secret(&lane.account_id, rotation(&format!("a{number}"), end)).await;
        assert_eq!(rotated.is_ok(), number < 3, "{number}");
    }
}

#[tokio::test]
async fn rotated_secrets_overlap_and_then_end() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let end = fixture.now().plus(Duration::from_secs(3_600));
    fixture.store.records.rotate_endpoint_secret(&lane, rotation("new", end)).await.unwrap().unwrap();
    let config = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    let secrets: Vec<_> =
        config.secrets.iter().map(|active| (active.version, active.secret.expose().as_str(), active.expires_at)).collect();
    assert_eq!(secrets, [(2, "new", None), (1, "secret of e", Some(end))]);
    fixture.clock.set(end);
    fixture.store.records.update_endpoint(&lane, EndpointChanges::default()).await.unwrap().unwrap();
    let config = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert_eq!(config.secrets.len(), 1);
    assert!(
        fixture
            .store
            .records
            .rotate_endpoint_secret(&crate::fixture::lane("a", "none"), rotation("x", end))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn endpoints_change_field_by_field() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let changes = EndpointChanges {
        name: Some(Some("main".into())),
        headers: Some(vec![("x-env".into(), "prod".into())]),
        ..Default::default()
    };
    let after = fixture.store.records.update_endpoint(&lane, changes).await.unwrap().unwrap();
    assert_eq!((after.name.as_deref(), after.headers.len(), after.url.as_str()), (Some("main"), 1, "https://e.example/hook"));
    let changes = EndpointChanges { name: Some(None), url: Some("https://new.example".into()), ..Default::default() };
    let after = fixture.store.records.update_endpoint(&lane, changes).await.unwrap().unwrap();
    assert_eq!((after.name, after.headers.len(), after.url.as_str()), (None, 1, "https://new.example"));
    assert!(
        fixture
            .store
            .records
            .update_endpoint(&crate::fixture::lane("a", "none"), EndpointChanges::default())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn another_account_sees_nothing() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.account("b").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    assert!(fixture.store.records.find_endpoint(&lane("b", "e")).await.unwrap().is_none());
    assert!(fixture.store.records.list_endpoints(&account_id("b"), page(10)).await.unwrap().items.is_empty());
    assert!(fixture.store.records.list_events(&account_id("b"), EventQuery::default(), page(10)).await.unwrap().items.is_empty());
    assert!(fixture.states("b").await.is_empty());
    assert!(!fixture.store.records.delete_endpoint(&lane("b", "e")).await.unwrap());
    assert_eq!(fixture.states("a").await, [(1, "pending", 0)], "and cannot cancel either");
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let delivery = fixture.take().await.remove(0);
    assert!(fixture.delete_account(&account.id).await);
    assert!(!fixture.delete_account(&account.id).await);
    assert!(fixture.store.records.find_account(&account.id).await.unwrap().is_none());
    assert!(fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().is_none());
    assert!(fixture.store.records.find_delivery(delivery.id).await.unwrap().is_none());
    let anew = fixture.account("a").await;
    assert_eq!(fixture.publish(&anew, vec![event("e1", "x")]).await.unwrap()[0].seq, 1, "a new account, a new log");
}

#[tokio::test]
async fn an_account_with_much_is_deleted_in_steps_that_survive_a_restart() {
    const EVENTS: usize = 2_500;
    let mut fixture = Fixture::new();
    let (account, other) = (fixture.account("a").await, fixture.account("b").await);
    for (account, endpoint) in [("a", "e1"), ("a", "e2"), ("b", "e3")] {
        fixture.endpoint(account, endpoint, EventFilter::All).await;
    }
    for first in (0..EVENTS).step_by(500) {
        fixture.publish(&account, (first..first + 500).map(|number| event(&format!("e{number}"), "x")).collect()).await.unwrap();
    }
    fixture.publish(&other, vec![event("kept", "x")]).await.unwrap();
    for delivery in fixture.take().await {
        fixture.record(&delivery, Decision::Delivered).await;
    }
    let key = ApiKey {
        account_id: Some(account.id.clone()),
        ..ApiKey::new(KeyId::try_new("key_a").unwrap(), Role::Consumer, fixture.now())
    };
    fixture.store.records.create_key(key, key_hash("a's")).await.unwrap();

    assert!(fixture.store.records.delete_account(&account.id).await.unwrap());
    assert!(fixture.store.records.find_key(key_hash("a's")).await.unwrap().is_none(), "at once");
    assert!(fixture.publish(&account, vec![event("late", "x")]).await.is_err());
    let put = PutAccount {
        id: account.id.clone(),
        contract: "noyo".into(),
        contract_version: None,
        name: None,
        secret: None,
        sandbox: false,
        entitlements: [].into(),
        retention: RetentionPeriods::default(),
    };
    assert!(matches!(fixture.store.records.put_account(put).await, Err(PutAccountError::Deleting)));
    let mut left = vec![fixture.store.records.find_deletion(&account.id).await.unwrap().unwrap()];
    let mut steps = 0;
    while let Some(step) = fixture.store.queue.advance_deletion().await.unwrap() {
        fixture.assert_sound();
        fixture.publish(&other, vec![event(&format!("beside{steps}"), "x")]).await.unwrap();
        let Some(now) = step.left else { break };
        assert!(now.events <= left[steps].events && now.live_deliveries <= left[steps].live_deliveries);
        left.push(now);
        steps += 1;
        if steps % 3 == 0 {
            fixture = fixture.reopen().await;
        }
    }
    assert!(steps > 3, "{left:?}");
    assert_eq!(fixture.store.queue.advance_deletion().await.unwrap(), None);
    assert!(fixture.store.records.find_account(&account.id).await.unwrap().is_none());
    fixture.account("a").await;
    fixture.assert_sound();
}

#[tokio::test]
async fn keys_are_found_by_their_digest_until_revoked() {
    let fixture = Fixture::new();
    let key = |id: &str| ApiKey::new(KeyId::try_new(id).unwrap(), Role::Admin, fixture.now());
    assert!(!fixture.store.records.has_admin_key().await.unwrap());
    fixture.store.records.create_key(key("key_1"), key_hash("bwk_one")).await.unwrap();
    fixture.store.records.create_key(key("key_2"), key_hash("bwk_one")).await.unwrap();
    assert_eq!(fixture.store.records.list_keys(page(10)).await.unwrap().items, [key("key_1")], "the same key is stored once");
    assert_eq!(fixture.store.records.find_key(key_hash("bwk_one")).await.unwrap(), Some(key("key_1")));
    assert_eq!(fixture.store.records.find_key(key_hash("bwk_two")).await.unwrap(), None);
    let delete = async |id: &str| fixture.store.records.delete_key(&KeyId::try_new(id).unwrap()).await.unwrap();
    assert_eq!(delete("key_1").await, KeyDeletion::LastAdmin);
    let ended = ApiKey { expires_at: Some(fixture.now()), ..key("key_3") };
    fixture.store.records.create_key(ended, key_hash("bwk_three")).await.unwrap();
    assert_eq!(delete("key_1").await, KeyDeletion::LastAdmin, "one that has expired lets nobody in");
    assert_eq!(fixture.store.records.admin_keys_end().await.unwrap(), None, "this one never expires");
    let later = fixture.now().plus(Duration::from_secs(60));
    let other = ApiKey { expires_at: Some(later), ..key("key_4") };
    fixture.store.records.create_key(other, key_hash("bwk_four")).await.unwrap();
    assert_eq!((delete("key_9").await, delete("key_1").await), (KeyDeletion::NotFound, KeyDeletion::Deleted));
    assert_eq!(fixture.store.records.admin_keys_end().await.unwrap(), Some(later));
    assert_eq!((delete("key_4").await, delete("key_3").await), (KeyDeletion::LastAdmin, KeyDeletion::Deleted));
    assert_eq!(fixture.store.records.find_key(key_hash("bwk_one")).await.unwrap(), None);
}

#[tokio::test]
async fn when_a_key_was_used_goes_forward_only() {
    let fixture = Fixture::new();
    let (records, id) = (&fixture.store.records, KeyId::try_new("key_1").unwrap());
    let key = ApiKey { name: Some("Intake".to_owned()), ..ApiKey::new(id.clone(), Role::Admin, fixture.now()) };
    records.create_key(key, key_hash("one")).await.unwrap();
    let later = fixture.now().plus(Duration::from_secs(60));
    for at in [later, fixture.now()] {
        records.note_key_use(vec![(id.clone(), at)]).await.unwrap();
    }
    let listed = records.list_keys(page(10)).await.unwrap().items.remove(0);
    assert_eq!((listed.last_used_at, listed.name.as_deref(), listed.is_genuine), (Some(later), Some("Intake"), true));
}

#[tokio::test]
async fn a_key_that_somebody_writes_into_the_database_lets_nobody_in() {
    let fixture = Fixture::new();
    let key = ApiKey::new(KeyId::try_new("key_1").unwrap(), Role::Consumer, fixture.now());
    fixture.store.records.create_key(key, key_hash("mine")).await.unwrap();
    fixture.store.records.close().await;
    let inserted = "INSERT INTO api_keys (id, role, hash, created_at) VALUES ('key_2', 'admin', x'00', 0)";
    for (forgery, genuine) in [("UPDATE api_keys SET role = 'admin'", 0), (inserted, 1)] {
        let copy = crate::backend::damaged_copy(&fixture.place.location(), forgery);
        let forged = Store::open(options(&copy, &fixture.clock, fixture.limits, 4)).unwrap();
        let found = forged.records.find_key(key_hash("mine")).await.unwrap();
        assert_eq!(found.is_some(), genuine == 1, "{forgery}");
        let listed = forged.records.list_keys(page(10)).await;
        let listed = listed.map(|page| page.items.iter().filter(|key| key.is_genuine).count());
        assert!(matches!(listed, Ok(count) if count == genuine) || forgery == inserted, "{forgery}: {listed:?}");
        forged.records.close().await;
    }
}

#[tokio::test]
async fn pages_cover_everything_once() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    for number in 0..7 {
        fixture.endpoint("a", &format!("e{number}"), EventFilter::All).await;
    }
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let (mut after, mut endpoints, mut deliveries) = (None, Vec::<EndpointId>::new(), Vec::new());
    loop {
        let page = fixture.store.records.list_endpoints(&account.id, PageRequest { limit: 3, after }).await.unwrap();
        endpoints.extend(page.items.into_iter().map(|endpoint| endpoint.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(endpoints.len(), 7);
    loop {
        let page =
            fixture.store.records.list_deliveries(DeliveryQuery::default(), PageRequest { limit: 3, after }).await.unwrap();
        deliveries.extend(page.items.into_iter().map(|delivery| delivery.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(deliveries.len() == 7 && deliveries.is_sorted_by(|left, right| left > right), "newest first");
}

#[tokio::test]
async fn an_endpoints_own_limits_reach_the_sender_and_survive_a_restart() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let before = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert_eq!((before.endpoint.in_flight_max, before.endpoint.rate_limit), (None, None));
    let rate_limit = Some("10/s".parse().unwrap());
    let changes = EndpointChanges { in_flight_max: Some(Some(3)), rate_limit: Some(rate_limit), ..Default::default() };
    let limited = fixture.store.records.update_endpoint(&lane, changes).await.unwrap().unwrap();
    assert!(limited.version > before.endpoint.version);
    let fixture = fixture.reopen().await;
    let config = fixture.store.queue.find_endpoint_config(&lane, limited.version).await.unwrap().unwrap();
    assert_eq!((config.endpoint.in_flight_max, config.endpoint.rate_limit), (Some(3), rate_limit));
    let changes = EndpointChanges { rate_limit: Some(None), ..Default::default() };
    let cleared = fixture.store.records.update_endpoint(&lane, changes).await.unwrap().unwrap();
    assert_eq!((cleared.in_flight_max, cleared.rate_limit), (Some(3), None), "what is left out stays");
}

#[tokio::test]
async fn how_much_an_endpoint_is_sent_reaches_the_sender_and_survives_a_restart() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let before = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert_eq!((&before.endpoint.payload, before.endpoint.keep_answers), (&None, true));
    let fields = ["/status", "/patient/id", "/a~1b"].map(|field| Pointer::try_new(field).unwrap()).to_vec();
    let mut fixture = fixture;
    for choice in [PayloadChoice::Fields(fields), PayloadChoice::Ids, PayloadChoice::Full] {
        let changes = EndpointChanges { payload: Some(Some(choice.clone())), keep_answers: Some(false), ..Default::default() };
        let stored = fixture.store.records.update_endpoint(&lane, changes).await.unwrap().unwrap();
        fixture = fixture.reopen().await;
        let config = fixture.store.queue.find_endpoint_config(&lane, stored.version).await.unwrap().unwrap();
        assert_eq!((config.endpoint.payload.as_ref(), config.endpoint.keep_answers), (Some(&choice), false));
    }
    let changes = EndpointChanges { payload: Some(None), ..Default::default() };
    let cleared = fixture.store.records.update_endpoint(&lane, changes).await.unwrap().unwrap();
    assert_eq!((cleared.payload, cleared.keep_answers), (None, false), "what is left out stays");
}
