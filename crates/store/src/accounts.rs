//! Accounts: one consumer of one contract each.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwire_domain::{AccountId, Entropy, Secret, Timestamp};

use crate::driver::{Db, Param, Row, params};
use crate::handoff::LaneKey;
use crate::outcomes::{cancel_waiting, cancelled_insert};
use crate::postgres::Message;
use crate::seal::{AccountSeal, DataKey, Keyring};
use crate::{Page, PageRequest, StoreError};

/// A stored account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id, chosen by the operator.
    pub id: AccountId,
    /// The name of its contract.
    pub contract: String,
    /// A name for people.
    pub name: Option<String>,
    /// Whether it is for trying out.
    pub sandbox: bool,
    /// Event types that the operator has granted beyond what the contract gives everyone.
    pub entitlements: BTreeSet<String>,
    /// Changes with every change of the account or its secret.
    pub version: i64,
    /// The `seq` of its latest event.
    pub last_seq: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its number in the store.
    pub(crate) reference: i64,
    pub(crate) data_key_sealed: Vec<u8>,
}

/// An account as the operator wants it.
#[derive(Debug, Clone)]
pub struct PutAccount {
    /// Its id.
    pub id: AccountId,
    /// The name of its contract; fixed once the account exists.
    pub contract: String,
    /// A name for people.
    pub name: Option<String>,
    /// A new secret of the account; `None` keeps the one it has.
    pub secret: Option<Secret<String>>,
    /// Whether it is for trying out.
    pub sandbox: bool,
    /// Granted event types.
    pub entitlements: BTreeSet<String>,
}

/// Why an account was not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PutAccountError {
    /// It exists under another contract.
    #[error("the account exists under the contract `{contract}`, and an account keeps its contract")]
    ContractFixed {
        /// The contract it has.
        contract: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const COLUMNS: &str = "SELECT id, contract, name, sandbox, entitlements, version, last_seq, created_at, updated_at, \
     data_key_sealed, ref FROM accounts ";
const BY_ID: &str = "WHERE id = $1";
const PAGE: &str = "WHERE id > $1 ORDER BY id LIMIT $2";
const INSERT: &str = "INSERT INTO accounts (id, contract, name, sandbox, entitlements, data_key_sealed, last_seq, pending, version, \
     created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 1, $7, $8) ON CONFLICT (id) DO NOTHING";
const UPDATE: &str =
    "UPDATE accounts SET name = $1, sandbox = $2, entitlements = $3, version = version + 1, updated_at = $4 WHERE id = $5";
const TOUCH: &str = "UPDATE accounts SET version = version + 1, updated_at = $1 WHERE id = $2";
const ADD_PENDING: &str = "UPDATE accounts SET pending = pending + $1 WHERE id = $2";
const TOUCH_ENDPOINTS: &str = "UPDATE endpoints SET version = version + 1 WHERE account_id = $1";
const ENDPOINT_IDS: &str = "SELECT id FROM endpoints WHERE account_id = $1";
const SECRETS: &str = "SELECT ordinal, secret_sealed, expires_at FROM secrets WHERE account_id = $1 AND endpoint_id = $2 \
     AND (expires_at IS NULL OR expires_at > $3) ORDER BY ordinal DESC";
const LAST_ORDINAL: &str = "SELECT ordinal FROM secrets WHERE account_id = $1 AND endpoint_id = $2 ORDER BY ordinal DESC LIMIT 1";
const INSERT_SECRET: &str =
    "INSERT INTO secrets (account_id, endpoint_id, ordinal, secret_sealed, created_at) VALUES ($1, $2, $3, $4, $5)";
const EXPIRE_SECRETS: &str = "UPDATE secrets SET expires_at = $1 WHERE account_id = $2 AND endpoint_id = $3 \
     AND ordinal < $4 AND (expires_at IS NULL OR expires_at > $5)";

/// What is deleted with an account, in this order.
const DELETES: [&str; 12] = [
    "DELETE FROM resources WHERE account_id = $1",
    "DELETE FROM replays WHERE account_id = $1",
    "DELETE FROM earlier_attempts WHERE account = (SELECT ref FROM accounts WHERE id = $1)",
    "DELETE FROM deliveries WHERE account = (SELECT ref FROM accounts WHERE id = $1)",
    "DELETE FROM queue WHERE lane > 0 AND lane IN (SELECT ref FROM lanes WHERE account_id = $1)",
    "DELETE FROM event_subjects WHERE account_id = $1",
    "DELETE FROM events WHERE account = (SELECT ref FROM accounts WHERE id = $1)",
    "DELETE FROM secrets WHERE account_id = $1",
    "DELETE FROM endpoints WHERE account_id = $1",
    "DELETE FROM lanes WHERE account_id = $1",
    "DELETE FROM api_keys WHERE account_id = $1",
    "DELETE FROM accounts WHERE id = $1",
];

pub(crate) fn find(db: Db<'_>, id: &AccountId) -> Result<Option<Account>, StoreError> {
    let row = db.find("accounts", &format!("{COLUMNS}{BY_ID}"), params![id.as_str()])?;
    row.map(|row| read(&row)).transpose()
}

pub(crate) fn list(db: Db<'_>, page: &PageRequest) -> Result<Page<Account>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    let rows = db.query("accounts", &format!("{COLUMNS}{PAGE}"), params![after, page.fetch()])?;
    let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(items, |account| account.id.to_string()))
}

