//! Accounts are pinned to a version of their contract, and counted by it.

use bellwire_domain::{EventFilter, RetentionPeriods};
use bellwire_store::{AccountsOfContract, PutAccount};

use crate::fixture::{Fixture, account_id, lane};

fn pinned(id: &str, version: Option<&str>) -> PutAccount {
    PutAccount {
        id: account_id(id),
        contract: "noyo".to_owned(),
        contract_version: version.map(str::to_owned),
        name: None,
        secret: None,
        sandbox: false,
        entitlements: std::collections::BTreeSet::new(),
        retention: RetentionPeriods::default(),
    }
}

#[tokio::test]
async fn an_account_moves_to_another_version_and_its_endpoints_are_read_anew() {
    let fixture = Fixture::new();
    let records = &fixture.store.records;
    assert_eq!(records.count_accounts_by_contract().await.unwrap(), []);
    for (id, version) in [("a", Some("2025-01")), ("b", None), ("c", None)] {
        let (account, created) = records.put_account(pinned(id, version)).await.unwrap();
        assert_eq!((account.contract_version.as_deref(), created), (version, true));
    }
    let count = |version: Option<&str>, accounts, first: &str| AccountsOfContract {
        contract: "noyo".to_owned(),
        version: version.map(str::to_owned),
        accounts,
        first: account_id(first),
    };
    let mut counts = records.count_accounts_by_contract().await.unwrap();
    counts.sort_by_key(|count| count.version.clone());
    assert_eq!(counts, [count(None, 2, "b"), count(Some("2025-01"), 1, "a")]);

    fixture.endpoint("a", "e", EventFilter::All).await;
    let config = fixture.store.queue.find_endpoint_config(&lane("a", "e"), 0).await.unwrap().unwrap();
    assert_eq!(config.account.contract_version.as_deref(), Some("2025-01"));
    for version in [Some("2025-02"), None] {
        let (moved, created) = records.put_account(pinned("a", version)).await.unwrap();
        assert_eq!((moved.contract_version.as_deref(), created), (version, false));
        let newer = fixture.store.queue.find_endpoint_config(&lane("a", "e"), 0).await.unwrap().unwrap();
        assert_eq!(newer.account.contract_version.as_deref(), version, "what is sent next is in it");
    }
    fixture.assert_sound();
}
