//! Keeps the queue's table as small as what is live: clears dead rows away soon, and gives back the room of a backlog that is gone.
//!
//! What ends leaves a dead row and dead index entries behind, thousands in a second. Vacuuming lets the next rows use their room,
//! so that a busy queue stays as large as it was at its busiest. Once it is empty, `VACUUM` cuts the table's file off; indexes it
//! never makes smaller, but `TRUNCATE` does. That is invisible to every reader, an old snapshot as well, if the table has no page
//! left: rows that somebody may still see would have kept theirs.

use std::time::Duration;

use crate::StoreError;
use crate::sql::{Db, PostgresUrl, Select, Session, columns, params};

/// Dead rows in the queue that make a node vacuum it.
const DEAD_ROWS_MAX: i64 = 2_000;
/// Room that the empty queue and its indexes may keep, in bytes.
const KEPT_MAX: i64 = 8 << 20;
/// How long a vacuum may take.
const VACUUM_MAX: Duration = Duration::from_secs(45);

columns! {
    /// What the server counts of the queue's table.
    struct TableState of "pg_stat_user_tables" {
        dead_rows: i64 = "n_dead_tup",
        bytes: i64 = "pg_total_relation_size(relid)",
    }
}

static STATE: Select<TableState> = Select::new("FROM pg_stat_user_tables WHERE relid = to_regclass('queue')");
const IS_LIVE: &str = "SELECT EXISTS (SELECT 1 FROM queue)::int::bigint";
const VACUUM: &str = "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) queue";
const CUT: &str = "VACUUM (SKIP_LOCKED, TRUNCATE ON) queue";
/// Whoever uses the queue goes first.
const LOCK: &str = "LOCK TABLE queue IN ACCESS EXCLUSIVE MODE NOWAIT";
const PAGES: &str = "SELECT pg_relation_size('queue')";
const CLEAR: &str = "TRUNCATE queue";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [IS_LIVE, PAGES];

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    vec![STATE.sql()]
}

/// What the queue's table needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Dead rows are to be cleared away.
    Vacuum,
    /// It is empty, and larger than it has to be.
    Room,
}

/// What has to be done, if anything.
pub(super) fn need(session: &Session) -> Result<Option<Need>, StoreError> {
    let Some(TableState { dead_rows, bytes }) = STATE.find(Db::Postgres(session), params![])? else { return Ok(None) };
    Ok(if bytes > KEPT_MAX && one(session, IS_LIVE)? == 0 {
        Some(Need::Room)
    } else {
        (dead_rows > DEAD_ROWS_MAX).then_some(Need::Vacuum)
    })
}

/// Does it, on a connection of its own: it may take longer than a beat.
pub(super) fn run(url: &PostgresUrl, need: Need) -> Result<(), StoreError> {
    let session = Session::connect(url, None)?;
    match need {
        Need::Vacuum => session.batch_within(VACUUM, VACUUM_MAX),
        Need::Room => {
            session.batch_within(CUT, VACUUM_MAX)?;
            if let Err(error) = session.transaction(|| clear(&session)) {
                tracing::debug!(error = %error, "the queue keeps its room, for it is in use");
            }
            Ok(())
        }
    }
}

/// Makes the indexes of a table without pages as small as that, within a transaction.
fn clear(session: &Session) -> Result<(), StoreError> {
    session.batch(LOCK)?;
    if one(session, PAGES)? == 0 { session.batch(CLEAR) } else { Ok(()) }
}

fn one(session: &Session, sql: &str) -> Result<i64, StoreError> {
    Db::Postgres(session).get("queue", sql, params![])?.value("number")
}

#[cfg(test)]
mod tests;
