//! Accounts: one consumer of one contract each.

use std::collections::BTreeSet;

use bellwire_domain::{AccountId, Entropy, RetentionPeriods, Secret, Timestamp};

use super::endpoints::{LimitedError, Rotation};
use crate::StoreError;
use crate::queue::expiry;
use crate::queue::notice::Notice;
use crate::rows::account::{self, Account, AccountRow};
use crate::rows::master_key;
use crate::rows::secret::{self, SecretOwner};
use crate::seal::{AccountSeal, Keyring};
use crate::sql::{Db, Insert, params, write_list};

/// An account as the operator wants it.
#[derive(Debug, Clone)]
pub struct PutAccount {
    /// Its id.
    pub id: AccountId,
    /// The name of its contract; fixed once the account exists.
    pub contract: String,
    /// The version of it that the account is pinned to; `None`: the contract's default.
    pub contract_version: Option<String>,
    /// A name for people.
    pub name: Option<String>,
    /// A new secret of the account; `None` keeps the one it has.
    pub secret: Option<Secret<String>>,
    /// Whether it is for trying out.
    pub sandbox: bool,
    /// Granted event types.
    pub entitlements: BTreeSet<String>,
    /// How long what is its own is kept, in whole days; `None`: as long as everybody's.
    pub retention: RetentionPeriods,
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
    /// It is being deleted.
    #[error("the account is being deleted; its id is free once that is done")]
    Deleting,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const INSERT_REST: &str = "ON CONFLICT (id) DO NOTHING";
const UPDATE: &str = "UPDATE accounts SET name = $1, sandbox = $2, entitlements = $3, version = version + 1, updated_at = $4, retain_history = $5, \
     retain_payloads = $6, retain_answers = $7, retain_disclosures = $8, contract_version = $9 WHERE id = $10";
const TOUCH: &str = "UPDATE accounts SET version = version + 1, updated_at = $1 WHERE id = $2";
const TOUCH_ENDPOINTS: &str = "UPDATE endpoints SET version = version + 1 WHERE account_id = $1";

/// Creates or changes an account. The flag says whether it was created.
pub(super) fn put(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    wanted: &PutAccount,
    now: Timestamp,
) -> Result<(Account, bool), PutAccountError> {
    account::lock(db, &wanted.id)?;
    let existing = account::find(db, &wanted.id)?;
    let (id, name) = (wanted.id.as_str(), wanted.name.as_deref());
    let entitlements = write_list(wanted.entitlements.iter().map(String::as_str));
    let entitlements = entitlements.as_str();
    let RetentionPeriods { history, payloads, answers, disclosures } = wanted.retention;
    let [retain_history, retain_payloads, retain_answers, retain_disclosures] =
        [history, payloads, answers, disclosures].map(|period| period.map(account::to_days));
    let created = existing.is_none();
    match existing {
        Some(Account { deleting_since: Some(_), .. }) => return Err(PutAccountError::Deleting),
        Some(account) if account.contract != wanted.contract => {
            return Err(PutAccountError::ContractFixed { contract: account.contract });
        }
        Some(account) => {
            let update = params![
                name,
                wanted.sandbox,
                entitlements,
                now,
                retain_history,
                retain_payloads,
                retain_answers,
                retain_disclosures,
                wanted.contract_version.as_deref(),
                id
            ];
            db.execute(UPDATE, update)?;
            if account.retain_answers != retain_answers {
                expiry::look_at_answers_again(db, retain_answers)?;
            }
            db.execute(TOUCH_ENDPOINTS, params![id])?;
        }
        None => {
            let wrapped = keyring.draw(entropy, &wanted.id, master_key::wrapper(db, keyring)?);
            let row = AccountRow {
                id,
                contract: &wanted.contract,
                contract_version: wanted.contract_version.as_deref(),
                name,
                sandbox: wanted.sandbox,
                entitlements,
                data_key_sealed: &wrapped,
                last_seq: 0,
                pending: 0,
                version: 1,
                created_at: now,
                updated_at: now,
                deleting_since: None,
                retain_history,
                retain_payloads,
                retain_answers,
                retain_disclosures,
            };
            if Insert::put(db, row, INSERT_REST)? == 0 {
                return Err(StoreError::Busy.into()); // another node has just made it
            }
        }
    }
    Notice::Account(wanted.id.clone()).tell(db)?;
    let stored = account::find(db, &wanted.id)?.ok_or_else(|| account::missing(&wanted.id))?;
    if let Some(new_secret) = &wanted.secret {
        let seal = AccountSeal { key: keyring.open_key(&stored.id, &stored.data_key_sealed)?, entropy };
        secret::replace(db, SecretOwner::account(&stored.id), &seal, new_secret, now, now)?;
    }
    Ok((stored, created))
}

/// Gives an account a new secret. `None` when there is no such account.
pub(super) fn rotate_secret(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    id: &AccountId,
    rotation: &Rotation,
    now: Timestamp,
) -> Result<Option<Account>, LimitedError> {
    account::lock(db, id)?;
    if db.execute(TOUCH, params![now, id.as_str()])? == 0 {
        return Ok(None);
    }
    // Whatever sends to its endpoints reads the secrets with them.
    db.execute(TOUCH_ENDPOINTS, params![id.as_str()])?;
    let stored = account::find(db, id)?.ok_or_else(|| account::missing(id))?;
    let seal = AccountSeal { key: keyring.open_key(&stored.id, &stored.data_key_sealed)?, entropy };
    secret::replace(db, SecretOwner::account(id), &seal, &rotation.secret, now, rotation.old_expire_at)?;
    rotation.check(db, SecretOwner::account(id), now)?;
    Notice::Account(id.clone()).tell(db)?;
    Ok(Some(stored))
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let fixed = [UPDATE, TOUCH, TOUCH_ENDPOINTS].map(str::to_owned);
    fixed.into_iter().chain([Insert::one::<AccountRow<'_>>(INSERT_REST)]).collect()
}
