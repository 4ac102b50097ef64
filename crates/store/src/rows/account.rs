//! `accounts`: one consumer of one contract each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, RetentionPeriods, Timestamp};

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::seal::{DataKey, Keyring};
use crate::sql::{Db, Select, columns, params, table};

columns! {
    /// A stored account.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Account of "accounts" {
        /// Its id, chosen by the operator.
        pub id: AccountId = "id",
        /// The name of its contract.
        pub contract: String = "contract",
        /// The version of it that the account is pinned to; `None`: the contract's default.
        pub contract_version: Option<String> = "contract_version",
        /// A name for people.
        pub name: Option<String> = "name",
        /// Whether it is for trying out.
        pub sandbox: bool = "sandbox",
        /// Event types that the operator has granted on top of what the contract gives everyone.
        pub entitlements: BTreeSet<String> = "entitlements",
        /// Changes with every change of the account or its secret.
        pub version: i64 = "version",
        /// The `seq` of its latest event.
        pub last_seq: i64 = "last_seq",
        /// When it was created.
        pub created_at: Timestamp = "created_at",
        /// When it was last changed.
        pub updated_at: Timestamp = "updated_at",
        /// Since when it is being deleted.
        pub deleting_since: Option<Timestamp> = "deleting_since",
        pub(crate) retain_history: Option<i64> = "retain_history",
        pub(crate) retain_payloads: Option<i64> = "retain_payloads",
        pub(crate) retain_answers: Option<i64> = "retain_answers",
        pub(crate) retain_disclosures: Option<i64> = "retain_disclosures",
        /// Its number in the store.
        pub(crate) reference: i64 = "ref",
        pub(crate) data_key_sealed: Vec<u8> = "data_key_sealed",
    }
}

impl Account {
    /// How long what is its own is kept, where that is not as long as everybody's.
    pub fn retention(&self) -> RetentionPeriods {
        periods([self.retain_history, self.retain_payloads, self.retain_answers, self.retain_disclosures])
    }
}

/// Periods that are stored as days: of history, payloads, answers and disclosures.
fn periods(days: [Option<i64>; 4]) -> RetentionPeriods {
    let [history, payloads, answers, disclosures] = days.map(|days| days.map(from_days));
    RetentionPeriods { history, payloads, answers, disclosures }
}

const DAY: u64 = 86_400;

/// A period that is stored as days.
pub(crate) fn from_days(days: i64) -> Duration {
    Duration::from_secs(u64::try_from(days).unwrap_or(0).saturating_mul(DAY))
}

/// A period as it is stored: whole days, at least as long.
pub(crate) fn to_days(period: Duration) -> i64 {
    i64::try_from(period.as_secs().div_ceil(DAY)).unwrap_or(i64::MAX)
}

table! {
    /// A new account. The database numbers it.
    pub(crate) struct AccountRow<'a> in "accounts" key { id: &'a str } {
        contract: &'a str,
        contract_version: Option<&'a str>,
        name: Option<&'a str>,
        sandbox: bool,
        entitlements: &'a str,
        data_key_sealed: &'a [u8],
        last_seq: i64,
        pending: i64,
        version: i64,
        created_at: Timestamp,
        updated_at: Timestamp,
        deleting_since: Option<Timestamp>,
        retain_history: Option<i64>,
        retain_payloads: Option<i64>,
        retain_answers: Option<i64>,
        retain_disclosures: Option<i64>,
    }
}

columns! {
    /// How many accounts are under a version of a contract.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AccountsOfContract of "accounts" {
        /// The name of the contract.
        pub contract: String = "contract",
        /// The version that they are pinned to; `None`: the contract's default.
        pub version: Option<String> = "contract_version",
        /// How many there are, with those that are being deleted.
        pub accounts: i64 = "COUNT(*)",
        /// The first of them.
        pub first: AccountId = "MIN(id)",
    }
}

static BY_CONTRACT: Select<AccountsOfContract> =
    Select::new("FROM accounts GROUP BY contract, contract_version ORDER BY contract, contract_version");
static BY_ID: Select<Account> = Select::new("FROM accounts WHERE id = $1");
const LOCK: &str = "SELECT id FROM accounts WHERE id = $1 FOR UPDATE";
const ADD_PENDING: &str = "UPDATE accounts SET pending = pending + $1 WHERE id = $2";

columns! {
    /// An account's wrapped data key.
    pub(crate) struct WrappedKey of "accounts" {
        pub(crate) id: AccountId = "id",
        pub(crate) wrapped: Vec<u8> = "data_key_sealed",
    }
}

static WRAPPED: Select<WrappedKey> = Select::new("FROM accounts WHERE id > $1 ORDER BY id LIMIT $2");
const REPLACE_KEY: &str = "UPDATE accounts SET data_key_sealed = $1 WHERE id = $2 AND data_key_sealed = $3";
static PAGE: Select<Account> = Select::new("FROM accounts WHERE id > $1 ORDER BY id LIMIT $2");

