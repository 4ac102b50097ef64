//! Accounts and endpoints on the face of the store. What is read often is kept in memory, and forgotten by whoever changes it.

use std::sync::Arc;

use bellwire_domain::{AccountId, Secret, Timestamp};

use super::Store;
use crate::driver::Db;
use crate::seal::AccountSeal;
use crate::{
    Account, ActiveSecret, Endpoint, EndpointChanges, EndpointConfig, LaneKey, NewEndpoint, Page, PageRequest, PutAccount,
    PutAccountError, StoreError, accounts, endpoints,
};

/// Accounts and endpoints.
impl Store {
    /// An account.
    pub async fn find_account(&self, id: &AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        if let Some(account) = self.0.accounts.get(id) {
            return Ok(Some(account));
        }
        let generation = self.0.accounts.generation();
        let wanted = id.clone();
        let account = self.read(move |db| accounts::find(db, &wanted)).await?.map(Arc::new);
        if let Some(account) = &account {
            self.0.accounts.insert(generation, id.clone(), Arc::clone(account));
        }
        Ok(account)
    }

    /// A page of accounts, by id.
    pub async fn list_accounts(&self, page: PageRequest) -> Result<Page<Account>, StoreError> {
        self.read(move |db| accounts::list(db, &page)).await
    }

    /// Creates or changes an account. The flag says whether it was created.
    pub async fn put_account(&self, wanted: PutAccount) -> Result<(Account, bool), PutAccountError> {
        let (keyring, entropy, now) = (Arc::clone(&self.0.keyring), Arc::clone(&self.0.entropy), self.now());
        let id = wanted.id.clone();
        let result = self.write(move |db| accounts::put(db, &keyring, &*entropy, &wanted, now)).await;
        self.forget_account(&id);
        result
    }

    /// Gives an account a new secret; those before it sign until `old_expire_at`. `None` when there is no such account.
    pub async fn rotate_account_secret(
        &self,
        id: &AccountId,
        secret: Secret<String>,
        old_expire_at: Timestamp,
    ) -> Result<Option<Account>, StoreError> {
        let (keyring, entropy, now) = (Arc::clone(&self.0.keyring), Arc::clone(&self.0.entropy), self.now());
        let wanted = id.clone();
        let times = (now, old_expire_at);
        let result = self.write(move |db| accounts::rotate_secret(db, &keyring, &*entropy, &wanted, &secret, times)).await;
        self.forget_account(id);
        result
    }

    /// Deletes an account and all that is its; `false` when there was none.
    pub async fn delete_account(&self, id: &AccountId) -> Result<bool, StoreError> {
        let (wanted, now) = (id.clone(), self.now());
        let deleted = self.write(move |db| accounts::delete(db, &wanted, now)).await;
        self.forget_account(id);
        self.0.keyring.forget(id);
        self.0.keys.remove_where(|_| true);
        deleted
    }

    fn forget_account(&self, id: &AccountId) {
        self.0.accounts.remove(id);
        self.0.configs.remove_where(|lane| lane.account_id == *id);
    }

    /// The account's own secrets that sign now, newest first.
    pub async fn account_secrets(&self, id: &AccountId) -> Result<Vec<ActiveSecret>, StoreError> {
        let Some(key) = self.data_key(id).await? else { return Ok(Vec::new()) };
        let (id, now) = (id.clone(), self.now());
        self.read(move |db| accounts::active_secrets(db, &accounts::SecretOwner::account(&id), &key, now)).await
    }

    /// An endpoint.
    pub async fn find_endpoint(&self, lane: &LaneKey) -> Result<Option<Endpoint>, StoreError> {
        let (keyring, lane) = (Arc::clone(&self.0.keyring), lane.clone());
        self.read(move |db| endpoints::find(db, &keyring, &lane)).await
    }

    /// What sending to an endpoint needs, at least as new as `version`.
    pub async fn find_endpoint_config(&self, lane: &LaneKey, version: i64) -> Result<Option<Arc<EndpointConfig>>, StoreError> {
        if let Some(config) = self.0.configs.get(lane).filter(|config| config.endpoint.version >= version) {
            return Ok(Some(config));
        }
        let generation = self.0.configs.generation();
        let (keyring, wanted, now) = (Arc::clone(&self.0.keyring), lane.clone(), self.now());
        let config = self.read(move |db| endpoints::find_config(db, &keyring, &wanted, now)).await?.map(Arc::new);
        if let Some(config) = &config {
            self.0.configs.insert(generation, lane.clone(), Arc::clone(config));
        }
        Ok(config)
    }

    /// A page of an account's endpoints, by id.
    pub async fn list_endpoints(&self, account_id: &AccountId, page: PageRequest) -> Result<Page<Endpoint>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.0.keyring), account_id.clone());
        self.read(move |db| endpoints::list(db, &keyring, &account_id, &page)).await
    }

    /// How many endpoints an account has.
    pub async fn count_endpoints(&self, account_id: &AccountId) -> Result<i64, StoreError> {
        let account_id = account_id.clone();
        self.read(move |db| endpoints::count(db, &account_id)).await
    }

    /// Stores a new endpoint; `None` when its account does not exist.
    pub async fn create_endpoint(&self, new: NewEndpoint) -> Result<Option<Endpoint>, StoreError> {
        let Some(key) = self.data_key(&new.account_id).await? else { return Ok(None) };
        let (entropy, now) = (Arc::clone(&self.0.entropy), self.now());
        self.write(move |db| endpoints::create(db, &AccountSeal { key, entropy: &*entropy }, &new, now)).await
    }

    /// Changes an endpoint; `None` when there is none.
    pub async fn update_endpoint(&self, lane: &LaneKey, changes: EndpointChanges) -> Result<Option<Endpoint>, StoreError> {
        let Some(key) = self.data_key(&lane.account_id).await? else { return Ok(None) };
        let (entropy, now, wanted) = (Arc::clone(&self.0.entropy), self.now(), lane.clone());
        let update = move |db: Db<'_>| endpoints::update(db, &AccountSeal { key, entropy: &*entropy }, &wanted, &changes, now);
        let endpoint = self.write(update).await;
        self.0.configs.remove(lane);
        self.0.handoff.mark_backlog([lane.clone()]); // what waited while it was paused or disabled
        endpoint
    }

    /// Gives an endpoint a new secret; those before it sign until `old_expire_at`. `None` when there is no such endpoint.
    pub async fn rotate_endpoint_secret(
        &self,
        lane: &LaneKey,
        secret: Secret<String>,
        old_expire_at: Timestamp,
    ) -> Result<Option<Endpoint>, StoreError> {
        let Some(key) = self.data_key(&lane.account_id).await? else { return Ok(None) };
        let (entropy, now, wanted) = (Arc::clone(&self.0.entropy), self.now(), lane.clone());
        let rotate = move |db: Db<'_>| {
            endpoints::rotate_secret(db, &AccountSeal { key, entropy: &*entropy }, &wanted, &secret, now, old_expire_at)
        };
        let endpoint = self.write(rotate).await;
        self.0.configs.remove(lane);
        endpoint
    }

    /// Deletes an endpoint and cancels what waits for it; `false` when there is none.
    pub async fn delete_endpoint(&self, lane: &LaneKey) -> Result<bool, StoreError> {
        let (now, wanted) = (self.now(), lane.clone());
        let deleted = self.write(move |db| endpoints::delete(db, &wanted, now)).await;
        self.0.configs.remove(lane);
        deleted
    }
}
