//! `api_keys`: a key is 32 random bytes, and nothing in the database lets anybody in.
//!
//! Of a key's text the row has a hash under the store's own key, by which it is found. A seal over the row, under the same key, ties what
//! the key may do to it: whoever can write to the database can neither insert a key nor make one an admin's, as the store's key is not in
//! it in the clear.

use std::collections::BTreeSet;

use bellwire_domain::{AccountId, KeyId, Role, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::StoreError;
use crate::seal::DataKey;
use crate::sql::{Db, Select, columns, params, table, write_list};

/// A stored key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// What it may do.
    pub role: Role,
    /// The one account it is for.
    pub account_id: Option<AccountId>,
    /// What a publisher's key is narrowed to.
    pub bounds: KeyBounds,
    /// What people call it.
    pub name: Option<String>,
    /// The beginning of its text, to tell it from others.
    pub prefix: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// Whether the row is as it was written. One that is not lets nobody in.
    pub is_genuine: bool,
}

/// What a publisher's key is narrowed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyBounds {
    /// Only these accounts; empty: all.
    pub accounts: BTreeSet<String>,
    /// Only accounts under this contract.
    pub contract: Option<String>,
    /// Whether it reads no documents of resources.
    pub write_only: bool,
}

impl ApiKey {
    /// A key of all accounts that never expires.
    pub fn new(id: KeyId, role: Role, created_at: Timestamp) -> Self {
        let (bounds, is_genuine) = (KeyBounds::default(), true);
        let (account_id, name, prefix, last_used_at, expires_at) = (None, None, None, None, None);
        Self { id, role, account_id, bounds, name, prefix, created_at, last_used_at, expires_at, is_genuine }
    }
}

columns! {
    /// A key's row.
    pub(crate) struct KeyColumns of "api_keys" {
        id: KeyId = "k.id",
        role: Role = "k.role",
        account_id: Option<AccountId> = "k.account_id",
        accounts: BTreeSet<String> = "k.accounts",
        contract: Option<String> = "k.contract",
        write_only: bool = "k.write_only",
        name: Option<String> = "k.name",
        prefix: Option<String> = "k.prefix",
        created_at: Timestamp = "k.created_at",
        last_used_at: Option<Timestamp> = "k.last_used_at",
        expires_at: Option<Timestamp> = "k.expires_at",
        hash: [u8; 32] = "k.hash",
        seal: Option<Vec<u8>> = "k.seal",
    }
}

table! {
    /// A key.
    pub(crate) struct KeyRow<'a> in "api_keys" key { id: &'a str } {
        role: &'a str,
        account_id: Option<&'a str>,
        accounts: &'a str,
        contract: Option<&'a str>,
        write_only: bool,
        name: Option<&'a str>,
        prefix: Option<&'a str>,
        hash: &'a [u8],
        seal: Option<&'a [u8]>,
        created_at: Timestamp,
        last_used_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    }
}

/// The hash under which a key is found, from the SHA-256 of its text.
pub(crate) fn lookup(store_key: &DataKey, digest: &[u8; 32]) -> [u8; 32] {
    store_key.conceal(digest)
}

/// What ties a key's rights to its row.
pub(crate) fn seal(store_key: &DataKey, key: &ApiKey, hash: &[u8; 32]) -> [u8; 32] {
    let KeyBounds { accounts, contract, write_only } = &key.bounds;
    let account = key.account_id.as_ref().map(AccountId::as_str);
    let (created_at, expires_at) = (key.created_at.to_string(), key.expires_at.map(|at| at.to_string()));
    let rights =
        json!([key.id.as_str(), key.role.as_str(), account, accounts, contract, write_only, created_at, expires_at, hash]);
    store_key.conceal(&Sha256::digest(rights.to_string().as_bytes()).into())
}

impl KeyColumns {
    /// The key, once its seal is compared.
    pub(crate) fn opened(self, store_key: &DataKey) -> ApiKey {
        let Self { id, role, account_id, accounts, contract, write_only, name, prefix, .. } = self;
        let bounds = KeyBounds { accounts, contract, write_only };
        let Self { created_at, last_used_at, expires_at, hash, seal: sealed, .. } = self;
        let mut key =
            ApiKey { id, role, account_id, bounds, name, prefix, created_at, last_used_at, expires_at, is_genuine: true };
        key.is_genuine = sealed.is_some_and(|sealed| sealed == seal(store_key, &key, &hash));
        key
    }
}

static ALL: Select<KeyColumns> = Select::new("FROM api_keys k WHERE k.id > $1 ORDER BY k.id");
const SEAL: &str = "UPDATE api_keys SET hash = $1, seal = $2 WHERE id = $3";

/// Every key.
pub(crate) fn all(db: Db<'_>, store_key: &DataKey) -> Result<Vec<ApiKey>, StoreError> {
    Ok(ALL.list(db, params![""])?.into_iter().map(|row| row.opened(store_key)).collect())
}

/// Seals the keys of a database whose store had no key of its own: they were found by a plain digest until now.
pub(crate) fn seal_all(db: Db<'_>, store_key: &DataKey) -> Result<(), StoreError> {
    for row in ALL.list(db, params![""])? {
        let hash = lookup(store_key, &row.hash);
        let key = row.opened(store_key);
        db.execute(SEAL, params![&hash[..], &seal(store_key, &key, &hash)[..], key.id.as_str()])?;
    }
    Ok(())
}

/// The accounts of a key as their column holds them.
pub(crate) fn write_accounts(bounds: &KeyBounds) -> String {
    write_list(bounds.accounts.iter().map(String::as_str))
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![ALL.sql(), SEAL.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_keys_rights_can_be_changed_without_its_seal() {
        let store_key = DataKey::new(&[5; 32]);
        let id = |text: &str| KeyId::try_new(text).unwrap();
        let hash = [1; 32];
        let key = ApiKey::new(id("key_1"), Role::Consumer, Timestamp::from_secs(1));
        let sealed = seal(&store_key, &key, &hash);
        let bounds = |bounds: KeyBounds| ApiKey { bounds, ..key.clone() };
        let changed = [
            ApiKey { id: id("key_2"), ..key.clone() },
            ApiKey { role: Role::Admin, ..key.clone() },
            ApiKey { account_id: AccountId::try_new("other").ok(), ..key.clone() },
            ApiKey { created_at: Timestamp::from_secs(2), ..key.clone() },
            ApiKey { expires_at: Some(Timestamp::from_secs(9)), ..key.clone() },
            bounds(KeyBounds { accounts: ["a".to_owned()].into(), ..KeyBounds::default() }),
            bounds(KeyBounds { contract: Some("noyo".to_owned()), ..KeyBounds::default() }),
            bounds(KeyBounds { write_only: true, ..KeyBounds::default() }),
        ];
        for other in changed {
            assert_ne!(seal(&store_key, &other, &hash), sealed, "{other:?}");
        }
        assert_ne!(seal(&store_key, &key, &[2; 32]), sealed);
        assert_ne!(seal(&DataKey::new(&[6; 32]), &key, &hash), sealed);
        assert_eq!(
            seal(&store_key, &ApiKey { name: Some("Intake".to_owned()), ..key.clone() }, &hash),
            sealed,
            "a name is for people"
        );
    }
}
