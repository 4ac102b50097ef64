//! `meta`: what a database says of itself, by name.

use bellwire_domain::Entropy;

use crate::seal::Keyring;
use crate::sql::{Db, params};
use crate::{OpenError, StoreError};

/// By this a key is recognized as the one that the store was made with.
pub(crate) const CANARY: &str = "canary";

const GET: &str = "SELECT value FROM meta WHERE key = $1";
const PUT: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const PUT_FIRST: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
/// Only over what this process has written itself: two that fill one database must not both go on.
const REPLACE: &str = "UPDATE meta SET value = $3 WHERE key = $1 AND value = $2";
const DELETE: &str = "DELETE FROM meta WHERE key = $1";

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
    Ok(db.execute(REPLACE, params![key, before, value])? > 0)
}

/// Gives a name a value unless it has one; whether it had none.
pub(crate) fn put_first(db: Db<'_>, key: &str, value: &[u8]) -> Result<bool, StoreError> {
    Ok(db.execute(PUT_FIRST, params![key, value])? > 0)
}

pub(crate) fn delete(db: Db<'_>, key: &str) -> Result<(), StoreError> {
    db.execute(DELETE, params![key]).map(drop)
}

/// The value that another database needs, so that the same key opens it.
pub(crate) fn canary(db: Db<'_>) -> Result<Vec<u8>, StoreError> {
    find(db, CANARY)?.ok_or_else(|| inconsistent(CANARY))
}

/// Whether this is the key that the store was made with.
pub(crate) fn check_master_key(db: Db<'_>, keyring: &Keyring) -> Result<(), OpenError> {
    match find(db, CANARY)? {
        Some(canary) if keyring.opens_canary(&canary) => Ok(()),
        _ => Err(OpenError::WrongMasterKey),
    }
}

/// The same; a database that is new remembers the key.
pub(crate) fn adopt_master_key(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), OpenError> {
    let canary = keyring.seal_canary(entropy);
    put_first(db, CANARY, &canary)?;
    check_master_key(db, keyring)
}

/// A value that cannot be understood.
pub(crate) fn inconsistent(key: &str) -> StoreError {
    StoreError::Inconsistent { table: "meta", column: "value", id: key.to_owned() }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    [GET, PUT, PUT_FIRST, DELETE].map(str::to_owned).into()
}

#[cfg(test)]
pub(crate) const REPLACE_STATEMENT: &str = REPLACE;
