//! Pipelines against a real server.

use super::*;
use crate::sql::Fault;
use crate::sql::params;
use crate::tests::migrated;

const INSERT: &str = "INSERT INTO numbers (number) VALUES ($1)";

/// A table in which no number may be twice, checked when `checked` says.
fn with_numbers(checked: &str) -> Session {
    let (session, _) = migrated();
    session.batch(&format!("CREATE TEMPORARY TABLE numbers (number BIGINT UNIQUE {checked})")).unwrap();
    session
}

fn count(session: &Session) -> i64 {
    session.query("numbers", "SELECT COUNT(*) FROM numbers", &[]).unwrap()[0].value("count").unwrap()
}

#[test]
fn steps_are_taken_in_order_and_each_is_answered() {
    let session = with_numbers("");
    let insert = session.bind("numbers", INSERT, &[], params![1i64]).unwrap();
    let read = session.bind("numbers", "SELECT number FROM numbers", &[], &[]).unwrap();
    assert!(session.begin_with(&read).unwrap().is_empty());
    let answers = session.pipeline([Step::Run(&insert), Step::Run(&read), Step::Commit]).unwrap();
    assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0]);
    session.batch("ROLLBACK").unwrap(); // of nothing: it is committed
    assert_eq!(count(&session), 1);
}

#[test]
fn a_commit_behind_a_statement_that_failed_takes_everything_back() {
    let session = with_numbers("");
    let insert = session.bind("numbers", INSERT, &[], params![1i64]).unwrap();
    session.begin_with(&insert).unwrap();
    let refused = session.pipeline([Step::Run(&insert), Step::Commit]).unwrap_err();
    assert!(matches!(&refused, StoreError::Database(why) if why.to_string().contains("23505")), "{refused:?}");
    assert_eq!((session.take_fault(), count(&session)), (Fault::None, 0));
}

#[test]
fn after_a_commit_that_failed_the_connection_is_lost() {
    let session = with_numbers("DEFERRABLE INITIALLY DEFERRED");
    let insert = session.bind("numbers", INSERT, &[], params![1i64]).unwrap();
    session.begin_with(&insert).unwrap();
    session.pipeline([Step::Run(&insert), Step::Commit]).unwrap_err();
    assert_eq!(session.take_fault(), Fault::Lost);
}
