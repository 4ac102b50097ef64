//! `clients`: those of published APIs, each with its public keys or where they are; and `used_assertions`, those that tokens were issued
//! for.
//!
//! A client's keys are no secret. They are sealed, so that whoever can write to the database cannot put keys of their own there.

use std::time::Duration;

use bellwire_domain::{AccountId, ClientId, Entropy, Timestamp};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::rows::account;
use crate::seal::{DataKey, Keyring, Place};
use crate::sql::{Db, Insert, Row, columns, params, select, table};

/// A client of a published API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its account.
    pub account_id: AccountId,
    /// A name for people.
    pub name: Option<String>,
    /// Where its public keys are.
    pub keys: ClientKeySource,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// Where the public keys of a client are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientKeySource {
    /// Here, as the JSON of a key set.
    #[serde(rename = "jwks")]
    Set(String),
    /// At this URL.
    #[serde(rename = "jwks_url")]
    Url(String),
}

table! {
    /// A client.
    pub(crate) struct ClientRow<'a> in "clients" key { id: &'a str } {
        account_id: &'a str,
        name: Option<&'a str>,
        keys_sealed: &'a [u8],
        created_at: Timestamp,
    }
}

table! {
    /// An assertion that was used.
    pub(crate) struct UsedAssertionRow<'a> in "used_assertions" key { hash: &'a [u8] } {
        expires_at: Timestamp,
    }
}

columns! {
    /// A client, its keys still sealed.
    struct StoredClient<'r> of "clients" {
        id: ClientId = "id",
        account_id: AccountId = "account_id",
        name: Option<String> = "name",
        keys_sealed: &'r [u8] = "keys_sealed",
        created_at: Timestamp = "created_at",
    }
}

const BY_ID: &str = "FROM clients WHERE id = $1";
const PAGE: &str = "FROM clients WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const COUNT: &str = "SELECT COUNT(*) FROM clients WHERE account_id = $1";
const DELETE: &str = "DELETE FROM clients WHERE id = $1 AND account_id = $2";
const DROP_OF_ACCOUNT: &str = "DELETE FROM clients WHERE account_id = $1";
const EXISTS: &str = "SELECT id FROM clients WHERE id = $1";
/// Two nodes may be shown the same one at once.
const UNLESS_USED: &str = "ON CONFLICT (hash) DO NOTHING";
const DROP_USED: &str = "DELETE FROM used_assertions WHERE expires_at <= $1";

/// How long an assertion is remembered beyond its end: the clocks of nodes differ.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The client of this id. One whose keys are not as they were written is none.
pub(crate) fn find(db: Db<'_>, keyring: &Keyring, id: &ClientId) -> Result<Option<Client>, StoreError> {
    let Some(row) = db.find("clients", &select::<StoredClient<'_>>(BY_ID), params![id.as_str()])? else { return Ok(None) };
    let stored: StoredClient<'_> = row.read()?;
    let Some(key) = account::find_key(db, keyring, &stored.account_id)? else { return Ok(None) };
    match open(stored, &key) {
        Err(StoreError::Unsealable { .. }) => {
            tracing::error!(client.id = %id, "the row of this client was changed in the database: it gets no tokens");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// A page of an account's clients, by id.
pub(crate) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    page: &PageRequest,
) -> Result<Page<Client>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(Page::default()) };
    let after = page.after.as_deref().unwrap_or("");
    let rows = db.query("clients", &select::<StoredClient<'_>>(PAGE), params![account_id.as_str(), after, page.fetch()])?;
    let read = |row: &Row| row.read().and_then(|stored| open(stored, &key));
    let clients = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(clients, |client| client.id.to_string()))
}

/// How many clients an account has.
pub(crate) fn count(db: Db<'_>, account_id: &AccountId) -> Result<i64, StoreError> {
    db.get("clients", COUNT, params![account_id.as_str()])?.value("count")
}

/// Stores a client.
pub(crate) fn put(db: Db<'_>, (key, entropy): (&DataKey, &dyn Entropy), client: &Client) -> Result<(), StoreError> {
    let place = Place::client(&client.account_id, &client.id);
    let keys = serde_json::to_vec(&client.keys).map_err(|_| inconsistent(&client.id))?;
    let row = ClientRow {
        id: client.id.as_str(),
        account_id: client.account_id.as_str(),
        name: client.name.as_deref(),
        keys_sealed: &key.seal(entropy, &place, &keys),
        created_at: client.created_at,
    };
    Insert::put(db, row, "").map(drop)
}

/// Deletes a client of an account; `false`: there was none.
pub(crate) fn delete(db: Db<'_>, account_id: &AccountId, id: &ClientId) -> Result<bool, StoreError> {
    Ok(db.execute(DELETE, params![id.as_str(), account_id.as_str()])? > 0)
}

/// Deletes those of an account that is being deleted.
pub(crate) fn drop_of_account(db: Db<'_>, account_id: &AccountId) -> Result<(), StoreError> {
    db.execute(DROP_OF_ACCOUNT, params![account_id.as_str()]).map(drop)
}

/// Notes that an assertion is used. `false`: it was, or its client is gone.
pub(crate) fn use_assertion(db: Db<'_>, id: &ClientId, hash: &[u8; 32], expires_at: Timestamp) -> Result<bool, StoreError> {
    if db.find("clients", EXISTS, params![id.as_str()])?.is_none() {
        return Ok(false);
    }
    Ok(Insert::put(db, UsedAssertionRow { hash, expires_at }, UNLESS_USED)? > 0)
}

/// Forgets the assertions that nobody takes any more.
pub(crate) fn drop_used_assertions(db: Db<'_>, now: Timestamp) -> Result<usize, StoreError> {
    db.execute(DROP_USED, params![now.minus(REMEMBERED)])
}

fn open(stored: StoredClient<'_>, key: &DataKey) -> Result<Client, StoreError> {
    let StoredClient { id, account_id, name, keys_sealed, created_at } = stored;
    let keys = key.open(&Place::client(&account_id, &id), keys_sealed)?;
    let keys = serde_json::from_slice(&keys).map_err(|_| inconsistent(&id))?;
    Ok(Client { id, account_id, name, keys, created_at })
}

fn inconsistent(id: &ClientId) -> StoreError {
    StoreError::Inconsistent { table: "clients", column: "keys_sealed", id: id.to_string() }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let selects = [BY_ID, PAGE].map(select::<StoredClient<'_>>);
    let fixed = [COUNT, DELETE, DROP_OF_ACCOUNT, EXISTS, DROP_USED].map(str::to_owned);
    let inserts = [Insert::one::<ClientRow<'_>>(""), Insert::one::<UsedAssertionRow<'_>>(UNLESS_USED)];
    selects.into_iter().chain(fixed).chain(inserts).collect()
}
