//! The keys of contracts: no account's, counted by contract and kind, and sealed under the store's own key.

use std::time::Duration;

use bellwire_domain::{Secret, Timestamp};
use bellwire_store::{ActiveSecret, ContractKeys, LimitedError, Rotation};
use tokio::task::JoinSet;

use crate::fixture::Fixture;

fn owner(contract: &str) -> ContractKeys {
    ContractKeys { contract: contract.to_owned(), kind: "ed25519" }
}

fn rotation(text: &str, old_expire_at: Timestamp) -> Rotation {
    Rotation { secret: Secret::new(text.to_owned()), old_expire_at, active_max: 3 }
}

fn shown(active: &[ActiveSecret]) -> Vec<(i64, &str, Option<Timestamp>)> {
    active.iter().map(|key| (key.version, key.secret.expose().as_str(), key.expires_at)).collect()
}

#[tokio::test]
async fn the_first_key_is_drawn_once_and_new_ones_overlap_with_it() {
    let fixture = Fixture::new();
    let records = &fixture.store.records;
    let end = fixture.now().plus(Duration::from_secs(3_600));
    assert!(records.contract_keys(&owner("acme")).await.unwrap().is_empty());
    let mut drawing = JoinSet::new();
    for number in 0..8 {
        let records = records.clone();
        let key = Secret::new(format!("first {number}"));
        drawing.spawn(async move { records.put_first_contract_key(&owner("acme"), key).await.unwrap() });
    }
    assert_eq!(drawing.join_all().await.into_iter().filter(|stored| *stored).count(), 1);
    let first = records.contract_keys(&owner("acme")).await.unwrap();
    assert_eq!((first.len(), first[0].version, first[0].expires_at), (1, 1, None));
    let rotated = records.rotate_contract_key(&owner("acme"), rotation("second", end)).await.unwrap();
    assert_eq!((rotated.version, rotated.secret.expose().as_str()), (2, "second"));
    let both = records.contract_keys(&owner("acme")).await.unwrap();
    assert_eq!(shown(&both), [(2, "second", None), (1, first[0].secret.expose(), Some(end))]);
    // Another contract, and another kind of key, count for themselves.
    let other = ContractKeys { kind: "p256", ..owner("acme") };
    assert!(records.contract_keys(&other).await.unwrap().is_empty());
    assert_eq!(records.rotate_contract_key(&owner("other"), rotation("theirs", end)).await.unwrap().version, 1);
    fixture.clock.set(end);
    assert_eq!(shown(&records.contract_keys(&owner("acme")).await.unwrap()), [(2, "second", None)]);
}

#[tokio::test]
async fn an_endpoint_is_sent_to_with_the_keys_of_its_contract() {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", bellwire_domain::EventFilter::All).await;
    fixture.store.records.put_first_contract_key(&owner("noyo"), Secret::new("one".to_owned())).await.unwrap();
    let config = fixture.store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
    assert!(config.contract_keys.is_empty(), "nobody asked for them");
    let with_keys = || async { fixture.store.queue.with_contract_keys(&config, &owner("noyo")).await.unwrap() };
    assert_eq!(shown(&with_keys().await.contract_keys), [(1, "one", None)]);
    let now = fixture.now();
    fixture.store.records.rotate_contract_key(&owner("noyo"), rotation("two", now)).await.unwrap();
    assert_eq!(with_keys().await.contract_keys[0].version, 2);
}

#[tokio::test]
async fn no_more_keys_sign_at_once_than_the_limit() {
    let fixture = Fixture::new();
    let end = fixture.now().plus(Duration::from_secs(3_600));
    let records = &fixture.store.records;
    for number in 0..5 {
        let rotated = records.rotate_contract_key(&owner("acme"), rotation(&format!("k{number}"), end)).await;
        match rotated {
            Ok(key) => assert!(number < 3 && key.version == number + 1),
            Err(error) => assert!(number >= 3 && matches!(error, LimitedError::Reached { max: 3 })),
        }
    }
    assert_eq!(records.contract_keys(&owner("acme")).await.unwrap().len(), 3);
    let at_once = records.rotate_contract_key(&owner("acme"), rotation("last", fixture.now())).await.unwrap();
    assert_eq!(at_once.version, 4, "what was refused is not counted");
}
