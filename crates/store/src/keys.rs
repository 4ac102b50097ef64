//! API keys. A key is 32 random bytes; only its SHA-256 is stored, which is enough for a secret nobody chose.

use bellwire_domain::{AccountId, KeyId, Timestamp};
use sha2::{Digest, Sha256};

use crate::driver::{Db, Row, params};
use crate::postgres::Message;
use crate::{Page, PageRequest, StoreError};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// Events and resources.
    Publisher,
    /// One account: its endpoints, deliveries and events.
    Consumer,
    /// Reading the audit log.
    Auditor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Publisher, Self::Consumer, Self::Auditor];

    /// The word used in the API and the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publisher => "publisher",
            Self::Consumer => "consumer",
            Self::Auditor => "auditor",
        }
    }

    /// Reads the word of [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A stored key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What it may do.
    pub role: Role,
    /// The one account it is for.
    pub account_id: Option<AccountId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// The digest under which a key is stored and found.
pub fn key_hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

const COLUMNS: &str = "SELECT id, role, account_id, created_at, expires_at FROM api_keys ";
const BY_HASH: &str = "WHERE hash = $1";
const PAGE: &str = "WHERE id > $1 ORDER BY id LIMIT $2";
const INSERT: &str = "INSERT INTO api_keys (id, role, account_id, hash, created_at, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING";
const DELETE: &str = "DELETE FROM api_keys WHERE id = $1";
const ANY_ADMIN: &str = "SELECT id FROM api_keys WHERE role = 'admin' LIMIT 1";

pub(crate) fn find_by_hash(db: Db<'_>, hash: &[u8; 32]) -> Result<Option<ApiKey>, StoreError> {
    let row = db.find("api_keys", &format!("{COLUMNS}{BY_HASH}"), params![&hash[..]])?;
    row.map(|row| read(&row)).transpose()
}

pub(crate) fn list(db: Db<'_>, page: &PageRequest) -> Result<Page<ApiKey>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    let rows = db.query("api_keys", &format!("{COLUMNS}{PAGE}"), params![after, page.fetch()])?;
    let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |key| key.id.to_string()))
}

/// Stores a key; one that is stored already stays as it is.
pub(crate) fn create(db: Db<'_>, key: &ApiKey, hash: &[u8; 32]) -> Result<(), StoreError> {
    let account = key.account_id.as_ref().map(AccountId::as_str);
    let (id, role) = (key.id.as_str(), key.role.as_str());
    db.execute(INSERT, params![id, role, account, &hash[..], key.created_at, key.expires_at])?;
    Ok(())
}

pub(crate) fn delete(db: Db<'_>, id: &KeyId) -> Result<bool, StoreError> {
    let deleted = db.execute(DELETE, params![id.as_str()])? > 0;
    db.tell(&Message::Keys)?;
    Ok(deleted)
}

pub(crate) fn any_admin(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(db.find("api_keys", ANY_ADMIN, params![])?.is_some())
}

fn read(row: &Row) -> Result<ApiKey, StoreError> {
    let account_id = match row.find_text(2, "account_id")? {
        Some(_) => Some(row.parsed(2, "account_id")?),
        None => None,
    };
    Ok(ApiKey {
        id: row.parsed(0, "id")?,
        role: row.word(1, "role", Role::parse)?,
        account_id,
        created_at: row.time(3, "created_at")?,
        expires_at: row.find_time(4, "expires_at")?,
    })
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let mut all: Vec<String> = [INSERT, DELETE, ANY_ADMIN].map(str::to_owned).into();
    all.extend([BY_HASH, PAGE].map(|rest| format!("{COLUMNS}{rest}")));
    all
}
