//! `contract_keys`: the private keys with which a contract signs for all of its accounts, by their kind. The highest ordinal is the newest.
//!
//! They are no account's, so they are sealed under the store's own key.

use bellwire_domain::{Entropy, Secret, Timestamp};

use super::secret::ActiveSecret;
use crate::StoreError;
use crate::seal::{DataKey, Place};
use crate::sql::{Db, Insert, columns, params, select, table};

table! {
    /// A key.
    pub(crate) struct ContractKeyRow<'a> in "contract_keys" key { contract: &'a str, kind: &'a str, ordinal: i64 } {
        key_sealed: &'a [u8],
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    }
}

columns! {
    /// A key, still sealed.
    struct StoredKey<'r> of "contract_keys" {
        ordinal: i64 = "ordinal",
        key_sealed: &'r [u8] = "key_sealed",
        created_at: Timestamp = "created_at",
        expires_at: Option<Timestamp> = "expires_at",
    }
}

const ACTIVE: &str = "FROM contract_keys WHERE contract = $1 AND kind = $2 AND (expires_at IS NULL OR expires_at > $3) \
     ORDER BY ordinal DESC";
const COUNT_ACTIVE: &str = "SELECT COUNT(*) FROM contract_keys WHERE contract = $1 AND kind = $2 \
     AND (expires_at IS NULL OR expires_at > $3)";
const LAST_ORDINAL: &str = "SELECT ordinal FROM contract_keys WHERE contract = $1 AND kind = $2 ORDER BY ordinal DESC LIMIT 1";
const EXPIRE: &str = "UPDATE contract_keys SET expires_at = $1 WHERE contract = $2 AND kind = $3 \
     AND ordinal < $4 AND (expires_at IS NULL OR expires_at > $5)";
/// Two nodes may draw the first one at once.
const UNLESS_THERE: &str = "ON CONFLICT (contract, kind, ordinal) DO NOTHING";

/// How often another node may be faster.
const TRIES_MAX: u32 = 8;

/// Whose keys they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContractKeys {
    /// The contract's name.
    pub contract: String,
    /// What kind of keys they are.
    pub kind: &'static str,
}

impl ContractKeys {
    fn place(&self, ordinal: i64) -> Place {
        Place::contract_key(&self.contract, self.kind, ordinal)
    }
}

/// Stores the first key of all; `false`: there is one.
pub(crate) fn put_first(
    db: Db<'_>,
    owner: &ContractKeys,
    (store_key, entropy): (&DataKey, &dyn Entropy),
    key: &Secret<String>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if last_ordinal(db, owner)? > 0 {
        return Ok(false);
    }
    insert(db, owner, (store_key, entropy), (1, key), now)
}

/// Stores a new key; those before it sign until `old_expire_at`. `None`: others are storing theirs all the time.
pub(crate) fn replace(
    db: Db<'_>,
    owner: &ContractKeys,
    seal: (&DataKey, &dyn Entropy),
    key: &Secret<String>,
    now: Timestamp,
    old_expire_at: Timestamp,
) -> Result<Option<ActiveSecret>, StoreError> {
    for _ in 0..TRIES_MAX {
        let ordinal = last_ordinal(db, owner)? + 1;
        if insert(db, owner, seal, (ordinal, key), now)? {
            db.execute(EXPIRE, params![old_expire_at, owner.contract.as_str(), owner.kind, ordinal, old_expire_at])?;
            return Ok(Some(ActiveSecret { secret: key.clone(), version: ordinal, created_at: now, expires_at: None }));
        }
    }
    Ok(None)
}

/// How many sign at `now`.
pub(crate) fn count_active(db: Db<'_>, owner: &ContractKeys, now: Timestamp) -> Result<i64, StoreError> {
    db.get("contract_keys", COUNT_ACTIVE, params![owner.contract.as_str(), owner.kind, now])?.value("count")
}

fn last_ordinal(db: Db<'_>, owner: &ContractKeys) -> Result<i64, StoreError> {
    let last = db.find("contract_keys", LAST_ORDINAL, params![owner.contract.as_str(), owner.kind])?;
    last.map_or(Ok(0), |row| row.value::<i64>("ordinal"))
}

fn insert(
    db: Db<'_>,
    owner: &ContractKeys,
    (store_key, entropy): (&DataKey, &dyn Entropy),
    (ordinal, key): (i64, &Secret<String>),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let key_sealed = &store_key.seal(entropy, &owner.place(ordinal), key.expose().as_bytes())[..];
    let (contract, kind) = (owner.contract.as_str(), owner.kind);
    let row = ContractKeyRow { contract, kind, ordinal, key_sealed, created_at: now, expires_at: None };
    Ok(Insert::put(db, row, UNLESS_THERE)? > 0)
}

/// The keys that sign at `now`, newest first.
pub(crate) fn active(
    db: Db<'_>,
    owner: &ContractKeys,
    store_key: &DataKey,
    now: Timestamp,
) -> Result<Vec<ActiveSecret>, StoreError> {
    let sql = select::<StoredKey<'_>>(ACTIVE);
    let rows = db.query("contract_keys", &sql, params![owner.contract.as_str(), owner.kind, now])?;
    let mut active = Vec::with_capacity(rows.len());
    for row in &rows {
        let StoredKey { ordinal, key_sealed, created_at, expires_at } = row.read()?;
        let secret = Secret::new(store_key.open_text(&owner.place(ordinal), key_sealed)?);
        active.push(ActiveSecret { secret, version: ordinal, created_at, expires_at });
    }
    Ok(active)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [COUNT_ACTIVE, LAST_ORDINAL, EXPIRE].map(str::to_owned);
    fixed.into_iter().chain([select::<StoredKey<'_>>(ACTIVE), Insert::one::<ContractKeyRow<'_>>(UNLESS_THERE)]).collect()
}
