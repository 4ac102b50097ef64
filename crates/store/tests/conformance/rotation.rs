//! The master key is rotated beside whatever works on the store, and may be interrupted anywhere.

use std::ops::ControlFlow;
use std::sync::Arc;

use bellwire_domain::{Decision, EventFilter};
use bellwire_store::doctor::{Check, Examination, examine};
use bellwire_store::evidence::verify_audit;
use bellwire_store::rotation::{MasterKeyRotation, RotationEnd, RotationError, RotationProgress, rotate_master_key};
use bellwire_store::{AuditEvidence, AuditQuery, MasterKey, OpenError, PageRequest, StoreOptions};
use bellwire_testkit::SeededEntropy;

use crate::backend::Place;
use crate::fixture::{Fixture, Store, account_id, event, lane, options};

pub const OLD: MasterKey = MasterKey::new([9; 32]);
pub const NEW: MasterKey = MasterKey::new([8; 32]);
pub const OTHER: MasterKey = MasterKey::new([7; 32]);

pub fn both() -> MasterKey {
    OLD.replaced_by(NEW)
}

pub fn rotation(fixture: &Fixture, (from, to): (MasterKey, MasterKey)) -> MasterKeyRotation {
    MasterKeyRotation {
        database: fixture.place.location(),
        from,
        to,
        clock: Arc::clone(&fixture.clock) as _,
        entropy: Arc::new(SeededEntropy::new(77)),
        accounts_at_once: 2,
    }
}

