//! The partitions of the history: a week of delivery ids each.
//!
//! A delivery's id begins with the time it was made, so ranges of ids are ranges of time, and dropping the partition of a week
//! drops what was made in it. They are made ahead, without a lock that would keep anybody from writing: a table is made by
//! itself, then attached. There is no default partition, since one would be locked and searched with every attachment; a row
//! of a week that nobody has made yet is refused by the server, and written once the writer has made it.

use std::collections::BTreeSet;

use bellwire_domain::{DeliveryId, Timestamp};

use super::locks::lock_until_end;
use crate::StoreError;
use crate::queue::ids::WEEK;
use crate::sql::{Db, Select, Session, columns, params};

/// Weeks made ahead of the one that is now.
const AHEAD: i64 = 3;
/// Held while partitions are made.
const MAKING: i64 = 0x6265_6c6c_0002;
/// Held while they are dropped, by one node at a time.
const DROPPING: i64 = 0x6265_6c6c_0003;
const TABLES: [&str; 2] = ["deliveries", "earlier_attempts"];

columns! {
    /// A partition, or a table that was one.
    struct Partition of "pg_class" {
        name: String = "c.relname",
        /// Attached (1), being detached (2) or neither (0).
        attachment: i64 = "CASE WHEN i.inhdetachpending THEN 2 WHEN i.inhrelid IS NOT NULL THEN 1 ELSE 0 END",
    }
}

const WEEKS: &str = "SELECT relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid \
     WHERE i.inhparent = to_regclass($1) ORDER BY relname";
static PARTITIONS: Select<Partition> = Select::new(
    "FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid \
     WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.relname LIKE $1 ORDER BY c.relname",
);
const TRY_LOCK: &str = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1 ELSE 0 END";
const QUEUED_WEEKS: &str = "SELECT DISTINCT id / $1 FROM queue";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 3] = [WEEKS, TRY_LOCK, QUEUED_WEEKS];

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    vec![PARTITIONS.sql()]
}

/// Makes the partitions of this week and the next ones.
pub(super) fn make_ahead(session: &Session, now: Timestamp) -> Result<(), StoreError> {
    let this = DeliveryId::after(DeliveryId::default(), now).number() / WEEK;
    make(session, &(this..=this + AHEAD).collect())
}

/// Makes the partitions of every week that a live delivery is of.
pub(super) fn make_queued(session: &Session) -> Result<(), StoreError> {
    let rows = Db::Postgres(session).query("queue", QUEUED_WEEKS, params![WEEK])?;
    make(session, &rows.iter().map(|row| row.value("week")).collect::<Result<_, _>>()?)
}

/// Makes the partitions of the weeks that these delivery ids are of.
pub(crate) fn make_of(session: &Session, ids: impl Iterator<Item = i64>) -> Result<(), StoreError> {
    make(session, &ids.map(|id| id / WEEK).collect())
}

fn make(session: &Session, weeks: &BTreeSet<i64>) -> Result<(), StoreError> {
    let missing = |table: &str| -> Result<Vec<i64>, StoreError> {
        let rows = Db::Postgres(session).query("pg_class", WEEKS, params![table])?;
        let names = rows.iter().map(|row| row.value::<&str>("relname")).collect::<Result<BTreeSet<_>, _>>()?;
        Ok(weeks.iter().copied().filter(|week| !names.contains(name(table, *week).as_str())).collect())
    };
    for table in TABLES {
        if missing(table)?.is_empty() {
            continue;
        }
        session.transaction(|| {
            lock_until_end(session, MAKING)?;
            session.batch("SET LOCAL lock_timeout = '3s'")?;
            for week in missing(table)? {
                let (name, from, to) = (name(table, week), week * WEEK, (week + 1) * WEEK);
                session.batch(&format!(
                    "CREATE TABLE {name} (LIKE {table} INCLUDING STORAGE); \
                     ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
                ))?;
                tracing::info!(partition = name, "made a partition");
            }
            Ok::<_, StoreError>(())
        })?;
    }
    Ok(())
}

/// Drops the partitions of which every id is below `from`, and returns how many. A partition is detached in the way that keeps
/// nobody from reading or writing; where that was interrupted, it is finished.
pub(super) fn drop_before(session: &Session, from: i64) -> Result<usize, StoreError> {
    let db = Db::Postgres(session);
    let locked: bool = db.get("pg_locks", TRY_LOCK, params![DROPPING])?.value("locked")?;
    if !locked {
        return Ok(0); // another node is at it
    }
    let mut dropped = 0;
    for table in TABLES {
        let pattern = format!("{}%", name_of_all(table));
        for Partition { name, attachment } in PARTITIONS.list(db, params![pattern.as_str()])? {
            let week = week_of(&name, table)?;
            if week >= from / WEEK {
                continue;
            }
            match attachment {
                0 => {}
                1 => session.batch(&format!("ALTER TABLE {table} DETACH PARTITION {name} CONCURRENTLY"))?,
                _ => session.batch(&format!("ALTER TABLE {table} DETACH PARTITION {name} FINALIZE"))?,
            }
            session.batch(&format!("DROP TABLE {name}"))?;
            tracing::info!(partition = name, "dropped a partition");
            dropped += 1;
        }
    }
    Ok(dropped)
}

fn week_of(partition: &str, table: &str) -> Result<i64, StoreError> {
    let week = partition.strip_prefix(&name_of_all(table)).and_then(|week| week.parse().ok());
    week.ok_or_else(|| StoreError::Inconsistent { table: "pg_class", column: "relname", id: partition.to_owned() })
}

/// Weeks are counted from 2020, where ids begin.
fn name(table: &str, week: i64) -> String {
    format!("{}{week:04}", name_of_all(table))
}

fn name_of_all(table: &str) -> String {
    format!("{table}_week_")
}
