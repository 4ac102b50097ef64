//! Keeps the queue's table as small as what is live: clears dead rows away soon, and gives back the room of a backlog that is gone.
//!
//! What ends leaves a dead row and dead index entries behind, thousands in a second. Vacuuming lets the next rows use their room,
//! so that a busy queue stays as large as it was at its busiest. Once it is empty, `VACUUM` cuts the table's file off; indexes it
//! never makes smaller, but `TRUNCATE` does. That is invisible to every reader, an old snapshot as well, if the table has no page
//! left: rows that somebody may still see would have kept theirs.

use std::time::Duration;

use super::address::PostgresUrl;
use super::session::Session;
use crate::StoreError;
use crate::driver::{Db, params};

/// Dead rows in the queue that make a node vacuum it.
const DEAD_ROWS_MAX: i64 = 2_000;
/// Room that the empty queue and its indexes may keep, in bytes.
const KEPT_MAX: i64 = 8 << 20;
/// How long a vacuum may take.
const VACUUM_MAX: Duration = Duration::from_secs(45);

const STATE: &str =
    "SELECT n_dead_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables WHERE relid = to_regclass('queue')";
const IS_LIVE: &str = "SELECT EXISTS (SELECT 1 FROM queue)::int::bigint";
const VACUUM: &str = "VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE OFF) queue";
const CUT: &str = "VACUUM (SKIP_LOCKED, TRUNCATE ON) queue";
/// Whoever uses the queue goes first.
const LOCK: &str = "LOCK TABLE queue IN ACCESS EXCLUSIVE MODE NOWAIT";
const PAGES: &str = "SELECT pg_relation_size('queue')";
const CLEAR: &str = "TRUNCATE queue";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 3] = [STATE, IS_LIVE, PAGES];

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
    let Some(row) = Db::Postgres(session).find("queue", STATE, params![])? else { return Ok(None) };
    let (dead, bytes) = (row.int(0, "dead rows")?, row.int(1, "bytes")?);
    Ok(if bytes > KEPT_MAX && one(session, IS_LIVE)? == 0 {
        Some(Need::Room)
    } else {
        (dead > DEAD_ROWS_MAX).then_some(Need::Vacuum)
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
    Db::Postgres(session).find("queue", sql, params![])?.map_or(Ok(0), |row| row.int(0, "number"))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bellwire_domain::Timestamp;
    use bellwire_testkit::postgres::{Cluster, psql};

    use super::*;
    use crate::postgres::migrations;

    /// More than an empty queue may keep.
    const FILL: &str = "INSERT INTO queue (id, lane, number, event, attempts, created_at, due_at) \
         SELECT n, 1, n, n, 0, 0, 0 FROM generate_series(1, 60000) n";
    const SIZE: &str = "SELECT pg_total_relation_size('queue')";
    const WAIT_MAX: Duration = Duration::from_secs(20);

    struct Queue {
        url: String,
        session: Session,
    }

    impl Queue {
        /// A store's tables, with rows in the queue that are all dead.
        fn emptied() -> Self {
            let url = Cluster::shared().database();
            let session = Session::connect(&url.parse().unwrap(), None).unwrap();
            migrations::migrate(&session, &url.parse().unwrap(), Timestamp::from_micros(0)).unwrap();
            psql(&url, FILL);
            psql(&url, "DELETE FROM queue");
            Self { url, session }
        }

        fn bytes(&self) -> i64 {
            psql(&self.url, SIZE).parse().unwrap()
        }

        fn tidy(&self) {
            run(&self.url.parse().unwrap(), Need::Room).unwrap();
        }

        /// Whether tidying makes it small: not at once, where the server vacuums by itself.
        fn becomes_small(&self) -> bool {
            let until = Instant::now() + WAIT_MAX;
            while Instant::now() < until {
                self.tidy();
                if self.bytes() < 256 << 10 {
                    return true;
                }
            }
            false
        }

        /// What it needs once the server has counted.
        fn need_within(&self, expected: Option<Need>) -> bool {
            let until = Instant::now() + WAIT_MAX;
            while Instant::now() < until {
                if need(&self.session).unwrap() == expected {
                    return true;
                }
                std::thread::yield_now();
            }
            false
        }
    }

    #[test]
    fn an_empty_queue_gives_back_its_room() {
        let queue = Queue::emptied();
        assert!(queue.bytes() > KEPT_MAX, "{}", queue.bytes());
        assert!(queue.need_within(Some(Need::Room)));
        assert!(queue.becomes_small());
        assert!(queue.need_within(None));
    }

    #[test]
    fn what_somebody_may_still_see_stays() {
        let queue = Queue::emptied();
        psql(&queue.url, FILL);
        let reader = Session::connect(&queue.url.parse().unwrap(), None).unwrap();
        reader.begin_as("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").unwrap();
        assert_eq!(one(&reader, "SELECT COUNT(*) FROM accounts").unwrap(), 0);
        psql(&queue.url, "DELETE FROM queue");
        queue.tidy();
        assert_eq!(one(&reader, "SELECT COUNT(*) FROM queue").unwrap(), 60_000);
        reader.commit().unwrap();
        assert!(queue.becomes_small());
    }

    #[test]
    fn a_queue_in_use_is_left_alone() {
        let queue = Queue::emptied();
        let writer = Session::connect(&queue.url.parse().unwrap(), None).unwrap();
        writer.begin().unwrap();
        writer
            .batch("INSERT INTO queue (id, lane, number, event, attempts, created_at, due_at) VALUES (1, 1, 1, 1, 0, 0, 0)")
            .unwrap();
        queue.tidy();
        writer.commit().unwrap();
        assert_eq!(one(&queue.session, IS_LIVE).unwrap(), 1);
        queue.tidy();
        assert_eq!(one(&queue.session, "SELECT COUNT(*) FROM queue").unwrap(), 1);
    }
}
