//! The master key is rotated beside several nodes, which learn of the new key one after another.

use std::sync::Arc;

use bellwire_domain::{Decision, EventFilter, RetentionPeriods};
use bellwire_store::doctor::examine;
use bellwire_store::rotation::{RotationEnd, RotationError};
use bellwire_store::{MasterKey, OpenError, PutAccount, StoreOptions};

use crate::fixture::{Fixture, Store, account_id, event, options};
use crate::rotation::{NEW, OLD, both, rotate, rotate_all};

/// One more node over the same database, with other keys.
fn another(fixture: &Fixture, key: MasterKey, seed: u64) -> Result<Fixture, OpenError> {
    let (place, clock, limits) = (fixture.place.clone(), Arc::clone(&fixture.clock), fixture.limits);
    let store = Store::open(StoreOptions { master_key: key, ..options(&place, &clock, limits, seed) })?;
    Ok(Fixture { store, clock, place, limits })
}

#[track_caller]
fn assert_unprepared(fixture: &Fixture, expected: i64) {
    let refused = rotate_all(fixture).unwrap_err();
    assert!(matches!(refused, RotationError::ServersUnprepared { servers } if servers == expected), "{refused}");
}

#[tokio::test]
async fn it_begins_once_every_node_knows_both_keys() {
    let first = Fixture::new();
    first.account("a").await;
    first.endpoint("a", "e1", EventFilter::All).await;
    let second = another(&first, OLD, 2).unwrap();
    assert_unprepared(&first, 2);
    let prepared = another(&first, both(), 3).unwrap();
    assert_unprepared(&first, 2);
    prepared.account("made-by-the-prepared").await;
    second.account("made-by-the-others").await;
    let account = first.account("made-by-the-prepared").await;
    first.publish(&account, vec![event("ev1", "x")]).await.unwrap();
    assert!(another(&first, OLD, 4).is_err(), "from now on none starts with the old key alone");
    first.store.records.close().await;
    assert_unprepared(&second, 1);
    second.store.records.close().await;
    assert_eq!(rotate(&prepared, (OLD, NEW), 1).unwrap(), RotationEnd::Stopped);
    let mut late = another(&first, both(), 5).unwrap();
    let account = late.account("a").await;
    late.publish(&account, vec![event("ev1", "x")]).await.unwrap();
    assert_eq!(rotate_all(&prepared).unwrap(), RotationEnd::Rotated { keys: 3 });
    let renewed = another(&first, NEW, 6).unwrap();
    for (node, id) in [(&prepared, "p"), (&late, "l"), (&renewed, "r")] {
        node.account(id).await;
        node.account("a").await;
    }
    late.store.queue.claim_due(late.now(), 10).await.unwrap();
    let taken = late.take().await;
    late.record(&taken[0], Decision::Delivered).await;
    assert!(examine(&first.place.location(), Some(&NEW)).unwrap().is_sound());
    assert_eq!(first.place.psql("SELECT count(*) FROM meta WHERE key LIKE 'master_key.%' OR key = 'canary.new'"), "0");
}

/// A node that was frozen, was taken for dead, and wakes after all is done.
#[tokio::test]
async fn a_node_that_slept_through_it_makes_no_account_under_the_old_key() {
    let frozen = Fixture::new();
    frozen.place.psql("DELETE FROM nodes");
    assert!(matches!(rotate_all(&frozen).unwrap(), RotationEnd::Rotated { .. }));
    let wanted = PutAccount {
        id: account_id("late"),
        contract: "noyo".to_owned(),
        contract_version: None,
        name: None,
        secret: None,
        sandbox: false,
        entitlements: [].into(),
        retention: RetentionPeriods::default(),
    };
    let refused = frozen.store.records.put_account(wanted).await.unwrap_err().to_string();
    // Its heartbeat may have found out before it.
    assert!(["the master key has been changed", "has been rotated"].iter().any(|why| refused.contains(why)), "{refused}");
    assert!(examine(&frozen.place.location(), Some(&NEW)).unwrap().is_sound());
}
