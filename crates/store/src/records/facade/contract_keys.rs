//! The private keys with which a contract signs for all of its accounts.

use bellwire_domain::Secret;

use super::Records;
use crate::StoreError;
use crate::records::endpoints::{LimitedError, Rotation};
use crate::rows::contract_key::{self, ContractKeys};
use crate::rows::secret::ActiveSecret;
use crate::sql::Db;

impl Records {
    /// Those that sign now, newest first.
    pub async fn contract_keys(&self, owner: &ContractKeys) -> Result<Vec<ActiveSecret>, StoreError> {
        let now = self.access.now();
        let found = self.access.contract_keys(owner).await?;
        let signs = |key: &&ActiveSecret| key.expires_at.is_none_or(|end| end > now);
        Ok(found.iter().filter(signs).cloned().collect())
    }

    /// Stores the first one of all; `false`: there is one.
    pub async fn put_first_contract_key(&self, owner: &ContractKeys, key: Secret<String>) -> Result<bool, StoreError> {
        let (context, wanted, now) = (self.access.context.clone(), owner.clone(), self.access.now());
        let put =
            move |db: Db<'_>| contract_key::put_first(db, &wanted, (context.audit.store_key(), &*context.entropy), &key, now);
        let stored = self.access.act(self.entry(), put).await;
        self.access.contract_keys.remove(owner);
        stored
    }

    /// Gives a contract a new one.
    pub async fn rotate_contract_key(&self, owner: &ContractKeys, rotation: Rotation) -> Result<ActiveSecret, LimitedError> {
        let (context, wanted, now) = (self.access.context.clone(), owner.clone(), self.access.now());
        let rotate = move |db: Db<'_>| -> Result<ActiveSecret, LimitedError> {
            let seal = (context.audit.store_key(), &*context.entropy);
            let stored = contract_key::replace(db, &wanted, seal, &rotation.secret, now, rotation.old_expire_at)?;
            let stored = stored.ok_or_else(|| StoreError::Unavailable("other nodes give this contract keys".into()))?;
            LimitedError::check(contract_key::count_active(db, &wanted, now)? - 1, rotation.active_max)?;
            Ok(stored)
        };
        let rotated = self.access.act(self.entry(), rotate).await;
        self.access.contract_keys.remove(owner);
        rotated
    }
}
