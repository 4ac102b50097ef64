//! A move that is stopped, at whatever instant, goes on or begins anew, and ends the same.

use std::sync::Mutex;

use bellwire_store::RelocationProgress::{Announced, Begun, Copied, ExaminingSource, ExaminingTarget, Resumed, SourceLeft};
use bellwire_store::{OpenError, Relocated, RelocationProgress};

use crate::fixture::{account_id, event};
use crate::furnished::Sides;

/// Whether something has just been written.
const fn is_written(progress: &RelocationProgress) -> bool {
    match progress {
        Announced | Begun | Copied { .. } | SourceLeft => true,
        ExaminingSource | ExaminingTarget | Resumed => false,
    }
}

/// Neither side may be served where both were; on the target never before the end.
#[track_caller]
fn assert_target_refused(sides: &Sides) {
    let refused = sides.open_target().map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Unfinished { .. }) && refused.to_string().contains("bellwire migrate"), "{refused}");
    assert_eq!(sides.psql("SELECT count(*) FROM nodes"), "0");
}

/// Every move is stopped after so many writes, until one ends.
async fn stopped_after(writes_max: usize) {
    let sides = Sides::new().await;
    let mut moves = 0;
    let ended = loop {
        let mut writes = 0;
        let mut seen = Vec::new();
        let ended = sides.relocate_until(|progress| {
            writes += usize::from(is_written(progress));
            seen.push(progress.clone());
            writes == writes_max
        });
        match ended.unwrap() {
            Relocated::Stopped => assert_target_refused(&sides),
            ended => break ended,
        }
        assert_eq!(seen[0], if moves == 0 { ExaminingSource } else { Resumed }, "{seen:?}");
        moves += 1;
        assert!(moves < 100, "it gets on: {seen:?}");
    };
    assert!(moves > 3, "{moves}");
    sides.assert_moved(&ended);
    assert_eq!(sides.relocate().unwrap(), Relocated::Already);
}

#[tokio::test]
async fn after_every_second_write() {
    stopped_after(2).await;
}

#[tokio::test]
async fn after_every_third_write() {
    stopped_after(3).await;
}

#[tokio::test]
async fn before_the_target_knows() {
    let sides = Sides::new().await;
    for _ in 0..2 {
        assert_eq!(sides.relocate_until(|progress| *progress == Announced).unwrap(), Relocated::Stopped);
    }
    let ended = sides.relocate_until(|progress| *progress == ExaminingSource).unwrap();
    sides.assert_moved(&ended); // it was examined already
}

#[tokio::test]
async fn between_the_last_two_marks_neither_side_starts() {
    let sides = Sides::new().await;
    assert_eq!(sides.relocate_until(|progress| *progress == SourceLeft).unwrap(), Relocated::Stopped);
    assert_target_refused(&sides);
    assert!(matches!(sides.open_source().map(drop), Err(OpenError::Moved { .. })));
    let ended = sides.relocate_until(is_written_before_the_end).unwrap();
    sides.assert_moved(&ended);
    assert_eq!(sides.relocate().unwrap(), Relocated::Already);
    let refused = sides.open_source().map(drop).unwrap_err().to_string();
    assert!(refused.contains("has been moved to postgres://bellwire@"), "{refused}");
    let target = sides.open_target().unwrap();
    assert_eq!(sides.relocate().unwrap(), Relocated::Already, "beside a node");
    target.records.close().await;
}

/// Nothing is copied again.
const fn is_written_before_the_end(progress: &RelocationProgress) -> bool {
    matches!(progress, Announced | Begun | Copied { .. })
}

#[tokio::test]
async fn in_the_middle_of_a_table() {
    let sides = Sides::new().await;
    let half = |progress: &RelocationProgress| matches!(progress, Copied { table: "events", rows, of } if rows < of);
    assert_eq!(sides.relocate_until(half).unwrap(), Relocated::Stopped);
    let there: u64 = sides.psql("SELECT count(*) FROM events").parse().unwrap();
    assert!(there > 0);
    let seen = Mutex::new(Vec::new());
    let ended = sides.relocate_until(|progress| {
        seen.lock().unwrap().push(progress.clone());
        false
    });
    sides.assert_moved(&ended.unwrap());
    let seen = seen.into_inner().unwrap();
    let first = seen.iter().find(|progress| is_written(progress)).unwrap();
    assert!(matches!(first, Copied { table: "events", rows, .. } if *rows > there), "{first:?}");
}

#[tokio::test]
async fn a_source_that_was_served_in_between_is_copied_anew() {
    let sides = Sides::new().await;
    let begun = |progress: &RelocationProgress| matches!(progress, Copied { table: "queue", .. });
    assert_eq!(sides.relocate_until(begun).unwrap(), Relocated::Stopped);
    let store = sides.open_source().unwrap();
    let account = store.records.find_account(&account_id("b")).await.unwrap().unwrap();
    store.records.commit_events(&account, vec![event("meanwhile", "x")]).await.unwrap();
    store.records.close().await;
    drop(store);
    assert_target_refused(&sides);
    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
    assert_eq!(sides.psql("SELECT count(*) FROM events WHERE id = 'meanwhile'"), "1");
}

#[tokio::test]
async fn what_is_missing_in_the_copy_is_found_and_the_source_is_left_as_it_was() {
    let sides = Sides::new().await;
    let copied = |progress: &RelocationProgress| matches!(progress, Copied { table: "resources", .. });
    for damage in ["DELETE FROM api_keys WHERE id = 'key_2'", "UPDATE accounts SET pending = pending + 1"] {
        assert_eq!(sides.relocate_until(copied).unwrap(), Relocated::Stopped);
        sides.psql(damage);
        let ended = sides.relocate().unwrap();
        let Relocated::TargetUnsound { examination, tables } = &ended else { panic!("{ended:?}") };
        let is_missing = tables.iter().any(|rows| rows.source != rows.target);
        assert_eq!((is_missing, examination.is_sound()), (damage.starts_with("DELETE"), is_missing));
        assert_target_refused(&sides);
    }
    let store = sides.open_source().unwrap();
    store.records.close().await;
    drop(store);
    let ended = sides.relocate().unwrap();
    sides.assert_moved(&ended);
}
