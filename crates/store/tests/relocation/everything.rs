//! What a store says of itself is the same on the other side, and what was due there is delivered.

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_domain::{Decision, DeliveryId, HealthPolicy, ResourceId};
use bellwire_store::doctor::examine;
use bellwire_store::{ActiveSecret, AuditQuery, ContractKeys, DeliveryQuery, EventQuery, key_hash};

use crate::fixture::{Store, account_id, event, lane, outcome, page};
use crate::furnished::{KEY, Sides};

/// All that can be read through the store.
pub async fn told(store: &Store) -> Vec<String> {
    let all = page(1_000);
    let mut told = Vec::new();
    let mut tell = |what: &dyn std::fmt::Debug| told.push(format!("{what:?}"));
    let shown = |secrets: &[ActiveSecret]| -> Vec<_> {
        secrets.iter().map(|secret| (secret.secret.expose().clone(), secret.expires_at)).collect()
    };
    for account in store.records.list_accounts(all.clone()).await.unwrap().items {
        tell(&account);
        tell(&shown(&store.records.account_secrets(&account.id).await.unwrap()));
        for endpoint in store.records.list_endpoints(&account.id, all.clone()).await.unwrap().items {
            tell(&endpoint);
            let lane = lane(account.id.as_str(), endpoint.id.as_str());
            let config = store.queue.find_endpoint_config(&lane, 0).await.unwrap().unwrap();
            tell(&(shown(&config.secrets), shown(&config.account_secrets)));
            tell(&store.records.list_replays(&lane, all.clone()).await.unwrap().items);
        }
        tell(&store.records.list_events(&account.id, EventQuery::default(), all.clone()).await.unwrap().items);
        tell(&store.records.list_bulk_retries(Some(account.id.clone()), all.clone()).await.unwrap().items);
        tell(&store.records.list_clients(&account.id, all.clone()).await.unwrap().items);
        tell(&store.records.list_resources(&account.id, "order", all.clone()).await.unwrap().items);
    }
    for delivery in store.records.list_deliveries(DeliveryQuery::default(), all.clone()).await.unwrap().items {
        tell(&store.records.find_delivery(delivery.id).await.unwrap().unwrap());
    }
    tell(&store.records.find_resource(&account_id("a"), "order", &ResourceId::try_new("o").unwrap()).await.unwrap().unwrap());
    tell(&store.records.list_audit(AuditQuery::default(), all.clone()).await.unwrap().items);
    tell(&(store.records.audit_checkpoint().await.unwrap(), store.records.audit_key()));
    let keys = ContractKeys { contract: "noyo".to_owned(), kind: "ed25519" };
    tell(&shown(&store.records.contract_keys(&keys).await.unwrap()));
    tell(&store.records.list_keys(all).await.unwrap().items);
    tell(&store.records.find_key(key_hash("key_2")).await.unwrap().unwrap());
    told
}

#[tokio::test]
async fn everything_reads_the_same_afterwards() {
    let sides = Sides::new().await;
    let source = sides.open_source().unwrap();
    let before = told(&source).await;
    source.records.close().await;
    drop(source);
    assert!(before.len() > 30, "{before:#?}");

    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
    let target = sides.open_target().unwrap();
    let after = told(&target).await;
    for (ours, theirs) in before.iter().zip(&after) {
        assert!(ours == theirs, "{ours:.2000}\nand there\n{theirs:.2000}");
    }
    assert_eq!(before.len(), after.len());
    let weeks = sides.psql("SELECT count(DISTINCT tableoid) FROM deliveries");
    assert!(weeks.parse::<usize>().unwrap() > 1, "the history is of several weeks: {weeks}");
    target.records.close().await;
}

#[tokio::test]
async fn what_was_due_is_delivered_there_and_new_ids_come_after_the_old_ones() {
    let sides = Sides::new().await;
    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
    let number = |sql| sides.psql(sql).parse::<i64>().unwrap();
    let last = number("SELECT max(id) FROM (SELECT id FROM queue UNION ALL SELECT id FROM deliveries) x");
    let live = number("SELECT count(*) FROM queue");

    sides.clock.advance(Duration::from_secs(1 << 30)); // whatever is due, is
    let store = sides.open_target().unwrap();
    let account = store.records.find_account(&account_id("b")).await.unwrap().unwrap();
    let receipt = store.records.commit_events(&account, vec![event("new", "x")]).await.unwrap().remove(0);
    assert_eq!((receipt.seq, receipt.deliveries), (13, 1), "the log goes on without a gap");

    let mut delivered: BTreeSet<DeliveryId> = BTreeSet::new();
    loop {
        let batch = store.take().await;
        for delivery in &batch {
            assert!(delivery.event.data.is_some() && delivered.insert(delivery.id), "each of them once");
            let body = b"thanks".to_vec();
            let answer = bellwire_domain::AttemptOutcome::Response { status: 200, retry_after: None, headers: Vec::new(), body };
            let now = bellwire_domain::Clock::now(&*sides.clock);
            let ended = outcome(delivery, answer, Decision::Delivered, HealthPolicy::default(), now);
            store.queue.record_outcomes([ended].into()).await.unwrap();
        }
        let report = store.queue.claim_due(bellwire_domain::Clock::now(&*sides.clock), 100).await.unwrap();
        if batch.is_empty() && report.claimed == 0 {
            break;
        }
    }
    assert_eq!(i64::try_from(delivered.len()).unwrap(), live + 1);
    assert!(delivered.last().unwrap().number() > last, "an id that is drawn later");
    assert_eq!(number("SELECT count(*) FROM queue"), 0);
    store.records.close().await;
    assert!(examine(&sides.target(), Some(&KEY)).unwrap().is_sound());
}
