//! API keys.

use bellwire_domain::{AccountId, KeyId, Role, Timestamp};
use sha2::{Digest, Sha256};

use super::sessions;
use crate::StoreError;
use crate::audit::effect::Effect;
use crate::page::{Page, PageRequest};
use crate::queue::notice::Notice;
use crate::rows::key::{self, ApiKey, KeyColumns, KeyRow};
use crate::seal::DataKey;
use crate::sql::{Db, Insert, Select, params};

/// The digest under which a key is stored and found.
pub fn key_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

static BY_HASH: Select<KeyColumns> = Select::new("FROM api_keys k WHERE k.hash = $1");
static PAGE: Select<KeyColumns> = Select::new("FROM api_keys k WHERE k.id > $1 ORDER BY k.id LIMIT $2");
/// To the minute, and never back: several nodes may say so.
const USED: &str = "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)";
const INSERT_REST: &str = "ON CONFLICT (hash) DO NOTHING";
const DELETE: &str = "DELETE FROM api_keys WHERE id = $1";
const DELETE_BEFORE: &str = "DELETE FROM api_keys WHERE id = $1 OR hash = $2";
const OTHER_ADMINS: &str =
    "SELECT COUNT(*) FROM api_keys WHERE role = 'admin' AND id <> $1 AND (expires_at IS NULL OR expires_at > $2)";
const ROLE: &str = "SELECT role FROM api_keys WHERE id = $1";
/// Two nodes that revoke one key each, the last two there are, do so one after the other.
const LOCK: &str = "SELECT id FROM api_keys WHERE role = 'admin' ORDER BY id FOR UPDATE";
const ENDS: &str = "SELECT MAX(COALESCE(expires_at, $1)) AS last FROM api_keys WHERE role = 'admin'";
const ANY_ADMIN: &str = "SELECT id FROM api_keys WHERE role = 'admin' LIMIT 1";

/// The key with that digest. One whose row is not as it was written is none.
pub(super) fn find_by_hash(db: Db<'_>, store_key: &DataKey, digest: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    let found = BY_HASH.find(db, params![&key::lookup(store_key, digest)[..]])?.map(|row| row.opened(store_key));
    if let Some(forged) = found.as_ref().filter(|key| !key.is_genuine) {
        tracing::error!(key.id = %forged.id, "the row of this API key was changed in the database: it lets nobody in");
    }
    Ok(found.filter(|key| key.is_genuine))
}

pub(super) fn list(db: Db<'_>, store_key: &DataKey, page: &PageRequest) -> Result<Page<ApiKey>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    let rows = PAGE.list(db, params![after, page.fetch()])?;
    Ok(page.cut(rows.into_iter().map(|row| row.opened(store_key)).collect(), |key: &ApiKey| key.id.to_string()))
}

/// Stores a key; one that is stored already stays as it is.
pub(super) fn create(db: Db<'_>, store_key: &DataKey, key: &ApiKey, digest: &[u8; 32]) -> Result<(), StoreError> {
    let hash = key::lookup(store_key, digest);
    let (accounts, seal) = (key::write_accounts(&key.bounds), key::seal(store_key, key, &hash));
    let row = KeyRow {
        id: key.id.as_str(),
        role: key.role.as_str(),
        account_id: key.account_id.as_ref().map(AccountId::as_str),
        accounts: &accounts,
        contract: key.bounds.contract.as_deref(),
        write_only: key.bounds.write_only,
        name: key.name.as_deref(),
        prefix: key.prefix.as_deref(),
        hash: &hash,
        seal: Some(&seal),
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        expires_at: key.expires_at,
    };
    Insert::put(db, row, INSERT_REST).map(drop)
}

/// Notes when keys were used last.
pub(super) fn note_use(db: Db<'_>, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
    used.iter().try_for_each(|(id, at)| db.execute(USED, params![*at, id.as_str()]).map(drop))
}

/// Stores the key of this id in place of the one that has the id, or the text, now.
pub(super) fn replace(db: Db<'_>, store_key: &DataKey, key: &ApiKey, digest: &[u8; 32]) -> Result<(), StoreError> {
    db.execute(DELETE_BEFORE, params![key.id.as_str(), &key::lookup(store_key, digest)[..]])?;
    sessions::end_of_key(db, &key.id)?;
    create(db, store_key, key, digest)?;
    Notice::Keys.tell(db)
}

/// What came of asking to revoke a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDeletion {
    /// It works no more.
    Deleted,
    /// It is the last admin key that works, and stays.
    LastAdmin,
    /// There is no such key.
    NotFound,
}

impl Effect for KeyDeletion {
    fn happened(&self) -> bool {
        *self == Self::Deleted
    }
}

pub(super) fn delete(db: Db<'_>, id: &KeyId, now: Timestamp) -> Result<KeyDeletion, StoreError> {
    if db.is_shared() {
        db.query("api_keys", LOCK, params![])?;
    }
    let Some(row) = db.find("api_keys", ROLE, params![id.as_str()])? else { return Ok(KeyDeletion::NotFound) };
    let is_admin = row.value::<Role>("role")? == Role::Admin;
    if is_admin && db.get("api_keys", OTHER_ADMINS, params![id.as_str(), now])?.value::<i64>("count")? == 0 {
        return Ok(KeyDeletion::LastAdmin);
    }
    db.execute(DELETE, params![id.as_str()])?;
    Notice::Keys.tell(db)?;
    Ok(KeyDeletion::Deleted)
}

/// When the last admin key expires; `None`: one never does, or there is none.
pub(super) fn admins_end(db: Db<'_>) -> Result<Option<Timestamp>, StoreError> {
    let never = Timestamp::from_micros(i64::MAX);
    let last = db.get("api_keys", ENDS, params![never])?.value::<Option<Timestamp>>("last")?;
    Ok(last.filter(|last| *last != never))
}

pub(super) fn any_admin(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(db.find("api_keys", ANY_ADMIN, params![])?.is_some())
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![
        BY_HASH.sql(),
        PAGE.sql(),
        Insert::one::<KeyRow<'_>>(INSERT_REST),
        DELETE.to_owned(),
        USED.to_owned(),
        DELETE_BEFORE.to_owned(),
        ANY_ADMIN.to_owned(),
        OTHER_ADMINS.to_owned(),
        ROLE.to_owned(),
        ENDS.to_owned(),
    ]
}
