//! What may go wrong when an SQLite file is opened has a name and a way out.

use std::sync::Arc;

use bellwire_domain::EventFilter;
use bellwire_domain::RoomLimits;
use bellwire_store::doctor::examine;
use bellwire_store::{Location, OpenError};
use bellwire_testkit::ManualClock;

use crate::backend::Place;
use crate::fixture::{Fixture, Store, event, options};

#[tokio::test]
async fn a_second_process_is_refused_and_a_closed_store_is_free() {
    let fixture = Fixture::new();
    let again = Store::open(options(&fixture.place, &fixture.clock, fixture.limits, 3)).map(drop);
    assert!(matches!(again, Err(OpenError::Locked { .. })));
    let fixture = fixture.reopen().await;
    fixture.store.records.check().await.unwrap();
}

#[test]
fn files_that_are_no_store_are_left_alone() {
    let clock = Arc::new(ManualClock::default());
    for content in [&b"this is a letter, not a database; it is long enough to be taken for one"[..], b"x"] {
        let place = Place::new();
        let path = place.path();
        std::fs::write(&path, content.repeat(40)).unwrap();
        let opened = Store::open(options(&place, &clock, RoomLimits::default(), 1)).map(drop);
        assert!(matches!(opened, Err(OpenError::NotADatabase { .. })), "{opened:?}");
        assert_eq!(std::fs::read(&path).unwrap(), content.repeat(40));
    }
}

#[test]
fn a_path_that_cannot_be_written_says_so() {
    let place = Place::new();
    let mut impossible = options(&place, &Arc::new(ManualClock::default()), RoomLimits::default(), 1);
    impossible.location = Location::Sqlite(place.path().with_file_name("missing").join("test.db"));
    let error = Store::open(impossible).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }) && error.to_string().contains("missing"), "{error}");
}

#[tokio::test]
async fn nothing_readable_of_a_payload_or_secret_is_in_the_files() {
    let fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let posted = event("e1", "x");
    let fingerprint = posted.fingerprint; // a digest of what is short could be found again by trying all
    fixture.publish(&account, vec![posted]).await.unwrap();
    for entry in std::fs::read_dir(fixture.place.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for needle in [&b"12345678901234567890"[..], b"secret of e", &fingerprint] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        }
    }
}

#[test]
fn what_is_no_store_is_refused() {
    let place = Place::new();
    let (path, location) = (place.path(), place.location());
    assert!(matches!(examine(&location, None), Err(OpenError::NotReadable { .. })));
    assert!(!path.exists(), "nothing is made");
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(examine(&location, None), Err(OpenError::NotADatabase { .. })));
    std::fs::write(&path, b"this is a letter, not a database; it is long enough to be taken for one".repeat(40)).unwrap();
    assert!(matches!(examine(&location, None), Err(OpenError::NotADatabase { .. })));
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (n INTEGER)").unwrap();
    assert!(matches!(examine(&location, None), Err(OpenError::NotADatabase { .. })));
}
