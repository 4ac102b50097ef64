//! Renewing an account's data key: what is stored from then on is sealed by a new key, and what was stored before stays readable.
//!
//! A new key is announced in one transaction and put to use in another. In between, every node that shares the database reads what was
//! announced, so that none of them meets a value that it cannot open. A renewal that is interrupted leaves a key announced, which the
//! next one puts to use.
//!
//! A key wears out: its nonces are random, and two of them must not be the same. Nodes count what they seal, and note it in large steps,
//! so that counting costs nothing; what nodes that died had not noted yet is far less than the half of a key's life that is left by then.

use std::sync::Arc;

use bellwire_domain::{AccountId, AuditAction, AuditActor, AuditEntry, AuditOrigin, AuditVia, Entropy};

use super::access::Access;
use super::notice::Notice;
use crate::StoreError;
use crate::audit::effect::Effect;
use crate::rows::account;
use crate::seal::{Keyring, Renewal};
use crate::sql::{Db, params};

/// A node notes what it has sealed under a key once it is this part of what a key may seal.
const NOTED_PART: u64 = 1 << 15;

const COUNT: &str = "UPDATE accounts SET sealed_values = sealed_values + $1 WHERE id = $2";
const COUNTED: &str = "SELECT sealed_values FROM accounts WHERE id = $1 AND deleting_since IS NULL";
const RESET: &str = "UPDATE accounts SET sealed_values = 0 WHERE id = $1";

/// What a step of a renewal has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RenewalStep {
    /// The new key is announced.
    Announced,
    /// It seals. How the account's data key is stored now.
    Used(Vec<u8>),
    /// None was announced: another node was quicker.
    NoneAnnounced,
    /// There is no such account.
    NoAccount,
    /// It has as many keys as there is room for.
    Full,
}

/// Why an account's data key was not renewed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RenewDataKeyError {
    /// There is no such account, or it is being deleted.
    #[error("there is no such account")]
    AccountNotFound,
    /// It has had as many as there is room for.
    #[error("the account has had {max} data keys, which is the limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// It has happened once the new key seals.
impl Effect for RenewalStep {
    fn happened(&self) -> bool {
        matches!(self, Self::Used(_))
    }
}

/// Announces a new key, unless one is announced already.
pub(crate) fn announce(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy, id: &AccountId) -> Result<RenewalStep, StoreError> {
    let Some(before) = wrapped(db, id)? else { return Ok(RenewalStep::NoAccount) };
    let (renewal, wrapped) = keyring.announce(entropy, id, &before)?;
    if renewal == Renewal::Full {
        return Ok(RenewalStep::Full);
    }
    store(db, id, (&before, &wrapped))?;
    Ok(RenewalStep::Announced)
}

/// Lets the announced key seal.
pub(crate) fn put_to_use(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    id: &AccountId,
) -> Result<RenewalStep, StoreError> {
    let Some(before) = wrapped(db, id)? else { return Ok(RenewalStep::NoAccount) };
    let (is_announced, wrapped) = keyring.put_to_use(entropy, id, &before)?;
    if !is_announced {
        return Ok(RenewalStep::NoneAnnounced);
    }
    store(db, id, (&before, &wrapped))?;
    db.execute(RESET, params![id.as_str()])?;
    Ok(RenewalStep::Used(wrapped))
}

/// An account's data key as it is stored, while nobody else changes it.
fn wrapped(db: Db<'_>, id: &AccountId) -> Result<Option<Vec<u8>>, StoreError> {
    account::lock(db, id)?;
    let found = account::find(db, id)?.filter(|account| account.deleting_since.is_none());
    Ok(found.map(|account| account.data_key_sealed))
}

fn store(db: Db<'_>, id: &AccountId, (before, wrapped): (&[u8], &[u8])) -> Result<(), StoreError> {
    account::replace_key(db, id, before, wrapped)?;
    Notice::Account(id.clone()).tell(db)
}

/// Adds to what an account's key has sealed: whether it is worn.
pub(crate) fn count(db: Db<'_>, id: &AccountId, sealed: u64, uses_max: u64) -> Result<bool, StoreError> {
    db.execute(COUNT, params![i64::try_from(sealed).unwrap_or(i64::MAX), id.as_str()])?;
    let found = db.find("accounts", COUNTED, params![id.as_str()])?;
    let counted: i64 = found.map(|row| row.value("sealed_values")).transpose()?.unwrap_or(0);
    Ok(u64::try_from(counted).is_ok_and(|counted| counted >= uses_max))
}

/// What the renewal of a worn key is recorded as.
pub(crate) fn of_worn(id: &AccountId) -> AuditEntry {
    let origin = AuditOrigin { via: AuditVia::Node, address: None };
    AuditEntry::new(AuditActor::Node, origin, AuditAction::DataKeyRenewed).in_account(id)
}

impl Access {
    /// Renews an account's data key, and says what came of it. Where others share the database, it waits until all of them know the new key.
    pub(crate) async fn renew_data_key(&self, id: &AccountId, entry: Option<AuditEntry>) -> Result<RenewalStep, StoreError> {
        let (keyring, context, wanted) = (Arc::clone(&self.keyring), self.context.clone(), id.clone());
        let announced = self.write(move |db| announce(db, &keyring, &*context.entropy, &wanted)).await?;
        if announced != RenewalStep::Announced {
            return Ok(announced);
        }
        self.forget_account(id);
        if let Some(age_max) = self.accounts.age_max() {
            tokio::time::sleep(age_max * 2).await;
        }
        let (keyring, context, wanted) = (Arc::clone(&self.keyring), self.context.clone(), id.clone());
        let used = self.act(entry, move |db| put_to_use(db, &keyring, &*context.entropy, &wanted)).await?;
        self.forget_account(id);
        if let RenewalStep::Used(wrapped) = &used {
            self.keyring.open_key(id, wrapped)?;
        }
        Ok(used)
    }

    /// Notes how much the keys in memory have sealed, and renews those that are worn: how many.
    pub(crate) async fn renew_worn_keys(&self) -> Result<usize, StoreError> {
        let (mut renewed, uses_max) = (0, self.key_uses_max);
        for (id, sealed) in self.keyring.take_sealed((uses_max / NOTED_PART).max(1)) {
            let wanted = id.clone();
            if self.write(move |db| count(db, &wanted, sealed, uses_max)).await? {
                match self.renew_data_key(&id, Some(of_worn(&id))).await? {
                    RenewalStep::Used(_) => renewed += 1,
                    RenewalStep::Full => tracing::error!(
                        account.id = %id,
                        "the account's data key is worn, and it has had as many as there is room for: move its data to another account"
                    ),
                    _ => {}
                }
            }
        }
        Ok(renewed)
    }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    [COUNT, COUNTED, RESET].map(str::to_owned).into()
}