columns! {
    /// What a round of retention has to know of an account.
    pub(crate) struct RetainedAccount of "accounts" {
        pub(crate) id: AccountId = "id",
        pub(crate) reference: i64 = "ref",
        pub(crate) first_seq: i64 = "first_seq",
        pub(crate) expired_seq: i64 = "expired_seq",
        history: Option<i64> = "retain_history",
        payloads: Option<i64> = "retain_payloads",
        answers: Option<i64> = "retain_answers",
        disclosures: Option<i64> = "retain_disclosures",
    }
}

impl RetainedAccount {
    /// As [`Account::retention`].
    pub(crate) fn retention(&self) -> RetentionPeriods {
        periods([self.history, self.payloads, self.answers, self.disclosures])
    }
}

static RETAINED: Select<RetainedAccount> = Select::new("FROM accounts WHERE id > $1 ORDER BY id LIMIT $2");
static RETAINED_OWN: Select<RetainedAccount> = Select::new(
    "FROM accounts WHERE id > $1 AND COALESCE(retain_history, retain_payloads, retain_answers, retain_disclosures) IS NOT NULL \
     ORDER BY id LIMIT $2",
);

/// Accounts for a round of retention, by id, after one of them: all accounts, or those with a period of their own.
pub(crate) fn list_retained(db: Db<'_>, after: &str, only_own: bool, limit: u32) -> Result<Vec<RetainedAccount>, StoreError> {
    let statement = if only_own { &RETAINED_OWN } else { &RETAINED };
    statement.list(db, params![after, i64::from(limit)])
}

/// A page of accounts, by id.
pub(crate) fn list(db: Db<'_>, page: &PageRequest) -> Result<Page<Account>, StoreError> {
    let after = page.after.as_deref().unwrap_or("");
    Ok(page.cut(PAGE.list(db, params![after, page.fetch()])?, |account| account.id.to_string()))
}

/// How many accounts each version of a contract has, if any.
pub(crate) fn count_by_contract(db: Db<'_>) -> Result<Vec<AccountsOfContract>, StoreError> {
    BY_CONTRACT.list(db, params![])
}

/// Wrapped data keys in the order of accounts' ids.
pub(crate) fn list_wrapped(db: Db<'_>, after: &str, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
    WRAPPED.list(db, params![after, i64::from(limit)])
}

/// Wraps an account's data key anew; `false`: it is not wrapped in the way `before` any more.
pub(crate) fn replace_key(db: Db<'_>, id: &AccountId, before: &[u8], wrapped: &[u8]) -> Result<bool, StoreError> {
    lock(db, id)?;
    Ok(db.execute(REPLACE_KEY, params![wrapped, id.as_str(), before])? > 0)
}

pub(crate) fn find(db: Db<'_>, id: &AccountId) -> Result<Option<Account>, StoreError> {
    BY_ID.find(db, params![id.as_str()])
}

/// An account's data key; `None`: there is no such account.
pub(crate) fn find_key(db: Db<'_>, keyring: &Keyring, id: &AccountId) -> Result<Option<Arc<DataKey>>, StoreError> {
    find(db, id)?.map(|account| keyring.open_key(id, &account.data_key_sealed)).transpose()
}

/// Keeps every other node from writing anything of this account until the transaction ends. Whatever writes rows of an account
/// does this first, so that nodes take their locks in one order. `true`: others may have written just before, and what was
/// read is to be read again. An SQLite file has one writer, which needs no lock.
pub(crate) fn lock(db: Db<'_>, id: &AccountId) -> Result<bool, StoreError> {
    if db.is_shared() {
        db.query("accounts", LOCK, params![id.as_str()])?;
    }
    Ok(db.is_shared())
}

/// Counts deliveries that have joined the queue or, below zero, left it. Whoever adds or removes rows there calls this in the
/// same transaction, so that an account's backlog is bounded without being counted.
pub(crate) fn add_pending(db: Db<'_>, id: &AccountId, added: i64) -> Result<(), StoreError> {
    if added != 0 {
        db.execute(ADD_PENDING, params![added, id.as_str()])?;
    }
    Ok(())
}

/// An account that has to be there and is not.
pub(crate) fn missing(id: &AccountId) -> StoreError {
    StoreError::Inconsistent { table: "accounts", column: "id", id: id.to_string() }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![
        BY_ID.sql(),
        WRAPPED.sql(),
        REPLACE_KEY.to_owned(),
        ADD_PENDING.to_owned(),
        PAGE.sql(),
        BY_CONTRACT.sql(),
        RETAINED.sql(),
        RETAINED_OWN.sql(),
    ]
}

#[cfg(test)]
pub(crate) const POSTGRES_STATEMENTS: [&str; 1] = [LOCK];
