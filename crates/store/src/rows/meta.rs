//! `meta`: what a database says of itself, by name.

use crate::StoreError;
use crate::sql::{Db, params};

const GET: &str = "SELECT value FROM meta WHERE key = $1";
const PUT: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const PUT_FIRST: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
/// Only over what this process has written itself: two that fill one database must not both go on.
const REPLACE: &str = "UPDATE meta SET value = $1 WHERE key = $2 AND value = $3";
const DELETE: &str = "DELETE FROM meta WHERE key = $1";
const DELETE_BETWEEN: &str = "DELETE FROM meta WHERE key >= $1 AND key < $2";
const LOCK: &str = "SELECT value FROM meta WHERE key = $1 FOR UPDATE";
const SHARE: &str = "SELECT value FROM meta WHERE key = $1 FOR SHARE";

/// The value of a name.
pub(crate) fn find(db: Db<'_>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    db.find("meta", GET, params![key])?.map(|row| row.value("value")).transpose()
}

/// Gives a name a value.
pub(crate) fn put(db: Db<'_>, key: &str, value: &[u8]) -> Result<(), StoreError> {
    db.execute(PUT, params![key, value]).map(drop)
}

/// Gives a name another value in place of the one that it has; `false`: it has another one.
pub(crate) fn replace(db: Db<'_>, key: &str, before: &[u8], value: &[u8]) -> Result<bool, StoreError> {
    Ok(db.execute(REPLACE, params![value, key, before])? > 0)
}

/// Gives a name a value unless it has one; whether it had none.
pub(crate) fn put_first(db: Db<'_>, key: &str, value: &[u8]) -> Result<bool, StoreError> {
    Ok(db.execute(PUT_FIRST, params![key, value])? > 0)
}

pub(crate) fn delete(db: Db<'_>, key: &str) -> Result<(), StoreError> {
    db.execute(DELETE, params![key]).map(drop)
}

/// Forgets every name that begins with `prefix`, which ends with a dot.
pub(crate) fn delete_below(db: Db<'_>, prefix: &str) -> Result<(), StoreError> {
    let end = prefix.strip_suffix('.').map(|name| format!("{name}/")).unwrap_or_default(); // a slash follows a dot
    db.execute(DELETE_BETWEEN, params![prefix, end.as_str()]).map(drop)
}

/// The value of a name, which no other node changes until the transaction ends.
pub(crate) fn lock(db: Db<'_>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    locked(db, key, LOCK)
}

/// The same, for several at once: whoever changes it waits for all of them.
pub(crate) fn share(db: Db<'_>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    locked(db, key, SHARE)
}

fn locked(db: Db<'_>, key: &str, sql: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = if db.is_shared() { sql } else { GET };
    db.find("meta", sql, params![key])?.map(|row| row.value("value")).transpose()
}

/// A value that cannot be understood.
pub(crate) fn inconsistent(key: &str) -> StoreError {
    StoreError::Inconsistent { table: "meta", column: "value", id: key.to_owned() }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    [GET, PUT, PUT_FIRST, REPLACE, DELETE, DELETE_BETWEEN].map(str::to_owned).into()
}

#[cfg(test)]
pub(crate) const POSTGRES_STATEMENTS: [&str; 2] = [LOCK, SHARE];
