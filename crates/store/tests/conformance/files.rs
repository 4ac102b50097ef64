//! What may go wrong when an SQLite file is opened has a name and a way out.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::RoomLimits;
use bellwire_domain::{Decision, EventFilter, RetentionPeriods};
use bellwire_store::doctor::examine;
use bellwire_store::{Location, NewEvent, OpenError, Removed};
use bellwire_testkit::ManualClock;

use crate::backend::Place;
use crate::fixture::{Fixture, Store, account_id, event, history_of, options};

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

/// What is in every file of the database.
fn all_bytes(fixture: &Fixture) -> Vec<u8> {
    let folder = std::fs::read_dir(fixture.place.path().parent().unwrap()).unwrap();
    folder.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// How many of these stand in the files.
fn carved(fixture: &Fixture, sealed: &[Vec<u8>]) -> usize {
    let bytes = all_bytes(fixture);
    sealed.iter().filter(|needle| bytes.windows(needle.len()).any(|window| window == needle.as_slice())).count()
}

/// The starts of everything sealed that a query finds.
fn sealed(fixture: &Fixture, sql: &str) -> Vec<Vec<u8>> {
    let connection = rusqlite::Connection::open(fixture.place.path()).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(|sealed| sealed.unwrap().into_iter().take(32).collect()).collect()
}

/// An account with events of all sizes: within a page, and over many.
async fn with_events(fixture: &mut Fixture, id: &str) {
    let account = fixture.account(id).await;
    fixture.endpoint(id, "e", EventFilter::All).await;
    for number in 0..40 {
        let data = format!("{{\"n\":\"{}\"}}", "health".repeat(number * number));
        let posted = NewEvent { data: data.into(), ..event(&format!("{id}{number}"), "x") };
        fixture.publish(&account, vec![posted]).await.unwrap();
        for delivery in fixture.take().await {
            fixture.record(&delivery, Decision::Delivered).await;
        }
    }
}

#[tokio::test]
async fn nothing_of_a_deleted_account_can_be_carved_from_the_files() {
    let mut fixture = Fixture::new();
    for id in ["a", "b"] {
        with_events(&mut fixture, id).await;
    }
    let of = |id: &str| {
        let mut all = sealed(&fixture, &format!("SELECT data_key_sealed FROM accounts WHERE id = '{id}'"));
        let events = "SELECT e.payload_sealed FROM events e JOIN accounts a ON a.ref = e.account WHERE a.id = ";
        all.extend(sealed(&fixture, &format!("{events}'{id}'")));
        all
    };
    let (gone, kept) = (of("a"), of("b"));
    assert_eq!((carved(&fixture, &gone), carved(&fixture, &kept)), (41, 41));
    assert!(fixture.store.records.delete_account(&account_id("a")).await.unwrap());
    while fixture.store.queue.advance_deletion().await.unwrap().is_some_and(|step| step.left.is_some()) {}
    assert_eq!((carved(&fixture, &gone), carved(&fixture, &kept)), (0, 41));
    fixture.assert_sound();
}

#[tokio::test]
async fn nothing_that_was_erased_can_be_carved_from_the_files_also_after_a_crash_in_the_middle() {
    let mut fixture = Fixture::new();
    with_events(&mut fixture, "a").await; // all about `patient-1`
    let account = fixture.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    for number in 0..80 {
        let subjects = vec![if number % 4 == 0 { "patient-2" } else { "patient-1" }.to_owned()];
        let data = format!("{{\"n\":\"{}\"}}", "health".repeat(number)).into();
        let posted = NewEvent { subjects, data, ..event(&format!("more{number}"), "x") };
        fixture.publish(&account, vec![posted]).await.unwrap();
    }
    let about = |name: &str, column: &str, table: &str, place: &str| {
        let is_about = if name == "patient-2" { "IN" } else { "NOT IN" };
        let kept = "SELECT place FROM events WHERE id LIKE 'more%' AND CAST(SUBSTR(id, 5) AS INTEGER) % 4 = 0";
        sealed(&fixture, &format!("SELECT {column} FROM {table} WHERE {place} {is_about} ({kept}) AND {column} IS NOT NULL"))
    };
    let mut gone = about("patient-1", "payload_sealed", "events", "place");
    gone.extend(about("patient-1", "response_sealed", "deliveries", "event"));
    let kept = about("patient-2", "payload_sealed", "events", "place");
    assert_eq!((gone.len(), kept.len()), (140, 20));
    assert_eq!((carved(&fixture, &gone), carved(&fixture, &kept)), (140, 20));
    fixture.store.records.start_erasure(crate::privacy::new_erasure("era_1", "a", "patient-1")).await.unwrap();
    fixture.store.queue.advance_erasure(None).await.unwrap();
    fixture = fixture.killed();
    assert!(carved(&fixture, &gone) > 0);
    crate::privacy::run(&fixture).await;
    assert_eq!((carved(&fixture, &gone), carved(&fixture, &kept)), (0, 20));
    fixture.assert_sound();
}

#[tokio::test]
async fn nothing_that_retention_removed_can_be_carved_from_the_files() {
    let mut fixture = Fixture::new();
    with_events(&mut fixture, "a").await;
    let gone = sealed(&fixture, "SELECT payload_sealed FROM events");
    assert_eq!(carved(&fixture, &gone), 40);
    fixture.clock.advance(Duration::from_secs(60 * 24 * 60 * 60));
    let removed = fixture.store.queue.retain(history_of(Duration::from_secs(24 * 60 * 60))).await.unwrap();
    assert_eq!(removed.events, 40);
    assert_eq!(carved(&fixture, &gone), 0);
}

#[tokio::test]
async fn a_log_that_was_not_emptied_before_a_death_is_emptied_at_the_start() {
    let mut fixture = Fixture::new();
    with_events(&mut fixture, "a").await;
    let gone = sealed(&fixture, "SELECT data_key_sealed FROM accounts");
    // What a process leaves that dies between the last commit of a deletion and the emptying of the log.
    let reader = rusqlite::Connection::open(fixture.place.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM accounts;").unwrap();
    assert!(fixture.store.records.delete_account(&account_id("a")).await.unwrap());
    while fixture.store.queue.advance_deletion().await.unwrap().is_some_and(|step| step.left.is_some()) {}
    assert_eq!(carved(&fixture, &gone), 1, "a reader kept it");
    drop(reader);
    let fixture = fixture.killed();
    assert_eq!(carved(&fixture, &gone), 0);
}

#[tokio::test]
async fn a_round_of_retention_that_finds_nothing_old_writes_nothing() {
    let mut fixture = Fixture::new();
    for id in ["a", "b", "c"] {
        let account = fixture.account(id).await;
        fixture.endpoint(id, "e", EventFilter::All).await;
        fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    }
    for delivery in fixture.take().await {
        fixture.record(&delivery, Decision::Delivered).await;
    }
    let year = Some(Duration::from_secs(365 * 86_400));
    let everybody = RetentionPeriods { history: year, payloads: year, disclosures: year, ..RetentionPeriods::default() };
    let first = fixture.store.queue.retain(everybody).await.unwrap(); // writes down from where on history is kept
    assert_eq!(first, Removed::default());
    let watching = rusqlite::Connection::open(fixture.place.path()).unwrap();
    let version = || watching.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = version();
    fixture.store.queue.retain(everybody).await.unwrap();
    fixture.store.queue.expire(everybody).await.unwrap();
    assert_eq!(version(), before);
    fixture.account("d").await;
    assert_ne!(version(), before, "what is written is seen");
}
