//! Tidying against a real server.

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
