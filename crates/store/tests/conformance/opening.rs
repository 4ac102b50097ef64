//! What may go wrong when a store is opened has a name and a way out.

use std::sync::Arc;

use bellwire_store::{HandOffLimits, MasterKey, OpenError, Store};
use bellwire_testkit::ManualClock;

use crate::fixture::{Fixture, options};

#[tokio::test]
async fn a_second_process_is_refused_and_a_closed_store_is_free() {
    let fixture = Fixture::new();
    assert!(matches!(fixture.try_open_again(), Err(OpenError::Locked { .. })));
    let fixture = fixture.reopen().await;
    fixture.store.check().await.unwrap();
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let fixture = Fixture::new();
    fixture.store.close().await;
    let Fixture { store, claimed, clock, folder, limits } = fixture;
    drop((store, claimed));
    let mut wrong = options(&folder, &clock, limits, 2);
    wrong.master_key = MasterKey::new([8; 32]);
    assert!(matches!(Store::open(wrong).map(drop), Err(OpenError::WrongMasterKey)));
}

#[test]
fn files_that_are_no_store_are_left_alone() {
    let clock = Arc::new(ManualClock::default());
    for content in [&b"this is a letter, not a database; it is long enough to be taken for one"[..], b"x"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        std::fs::write(&path, content.repeat(40)).unwrap();
        let opened = Store::open(options(&folder, &clock, HandOffLimits::default(), 1)).map(drop);
        assert!(matches!(opened, Err(OpenError::NotADatabase { .. })), "{opened:?}");
        assert_eq!(std::fs::read(&path).unwrap(), content.repeat(40));
    }
}

#[test]
fn a_path_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut impossible = options(&folder, &Arc::new(ManualClock::default()), HandOffLimits::default(), 1);
    impossible.path = folder.path().join("missing").join("test.db");
    let error = Store::open(impossible).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }) && error.to_string().contains("missing"), "{error}");
}
