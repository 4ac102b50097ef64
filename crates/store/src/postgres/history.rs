//! The partitions of the history: a week of delivery ids each.
//!
//! A delivery's id begins with the time it was made, so ranges of ids are ranges of time, and dropping the partition of a week
//! drops what was made in it. They are made ahead, without a lock that would keep anybody from writing: a table is made by
//! itself, then attached. There is no default partition, since one would be locked and searched with every attachment; a row
//! of a week that nobody has made yet is refused by the server, and written once the writer has made it.

use std::collections::BTreeSet;

use bellwire_domain::{DeliveryId, Timestamp};

use super::session::Session;
use crate::StoreError;
use crate::driver::{Db, params};

/// Ids of a week: milliseconds, and 22 bits below them.
const WEEK: i64 = (7 * 24 * 60 * 60 * 1_000) << 22;
/// Weeks made ahead of the one that is now.
const AHEAD: i64 = 3;
/// Held while partitions are made.
const MAKING: i64 = 0x6265_6c6c_0002;
const TABLES: [&str; 2] = ["deliveries", "earlier_attempts"];

const WEEKS: &str = "SELECT relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid \
     WHERE i.inhparent = to_regclass($1) ORDER BY relname";
const QUEUED_WEEKS: &str = "SELECT DISTINCT id / $1 FROM queue";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [WEEKS, QUEUED_WEEKS];

/// Makes the partitions of this week and the next ones.
pub(super) fn make_ahead(session: &Session, now: Timestamp) -> Result<(), StoreError> {
    let this = DeliveryId::after(DeliveryId::default(), now).number() / WEEK;
    make(session, &(this..=this + AHEAD).collect())
}

/// Makes the partitions of every week that a live delivery is of.
pub(super) fn make_queued(session: &Session) -> Result<(), StoreError> {
    let rows = Db::Postgres(session).query("queue", QUEUED_WEEKS, params![WEEK])?;
    make(session, &rows.iter().map(|row| row.int(0, "week")).collect::<Result<_, _>>()?)
}

/// Makes the partitions of the weeks that these delivery ids are of.
pub(crate) fn make_of(session: &Session, ids: impl Iterator<Item = i64>) -> Result<(), StoreError> {
    make(session, &ids.map(|id| id / WEEK).collect())
}

fn make(session: &Session, weeks: &BTreeSet<i64>) -> Result<(), StoreError> {
    let missing = |table: &str| -> Result<Vec<i64>, StoreError> {
        let rows = Db::Postgres(session).query("pg_class", WEEKS, params![table])?;
        let names = rows.iter().map(|row| row.text(0, "relname")).collect::<Result<BTreeSet<_>, _>>()?;
        Ok(weeks.iter().copied().filter(|week| !names.contains(name(table, *week).as_str())).collect())
    };
    for table in TABLES {
        if missing(table)?.is_empty() {
            continue;
        }
        session.transaction(|| {
            session.lock_until_end(MAKING)?;
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

/// Weeks are counted from 2020, where ids begin.
fn name(table: &str, week: i64) -> String {
    format!("{table}_week_{week:04}")
}
