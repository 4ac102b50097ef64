//! Locks that have no row: held by one node at a time, until the end of a transaction.

use crate::StoreError;
use crate::sql::{Session, params};

const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 1] = [LOCK];

/// Keeps every other node from what `key` stands for, until the transaction ends.
pub(super) fn lock_until_end(session: &Session, key: i64) -> Result<(), StoreError> {
    session.execute(LOCK, params![key]).map(drop)
}