/// Creates or changes an account. The flag says whether it was created.
pub(crate) fn put(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    wanted: &PutAccount,
    now: Timestamp,
) -> Result<(Account, bool), PutAccountError> {
    db.lock_account(&wanted.id)?;
    let existing = find(db, &wanted.id)?;
    let entitlements = words(&wanted.entitlements);
    let created = existing.is_none();
    match existing {
        Some(account) if account.contract != wanted.contract => {
            return Err(PutAccountError::ContractFixed { contract: account.contract });
        }
        Some(_) => {
            let id = wanted.id.as_str();
            db.execute(UPDATE, params![wanted.name.as_deref(), wanted.sandbox, entitlements.as_str(), now, id])?;
            db.execute(TOUCH_ENDPOINTS, params![id])?;
        }
        None => {
            let (_, wrapped) = keyring.draw(entropy, &wanted.id);
            let name: Param<'_> = wanted.name.as_deref().into();
            let entitlements = entitlements.as_str();
            let row =
                params![wanted.id.as_str(), wanted.contract.as_str(), name, wanted.sandbox, entitlements, &wrapped[..], now, now];
            if db.execute(INSERT, row)? == 0 {
                return Err(StoreError::Busy.into()); // another node has just made it
            }
        }
    }
    db.tell(&Message::Account(wanted.id.clone()))?;
    let stored = find(db, &wanted.id)?.ok_or_else(|| gone(&wanted.id))?;
    if let Some(secret) = &wanted.secret {
        let seal = AccountSeal { key: keyring.unwrap(&stored.id, &stored.data_key_sealed)?, entropy };
        replace_secret(db, &SecretOwner::account(&stored.id), &seal, secret, now, now)?;
    }
    Ok((stored, created))
}

/// Gives an account a new secret; those before it sign until `old_expire_at`. `None` when there is no such account.
pub(crate) fn rotate_secret(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    id: &AccountId,
    secret: &Secret<String>,
    (now, old_expire_at): (Timestamp, Timestamp),
) -> Result<Option<Account>, StoreError> {
    db.lock_account(id)?;
    if db.execute(TOUCH, params![now, id.as_str()])? == 0 {
        return Ok(None);
    }
    // What sends to its endpoints reads the secrets with them.
    db.execute(TOUCH_ENDPOINTS, params![id.as_str()])?;
    let stored = find(db, id)?.ok_or_else(|| gone(id))?;
    let seal = AccountSeal { key: keyring.unwrap(&stored.id, &stored.data_key_sealed)?, entropy };
    replace_secret(db, &SecretOwner::account(id), &seal, secret, now, old_expire_at)?;
    db.tell(&Message::Account(id.clone()))?;
    Ok(Some(stored))
}

/// Deletes an account and everything of it; `false` when there was none. Its data key goes with it, so that copies of its
/// payloads in backups no longer open without that backup's own accounts table.
pub(crate) fn delete(db: Db<'_>, id: &AccountId, now: Timestamp) -> Result<bool, StoreError> {
    db.be_patient()?;
    db.lock_account(id)?;
    let history = cancelled_insert();
    for row in db.query("endpoints", ENDPOINT_IDS, params![id.as_str()])? {
        cancel_waiting(db, &history, &LaneKey { account_id: id.clone(), endpoint_id: row.parsed(0, "id")? }, now)?;
    }
    let mut deleted = 0;
    for statement in DELETES {
        deleted = db.execute(statement, params![id.as_str()])?;
    }
    db.tell(&Message::Account(id.clone()))?;
    db.tell(&Message::Keys)?;
    Ok(deleted > 0)
}

/// Counts deliveries that have joined or, below zero, left the queue. Whoever adds or removes rows there calls this in the same
/// transaction, so that the limit of an account's backlog is checked without counting.
pub(crate) fn add_pending(db: Db<'_>, id: &AccountId, added: i64) -> Result<(), StoreError> {
    if added != 0 {
        db.execute(ADD_PENDING, params![added, id.as_str()])?;
    }
    Ok(())
}