/// Rotates until so many steps are told, or to the end.
pub fn rotate(fixture: &Fixture, keys: (MasterKey, MasterKey), steps: usize) -> Result<RotationEnd, RotationError> {
    let mut left = steps;
    rotate_master_key(&rotation(fixture, keys), &mut |_| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

pub fn rotate_all(fixture: &Fixture) -> Result<RotationEnd, RotationError> {
    rotate(fixture, (OLD, NEW), usize::MAX)
}

fn open_at(fixture: &Fixture, place: &Place, key: MasterKey, seed: u64) -> Result<Store, OpenError> {
    Store::open(StoreOptions { master_key: key, ..options(place, &fixture.clock, fixture.limits, seed) })
}

/// The same store opened with another key, as by a server that is started then.
async fn restarted(fixture: Fixture, key: MasterKey, seed: u64) -> Fixture {
    fixture.store.records.close().await;
    let Fixture { store, clock, place, limits } = fixture;
    drop(store);
    let store = Store::open(StoreOptions { master_key: key, ..options(&place, &clock, limits, seed) }).unwrap();
    Fixture { store, clock, place, limits }
}

/// A store with five accounts, two of which have something sealed, and no server.
async fn furnished() -> Fixture {
    let fixture = Fixture::new();
    for id in ["a", "b", "c", "d", "e"] {
        fixture.account(id).await;
    }
    for id in ["a", "d"] {
        let account = fixture.account(id).await;
        fixture.endpoint(id, "e1", EventFilter::All).await;
        fixture.publish(&account, vec![event("ev1", "x")]).await.unwrap();
    }
    fixture.store.records.close().await;
    fixture
}

/// What is published is delivered: payloads and secrets open.
async fn deliver(fixture: &Fixture, id: &str) {
    let account = fixture.account("a").await;
    fixture.publish(&account, vec![event(id, "x")]).await.unwrap();
    let mut found = None;
    for _ in 0..2_000 {
        fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
        found = fixture.store.take().await.into_iter().find(|delivery| delivery.event.id.as_str() == id);
        if found.is_some() {
            break;
        }
    }
    let delivery = &found.unwrap();
    assert!(fixture.store.records.find_endpoint(&lane("a", "e1")).await.unwrap().is_some());
    assert_eq!(fixture.store.records.endpoint_secrets(&lane("a", "e1")).await.unwrap().len(), 1);
    fixture.record(delivery, Decision::Delivered).await;
}

fn examined(fixture: &Fixture, key: &MasterKey) -> Examination {
    examine(&fixture.place.location(), Some(key)).unwrap()
}

fn is_skipped(examination: &Examination) -> bool {
    let of_keys = |check: &&Check| check.name == "sealed.keys";
    examination.checks.iter().find(of_keys).unwrap().skipped.is_some()
}

#[track_caller]
fn assert_rotated(fixture: &Fixture) {
    let found = examined(fixture, &NEW);
    assert!(found.is_sound() && !is_skipped(&found), "{found:#?}");
    let verified = verify_audit(&fixture.place.location(), Some(&NEW), &AuditEvidence::default()).unwrap();
    assert!(verified.is_sound() && verified.personal_verified);
    assert!(matches!(examine(&fixture.place.location(), Some(&OLD)), Err(OpenError::ReplacedMasterKey)));
    assert!(matches!(examine(&fixture.place.location(), Some(&OTHER)), Err(OpenError::WrongMasterKey)));
}

#[tokio::test]
async fn everything_opens_with_the_new_key_and_nothing_with_the_old_one() {
    let fixture = furnished().await;
    assert_eq!(rotate_all(&fixture).unwrap(), RotationEnd::Rotated { keys: 5 });
    assert_rotated(&fixture);
    assert_eq!(rotate_all(&fixture).unwrap(), RotationEnd::Already);
    let refused = open_at(&fixture, &fixture.place, OLD, 2).map(drop);
    assert!(matches!(refused, Err(OpenError::ReplacedMasterKey)), "{refused:?}");
    let fixture = restarted(fixture, both(), 3).await;
    deliver(&fixture, "ev2").await;
    fixture.account("f").await;
    let fixture = restarted(fixture, NEW, 4).await;
    deliver(&fixture, "ev3").await;
    let acts = fixture.store.records.list_audit(AuditQuery::default(), PageRequest { limit: 9, after: None }).await.unwrap();
    let acts: Vec<_> = acts.items.iter().map(|act| (act.actor.as_str(), act.action.as_str())).collect();
    assert_eq!(acts, [("command", "master_key.rotation_started"), ("command", "master_key.rotated")]);
    fixture.store.records.close().await;
    assert_rotated(&fixture);
    assert_eq!(rotate(&fixture, (NEW, OTHER), usize::MAX).unwrap(), RotationEnd::Rotated { keys: 6 }, "and once more");
    assert!(matches!(examine(&fixture.place.location(), Some(&NEW)), Err(OpenError::ReplacedMasterKey)));
    assert!(examined(&fixture, &OTHER).is_sound());
}

#[tokio::test]
async fn it_goes_on_wherever_it_was_interrupted_and_every_other_key_is_refused_meanwhile() {
    let fixture = furnished().await;
    let mut stops = 0;
    while rotate(&fixture, (OLD, NEW), 2 - usize::from(stops == 0)).unwrap() == RotationEnd::Stopped {
        stops += 1;
        let place = &fixture.place;
        let opened = |key| open_at(&fixture, place, key, 50).map(drop).unwrap_err();
        assert!(matches!(opened(OLD), OpenError::NewMasterKeyMissing));
        assert!(matches!(opened(NEW), OpenError::OldMasterKeyMissing));
        assert!(matches!(opened(NEW.replaced_by(OTHER)), OpenError::OldMasterKeyMissing));
        assert!(matches!(opened(NEW.replaced_by(OLD)), OpenError::WrongNewMasterKey));
        assert!(matches!(opened(OLD.replaced_by(OTHER)), OpenError::WrongNewMasterKey));
        assert!(matches!(opened(OTHER), OpenError::WrongMasterKey));
        assert!(matches!(opened(OTHER.replaced_by(NEW)), OpenError::WrongMasterKey));
        let wrong = rotate(&fixture, (OLD, OTHER), usize::MAX).unwrap_err();
        assert!(matches!(wrong, RotationError::Open(OpenError::WrongNewMasterKey)), "{wrong}");
        let found = examined(&fixture, &both());
        assert!(found.is_sound() && !is_skipped(&found), "{found:#?}");
        for key in [OLD, NEW] {
            let found = examined(&fixture, &key);
            assert!(found.is_sound() && is_skipped(&found), "{found:#?}");
            assert!(verify_audit(&fixture.place.location(), Some(&key), &AuditEvidence::default()).unwrap().is_sound());
        }
        open_at(&fixture, place, both(), 100 + stops).unwrap().records.close().await;
    }
    assert_eq!(stops, 6, "once begun, three times with accounts to wrap anew, and twice without");
    assert_rotated(&fixture);
}

#[tokio::test]
async fn a_server_with_both_keys_works_before_meanwhile_and_after() {
    let fixture = restarted(furnished().await, both(), 2).await;
    deliver(&fixture, "before").await;
    fixture.account("a0").await;
    for step in 1..6 {
        assert_eq!(rotate(&fixture, (OLD, NEW), 2).unwrap(), RotationEnd::Stopped);
        deliver(&fixture, &format!("meanwhile{step}")).await;
        fixture.account(&format!("d{step}")).await;
        assert!(examined(&fixture, &both()).is_sound());
    }
    assert!(fixture.delete_account(&account_id("c")).await);
    assert!(matches!(rotate_all(&fixture).unwrap(), RotationEnd::Rotated { .. }));
    deliver(&fixture, "after").await;
    fixture.account("z").await;
    assert_rotated(&fixture);
    deliver(&restarted(fixture, NEW, 3).await, "restarted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_are_made_at_the_same_time_are_wrapped_by_the_new_key() {
    let fixture = restarted(furnished().await, both(), 2).await;
    let done = std::sync::atomic::AtomicBool::new(false);
    let rotating = MasterKeyRotation { accounts_at_once: 50, ..rotation(&fixture, (OLD, NEW)) };
    let making = async {
        for number in 0..500 {
            fixture.account(&format!("made{number}")).await;
            if done.load(std::sync::atomic::Ordering::SeqCst) {
                break;
            }
        }
    };
    let rotating = async {
        let rotating = tokio::task::spawn_blocking(move || rotate_master_key(&rotating, &mut |_| ControlFlow::Continue(())));
        assert!(matches!(rotating.await.unwrap().unwrap(), RotationEnd::Rotated { .. }));
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    tokio::join!(making, rotating);
    fixture.store.records.close().await;
    assert_rotated(&fixture);
}

#[tokio::test]
async fn it_does_not_begin_beside_a_server_that_knows_only_the_old_key() {
    let fixture = restarted(furnished().await, OLD, 2).await;
    let refused = rotate_all(&fixture).unwrap_err();
    assert!(matches!(refused, RotationError::ServersUnprepared { servers: 1 }), "{refused}");
    deliver(&fixture, "ev2").await;
    fixture.account("f").await;
    let fixture = restarted(fixture, OLD, 3).await;
    assert!(rotate_all(&fixture).is_err(), "nothing has been begun");
    let fixture = restarted(fixture, both(), 4).await;
    let wrong = rotate(&fixture, (OLD, OTHER), usize::MAX).unwrap_err();
    assert!(matches!(wrong, RotationError::Open(OpenError::WrongNewMasterKey)), "{wrong}");
    let found = examined(&fixture, &OLD);
    assert!(found.is_sound() && !is_skipped(&found), "nothing is wrapped by the new key yet: {found:#?}");
    assert!(matches!(rotate_all(&fixture).unwrap(), RotationEnd::Rotated { .. }));
    fixture.store.records.close().await;
    assert_rotated(&fixture);
}

#[tokio::test]
async fn keys_that_are_wrong_or_the_same_are_refused_before_anything_is_written() {
    let fixture = furnished().await;
    assert_eq!(rotate(&fixture, (OLD, OLD), usize::MAX).unwrap(), RotationEnd::Already);
    assert!(matches!(rotate(&fixture, (OTHER, OTHER), usize::MAX), Err(RotationError::Open(OpenError::WrongMasterKey))));
    assert!(matches!(rotate(&fixture, (OTHER, NEW), usize::MAX), Err(RotationError::Open(OpenError::WrongMasterKey))));
    open_at(&fixture, &fixture.place, OLD, 2).unwrap().records.close().await;
}

#[tokio::test]
async fn what_is_told_of_it() {
    let fixture = furnished().await;
    let mut told = Vec::new();
    rotate_master_key(&rotation(&fixture, (OLD, NEW)), &mut |step| {
        told.push(step);
        ControlFlow::Continue(())
    })
    .unwrap();
    let keys = |keys| RotationProgress::Rewrapped { keys };
    assert_eq!(told[..4], [RotationProgress::Begun, keys(2), keys(4), keys(5)]);
    assert!(told[4..].iter().all(|step| *step == keys(5)), "then nothing is left: {told:?}");
}
