//! API keys.

use bellwire_domain::{AccountId, KeyId};
use sha2::{Digest, Sha256};

use super::sessions;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::notice::Notice;
use crate::rows::key::{ApiKey, KeyRow};
use crate::sql::{Db, Insert, Select, params};

/// The digest under which a key is stored and found.
pub fn key_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

static BY_HASH: Select<ApiKey> = Select::new("FROM api_keys WHERE hash = $1");
static PAGE: Select<ApiKey> = Select::new("FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2");
const INSERT_REST: &str = "ON CONFLICT (hash) DO NOTHING";
const DELETE: &str = "DELETE FROM api_keys WHERE id = $1";
const DELETE_BEFORE: &str = "DELETE FROM api_keys WHERE id = $1 OR hash = $2";
const ANY_ADMIN: &str = "SELECT id FROM api_keys WHERE role = 'admin' LIMIT 1";

pub(super) fn find_by_hash(db: Db<'_>, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    BY_HASH.find(db, params![&hash[..]])
}

pub(super) fn list(db: Db<'_>, page: &PageRequest) -> Result<Page<ApiKey>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    Ok(page.cut(PAGE.list(db, params![after, page.fetch()])?, |key| key.id.to_string()))
}

/// Stores a key; one that is stored already stays as it is.
pub(super) fn create(db: Db<'_>, key: &ApiKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    let row = KeyRow {
        id: key.id.as_str(),
        role: key.role.as_str(),
        account_id: key.account_id.as_ref().map(AccountId::as_str),
        hash,
        created_at: key.created_at,
        expires_at: key.expires_at,
    };
    Insert::put(db, row, INSERT_REST).map(drop)
}

/// Stores the key of this id in place of the one that has the id, or the text, now.
pub(super) fn replace(db: Db<'_>, key: &ApiKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    db.execute(DELETE_BEFORE, params![key.id.as_str(), &hash[..]])?;
    sessions::end_of_key(db, &key.id)?;
    create(db, key, hash)?;
    Notice::Keys.tell(db)
}

pub(super) fn delete(db: Db<'_>, id: &KeyId) -> Result<bool, StoreError> {
    let deleted = db.execute(DELETE, params![id.as_str()])? > 0;
    Notice::Keys.tell(db)?;
    Ok(deleted)
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
        DELETE_BEFORE.to_owned(),
        ANY_ADMIN.to_owned(),
    ]
}
