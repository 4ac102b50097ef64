//! What cannot be moved is refused before anything is written, with what to do about it.

use bellwire_store::{MasterKey, OpenError, Relocated, Relocation, RelocationProgress, relocate};
use rusqlite::Connection;

use crate::furnished::{KEY, Sides};

#[track_caller]
fn refused(sides: &Sides, words: &[&str]) {
    let error = sides.relocate().unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

fn marked(sides: &Sides) -> i64 {
    let connection = Connection::open(sides.place.path()).unwrap();
    connection.query_row("SELECT count(*) FROM meta WHERE key = 'move'", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_target_that_holds_something_else() {
    let sides = Sides::new().await;
    let store = sides.open_target().unwrap();
    store.records.close().await;
    drop(store);
    sides.psql(
        "INSERT INTO accounts \
         (ref, id, contract, sandbox, entitlements, data_key_sealed, last_seq, pending, version, created_at, updated_at) \
         VALUES (1, 'x', 'noyo', 0, '[]', '', 0, 0, 1, 0, 0)",
    );
    refused(&sides, &["holds data already", "empty database", "postgres://bellwire@"]);
    assert_eq!(sides.psql("SELECT count(*) FROM accounts"), "1");

    let other_program = Sides { url: bellwire_testkit::postgres::Cluster::shared().database(), ..sides };
    other_program.psql("CREATE TABLE theirs (n INTEGER)");
    refused(&other_program, &["another program's tables"]);
    assert_eq!(marked(&other_program), 0);
}

#[tokio::test]
async fn a_target_with_a_node_at_work() {
    let sides = Sides::new().await;
    let store = sides.open_target().unwrap();
    refused(&sides, &["a node is registered on it", "stop every `bellwire serve`"]);
    assert_eq!(marked(&sides), 0);
    store.records.close().await;
    drop(store);
    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
}

#[tokio::test]
async fn a_target_into_which_another_store_is_moved() {
    let sides = Sides::new().await;
    let begun = |progress: &RelocationProgress| *progress == RelocationProgress::Begun;
    assert_eq!(sides.relocate_until(begun).unwrap(), Relocated::Stopped);
    let other = Sides { url: sides.url.clone(), ..Sides::new().await };
    refused(&other, &["unfinished", "test.db", "bellwire migrate"]);
    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
    refused(&other, &["holds data already"]);
}

#[tokio::test]
async fn a_source_that_is_elsewhere_already() {
    let sides = Sides::new().await;
    let first = sides.url.clone();
    // Two targets, of which the first was only left to be completed: it never will be.
    let verified = |progress: &RelocationProgress| *progress == RelocationProgress::ExaminingTarget;
    assert_eq!(sides.relocate_until(verified).unwrap(), Relocated::Stopped);
    let sides = Sides { url: bellwire_testkit::postgres::Cluster::shared().database(), ..sides };
    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
    let sides = Sides { url: first, ..sides };
    refused(&sides, &["has been moved to postgres://bellwire@"]);
    assert!(matches!(sides.open_target().map(drop), Err(OpenError::Unfinished { .. })));
}

#[tokio::test]
async fn another_master_key() {
    let sides = Sides::new().await;
    let wrong = Relocation { master_key: MasterKey::new([1; 32]), ..sides.relocation() };
    let refused = relocate(&wrong, &mut |_| std::ops::ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(refused, OpenError::WrongMasterKey));
    assert_eq!(sides.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0", "nothing is made there");
}

#[tokio::test]
async fn a_source_whose_master_key_is_being_rotated() {
    let sides = Sides::new().await;
    let prepared = sides.open_source_with(KEY.replaced_by(MasterKey::new([1; 32]))).unwrap();
    prepared.records.close().await;
    drop(prepared);
    refused(&sides, &["is being rotated", "finish that with `bellwire keys rotate-master` first"]);
}

#[tokio::test]
async fn a_source_that_a_server_has_open_and_one_that_is_none() {
    let sides = Sides::new().await;
    let store = sides.open_source().unwrap();
    refused(&sides, &["another process has this database open"]);
    store.records.close().await;
    drop(store);

    // And the other way round.
    let mut while_moving = None;
    let ended = sides.relocate_until(|progress| {
        if *progress == RelocationProgress::Begun {
            while_moving = Some(sides.open_source().map(drop).unwrap_err().to_string());
        }
        false
    });
    sides.assert_moved(&ended.unwrap());
    assert!(while_moving.unwrap().contains("another process has this database open"));

    let nothing = crate::backend::Place::new();
    let missing = Relocation { from: nothing.path(), ..sides.relocation() };
    let refused = relocate(&missing, &mut |_| std::ops::ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(refused, OpenError::NotReadable { .. }), "{refused}");
    assert!(!nothing.path().exists(), "nothing is made");
}

#[tokio::test]
async fn a_source_that_is_not_sound() {
    let sides = Sides::new().await;
    let damage = "UPDATE accounts SET pending = pending + 1 WHERE id = 'a'";
    Connection::open(sides.place.path()).unwrap().execute_batch(damage).unwrap();
    let ended = sides.relocate().unwrap();
    let Relocated::SourceUnsound(examination) = &ended else { panic!("{ended:?}") };
    assert!(!examination.is_sound() && marked(&sides) == 0);
    assert_eq!(sides.psql("SELECT count(*) FROM meta"), "0");
}