/// Whose secret it is.
pub(crate) struct SecretOwner<'a> {
    account: &'a AccountId,
    endpoint: &'a str,
}

impl<'a> SecretOwner<'a> {
    pub(crate) const fn account(account: &'a AccountId) -> Self {
        Self { account, endpoint: "" }
    }

    pub(crate) fn endpoint(lane: &'a LaneKey) -> Self {
        Self { account: &lane.account_id, endpoint: lane.endpoint_id.as_str() }
    }

    fn context(&self, ordinal: i64) -> String {
        secret_context(self.account, self.endpoint, ordinal)
    }
}

/// Where a secret belongs, bound into its seal.
pub(crate) fn secret_context(account: &AccountId, endpoint: &str, ordinal: i64) -> String {
    format!("secrets:{account}/{endpoint}/{ordinal}")
}

/// A secret and when it stops signing.
#[derive(Debug, Clone)]
pub struct ActiveSecret {
    /// The secret.
    pub secret: Secret<String>,
    /// The end of its overlap with a newer one; `None`: it is the newest.
    pub expires_at: Option<Timestamp>,
}

/// Stores a new secret; those before it sign until `old_expire_at`.
pub(crate) fn replace_secret(
    db: Db<'_>,
    owner: &SecretOwner<'_>,
    seal: &AccountSeal<'_>,
    secret: &Secret<String>,
    now: Timestamp,
    old_expire_at: Timestamp,
) -> Result<(), StoreError> {
    let account = owner.account.as_str();
    let last = db.find("secrets", LAST_ORDINAL, params![account, owner.endpoint])?;
    let ordinal = last.map(|row| row.int(0, "ordinal")).transpose()?.unwrap_or(0) + 1;
    let sealed = seal.key.seal(seal.entropy, &owner.context(ordinal), secret.expose().as_bytes());
    db.execute(INSERT_SECRET, params![account, owner.endpoint, ordinal, &sealed[..], now])?;
    db.execute(EXPIRE_SECRETS, params![old_expire_at, account, owner.endpoint, ordinal, old_expire_at])?;
    Ok(())
}

/// The secrets that sign at `now`, newest first.
pub(crate) fn active_secrets(
    db: Db<'_>,
    owner: &SecretOwner<'_>,
    key: &Arc<DataKey>,
    now: Timestamp,
) -> Result<Vec<ActiveSecret>, StoreError> {
    let rows = db.query("secrets", SECRETS, params![owner.account.as_str(), owner.endpoint, now])?;
    let open = |row: &Row| {
        let ordinal = row.int(0, "ordinal")?;
        let plain = key.open("secrets", &owner.context(ordinal), row.bytes(1, "secret_sealed")?)?;
        let text = String::from_utf8(plain).map_err(|_| StoreError::Unsealable { table: "secrets" })?;
        Ok(ActiveSecret { secret: Secret::new(text), expires_at: row.find_time(2, "expires_at")? })
    };
    rows.iter().map(open).collect()
}

fn read(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.parsed(0, "id")?,
        contract: row.text(1, "contract")?.to_owned(),
        name: row.find_text(2, "name")?.map(str::to_owned),
        sandbox: row.boolean(3, "sandbox")?,
        entitlements: row.word(4, "entitlements", |text| serde_json::from_str(text).ok())?,
        version: row.int(5, "version")?,
        last_seq: row.int(6, "last_seq")?,
        created_at: row.time(7, "created_at")?,
        updated_at: row.time(8, "updated_at")?,
        data_key_sealed: row.bytes(9, "data_key_sealed")?.to_vec(),
        reference: row.int(10, "ref")?,
    })
}

/// A set of words as a JSON list.
fn words(words: &BTreeSet<String>) -> String {
    words.iter().cloned().collect::<serde_json::Value>().to_string()
}

fn gone(id: &AccountId) -> StoreError {
    StoreError::Inconsistent { table: "accounts", column: "id", id: id.to_string() }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let texts =
        [INSERT, UPDATE, TOUCH, ADD_PENDING, TOUCH_ENDPOINTS, ENDPOINT_IDS, SECRETS, LAST_ORDINAL, INSERT_SECRET, EXPIRE_SECRETS];
    let mut all: Vec<String> = texts.iter().chain(&DELETES).map(|text| (*text).to_owned()).collect();
    all.extend([BY_ID, PAGE].map(|rest| format!("{COLUMNS}{rest}")));
    all
}
