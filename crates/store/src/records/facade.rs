//! The facade for the use-cases. What is read often is kept in memory, and forgotten by whoever changes it.

mod audit;
mod bulk_retries;
mod clients;
mod contract_keys;
mod expected;
mod figures;
mod numbers;
mod privacy;
mod publishing;
mod sessions;

use std::sync::Arc;

use bellwire_domain::{AccountId, AuditEntry, DeliveryId, EndpointId, EventId, HealthStatus, KeyId, ReplayId, Timestamp};

use super::accounts::{self, PutAccount, PutAccountError};
use super::bulk_retries::Matched;
use super::deliveries::{self, Attempt, Delivery, RetryResult};
use super::delivery_list::{self, DeliveryQuery};
use super::endpoints::{self, LimitedError, NamedEndpoint, NewEndpoint, Rotation};
use super::events::{self, Event, EventQuery};
use super::finding::{self, Found};
use super::keys::{self, KeyDeletion};
use super::replays::{self, NewReplay, StartReplayError, StartedReplay};
use crate::StoreError;
use crate::audit::effect::Effect;
use crate::page::{Page, PageRequest};
use crate::queue;
use crate::queue::access::Access;
use crate::queue::deletion::{self, Deletion};
use crate::queue::renewal::{RenewDataKeyError, RenewalStep};
use crate::rows::account::{self, Account, AccountsOfContract};
use crate::rows::activation::{self, Activation};
use crate::rows::endpoint::Endpoint;
use crate::rows::key::ApiKey;
use crate::rows::lane::LaneKey;
use crate::rows::replay::{self, Replay};
use crate::rows::secret::{self, ActiveSecret, SecretOwner};
use crate::seal::{AccountSeal, KEYS_MAX};
use crate::sql::Db;

/// The records of a store. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    access: Arc<Access>,
    /// What the next change is recorded as.
    entry: Option<Box<AuditEntry>>,
}

impl Records {
    pub(crate) const fn new(access: Arc<Access>) -> Self {
        Self { access, entry: None }
    }

    /// Finishes the writes that wait, then closes the store, its queue too. Later operations fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.access.close().await;
    }

    /// The first event or endpoint with this id, of whichever account, or the first endpoint with this URL.
    pub async fn find_anywhere(&self, wanted: &str) -> Result<Option<Found>, StoreError> {
        let wanted = wanted.to_owned();
        self.access.read(move |db| finding::find(db, &wanted)).await
    }

    /// Writes and reads a little, to say whether the store works.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.access.write(|_| Ok::<_, StoreError>(())).await?;
        self.access.read(|db| keys::any_admin(db).map(drop)).await
    }
}

/// Accounts.
impl Records {
    /// An account.
    pub async fn find_account(&self, id: &AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        self.access.find_account(id).await
    }

    /// The `seq` of an account's last event, read anew: an account in memory may be older than its log. 0: there is none.
    pub async fn last_seq(&self, id: &AccountId) -> Result<i64, StoreError> {
        let id = id.clone();
        let found = self.access.read(move |db| account::find(db, &id)).await?;
        Ok(found.map_or(0, |account| account.last_seq))
    }

    /// A page of accounts, by id.
    pub async fn list_accounts(&self, page: PageRequest) -> Result<Page<Account>, StoreError> {
        self.access.read(move |db| account::list(db, &page)).await
    }

    /// How many accounts there are of each version of a contract that has any.
    pub async fn count_accounts_by_contract(&self) -> Result<Vec<AccountsOfContract>, StoreError> {
        self.access.read(account::count_by_contract).await
    }

    /// Creates or changes an account. The flag says whether it was created.
    pub async fn put_account(&self, wanted: PutAccount) -> Result<(Account, bool), PutAccountError> {
        let (keyring, context) = (Arc::clone(&self.access.keyring), self.access.context.clone());
        let (id, now) = (wanted.id.clone(), self.access.now());
        let result = self.access.act(self.entry(), move |db| accounts::put(db, &keyring, &*context.entropy, &wanted, now)).await;
        self.access.forget_account(&id);
        result
    }

    /// Gives an account a new secret. `None` when there is no such account.
    pub async fn rotate_account_secret(&self, id: &AccountId, rotation: Rotation) -> Result<Option<Account>, LimitedError> {
        let (keyring, context) = (Arc::clone(&self.access.keyring), self.access.context.clone());
        let (wanted, now) = (id.clone(), self.access.now());
        let rotate = move |db: Db<'_>| accounts::rotate_secret(db, &keyring, &*context.entropy, &wanted, &rotation, now);
        let result = self.access.act(self.entry(), rotate).await;
        self.access.forget_account(id);
        result
    }

    /// Renews an account's data key. Where others share the database, this waits until all of them know the new one.
    pub async fn renew_data_key(&self, id: &AccountId) -> Result<(), RenewDataKeyError> {
        match self.access.renew_data_key(id, self.entry()).await? {
            RenewalStep::NoAccount => Err(RenewDataKeyError::AccountNotFound),
            RenewalStep::Full => Err(RenewDataKeyError::TooMany { max: KEYS_MAX }),
            RenewalStep::Announced | RenewalStep::Used(_) | RenewalStep::NoneAnnounced => Ok(()),
        }
    }

    /// Begins to delete an account and all that belongs to it: for its users it is gone when this returns. `false` when there was
    /// none. The queue goes on with it, and whoever calls [`Records::delete_more`].
    pub async fn delete_account(&self, id: &AccountId) -> Result<bool, StoreError> {
        let (wanted, now) = (id.clone(), self.access.now());
        let begun = self.access.act(self.entry(), move |db| deletion::begin(db, &wanted, now)).await;
        self.access.forget_account(id);
        self.access.forget_keys();
        self.access.deletion_begun.notify_one();
        begun
    }

    /// Takes one step of an account's deletion: what is left then; `None`: nothing, or it was not being deleted.
    pub async fn delete_more(&self, id: &AccountId) -> Result<Option<Deletion>, StoreError> {
        self.access.advance_deletion(Some(id.clone())).await.map(|step| step.and_then(|step| step.left))
    }

    /// What is left of an account that is being deleted.
    pub async fn find_deletion(&self, id: &AccountId) -> Result<Option<Deletion>, StoreError> {
        let id = id.clone();
        self.access.read(move |db| deletion::find(db, &id)).await
    }

    /// The account's own secrets that sign now, newest first.
    pub async fn account_secrets(&self, id: &AccountId) -> Result<Vec<ActiveSecret>, StoreError> {
        let Some(key) = self.access.data_key(id).await? else { return Ok(Vec::new()) };
        let (id, now) = (id.clone(), self.access.now());
        self.access.read(move |db| secret::active(db, SecretOwner::account(&id), &key, now)).await
    }
}

/// Endpoints.
impl Records {
    /// An endpoint.
    pub async fn find_endpoint(&self, lane: &LaneKey) -> Result<Option<Endpoint>, StoreError> {
        let (keyring, lane) = (Arc::clone(&self.access.keyring), lane.clone());
        self.access.read(move |db| endpoints::find(db, &keyring, &lane)).await
    }

    /// An endpoint's own secrets that sign now, newest first.
    pub async fn endpoint_secrets(&self, lane: &LaneKey) -> Result<Vec<ActiveSecret>, StoreError> {
        let Some(key) = self.access.data_key(&lane.account_id).await? else { return Ok(Vec::new()) };
        let (lane, now) = (lane.clone(), self.access.now());
        self.access.read(move |db| secret::active(db, SecretOwner::endpoint(&lane), &key, now)).await
    }

    /// A page of an account's endpoints, by id.
    pub async fn list_endpoints(&self, account_id: &AccountId, page: PageRequest) -> Result<Page<Endpoint>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.access.keyring), account_id.clone());
        self.access.read(move |db| endpoints::list(db, &keyring, &account_id, &page)).await
    }

    /// What an account's endpoints have chosen of their contract's options, each choice once.
    pub async fn endpoint_choices(&self, account_id: &AccountId) -> Result<Vec<Option<String>>, StoreError> {
        let account_id = account_id.clone();
        self.access.read(move |db| endpoints::choices(db, &account_id)).await
    }

    /// Stores a new endpoint, one of `account_max` at most; `None` when its account does not exist.
    pub async fn create_endpoint(&self, new: NewEndpoint, account_max: u32) -> Result<Option<Endpoint>, LimitedError> {
        self.store_endpoint(new, move |db, seal, new, now| endpoints::create(db, seal, new, account_max, now)).await
    }

    /// The id of the first endpoint of an account that has a name.
    pub async fn find_endpoint_named(&self, account_id: &AccountId, name: &str) -> Result<Option<EndpointId>, StoreError> {
        let (account_id, name) = (account_id.clone(), name.to_owned());
        self.access.read(move |db| endpoints::find_named(db, &account_id, &name)).await
    }

    /// Stores a new endpoint, one of `account_max` at most, unless another has its name; `None` when its account does not exist.
    pub async fn create_named_endpoint(&self, new: NewEndpoint, account_max: u32) -> Result<Option<NamedEndpoint>, LimitedError> {
        self.store_endpoint(new, move |db, seal, new, now| endpoints::create_named(db, seal, new, account_max, now)).await
    }

    /// Stores a new endpoint with the seal of its account, and begins its handshake.
    async fn store_endpoint<T: Effect + Send + 'static>(
        &self,
        new: NewEndpoint,
        store: impl FnOnce(Db<'_>, &AccountSeal<'_>, NewEndpoint, Timestamp) -> Result<Option<T>, LimitedError> + Send + 'static,
    ) -> Result<Option<T>, LimitedError> {
        let Some(key) = self.access.data_key(&new.account_id).await? else { return Ok(None) };
        let (context, now) = (self.access.context.clone(), self.access.now());
        let begins = new.health == HealthStatus::Pending;
        let stored = self
            .access
            .act(self.entry(), move |db: Db<'_>| store(db, &AccountSeal { key, entropy: &*context.entropy }, new, now))
            .await;
        if begins {
            self.access.activation_begun.notify_one();
        }
        stored
    }

    /// How an endpoint's activation stands; `None`: it never had one.
    pub async fn find_activation(&self, lane: &LaneKey) -> Result<Option<Activation>, StoreError> {
        let Some(key) = self.access.data_key(&lane.account_id).await? else { return Ok(None) };
        let lane = lane.clone();
        self.access.read(move |db| activation::find(db, &key, &lane)).await
    }

    /// The endpoint whose handshake has this token.
    pub async fn find_activating(&self, token: &str) -> Result<Option<LaneKey>, StoreError> {
        let token = token.to_owned();
        self.access.read(move |db| activation::find_by_token(db, &token)).await
    }

    /// A receiver calls back: the endpoint with this token is active from now on, and the next handshake begins at `next_at`. `None`:
    /// no endpoint waits for it.
    pub async fn confirm_activation(
        &self,
        lane: &LaneKey,
        token: &str,
        next_at: Option<Timestamp>,
    ) -> Result<Option<Endpoint>, StoreError> {
        let (context, wanted, token) = (self.access.context.clone(), lane.clone(), token.to_owned());
        let confirm = move |db: Db<'_>| queue::activation::confirm(db, &context, &wanted, &token, next_at);
        let endpoint = self.access.write(confirm).await;
        self.access.configs.remove(lane);
        self.access.context.handoff.mark_backlog([lane.clone()]);
        endpoint
    }

    /// Gives an endpoint a new secret. `None` when there is no such endpoint.
    pub async fn rotate_endpoint_secret(&self, lane: &LaneKey, rotation: Rotation) -> Result<Option<Endpoint>, LimitedError> {
        let Some(key) = self.access.data_key(&lane.account_id).await? else { return Ok(None) };
        let (context, wanted, now) = (self.access.context.clone(), lane.clone(), self.access.now());
        let rotate = move |db: Db<'_>| {
            endpoints::rotate_secret(db, &AccountSeal { key, entropy: &*context.entropy }, &wanted, &rotation, now)
        };
        let endpoint = self.access.act(self.entry(), rotate).await;
        self.access.configs.remove(lane);
        endpoint
    }
}

/// Events and deliveries.
impl Records {
    /// A page of an account's log.
    pub async fn list_events(
        &self,
        account_id: &AccountId,
        query: EventQuery,
        page: PageRequest,
    ) -> Result<Page<Event>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.access.keyring), account_id.clone());
        self.access.read(move |db| events::list(db, &keyring, &account_id, &query, &page)).await
    }

    /// One event.
    pub async fn find_event(&self, account_id: &AccountId, id: &EventId) -> Result<Option<Event>, StoreError> {
        let (keyring, account_id, id) = (Arc::clone(&self.access.keyring), account_id.clone(), id.clone());
        self.access.read(move |db| events::find(db, &keyring, &account_id, &id)).await
    }

    /// The delivery that has been due for longest, of the live ones that were made first.
    pub async fn oldest_due_delivery(&self) -> Result<Option<Delivery>, StoreError> {
        let now = self.access.now();
        self.access.read(move |db| deliveries::oldest_due(db, now)).await
    }

    /// A page of deliveries, newest first.
    pub async fn list_deliveries(&self, query: DeliveryQuery, page: PageRequest) -> Result<Page<Delivery>, StoreError> {
        self.access.read(move |db| delivery_list::list(db, &query, &page)).await
    }

    /// A delivery and its attempts.
    pub async fn find_delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        let keyring = Arc::clone(&self.access.keyring);
        self.access.read(move |db| deliveries::find(db, &keyring, id)).await
    }

    /// Makes a delivery due now.
    pub async fn retry_delivery(&self, id: DeliveryId) -> Result<RetryResult, StoreError> {
        let now = self.access.now();
        let result = self.access.act(self.entry(), move |db| deliveries::retry(db, id, now)).await?;
        if let RetryResult::Due(lane) = &result {
            self.access.context.handoff.mark_backlog([lane.clone()]);
        }
        Ok(result)
    }
}

/// API keys.
impl Records {
    /// The key with this digest.
    pub async fn find_key(&self, hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        if let Some(key) = self.access.keys.get(&hash) {
            return Ok(Some(key));
        }
        let generation = self.access.keys.generation();
        let audit = Arc::clone(&self.access.context.audit);
        let key = self.access.read(move |db| keys::find_by_hash(db, audit.store_key(), &hash)).await?;
        if let Some(key) = &key {
            self.access.keys.insert(generation, hash, key.clone());
        }
        Ok(key)
    }

    /// Whether any admin key exists.
    pub async fn has_admin_key(&self) -> Result<bool, StoreError> {
        self.access.read(keys::any_admin).await
    }

    /// A page of keys, by id.
    pub async fn list_keys(&self, page: PageRequest) -> Result<Page<ApiKey>, StoreError> {
        let audit = Arc::clone(&self.access.context.audit);
        self.access.read(move |db| keys::list(db, audit.store_key(), &page)).await
    }

    /// Stores a key under its digest; one that is stored already stays as it is.
    pub async fn create_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<(), StoreError> {
        let audit = Arc::clone(&self.access.context.audit);
        self.access.act(self.entry(), move |db| keys::create(db, audit.store_key(), &key, &hash)).await
    }

    /// Stores a key under its id, in place of the one that has the id, or the text, now.
    pub async fn replace_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<(), StoreError> {
        let audit = Arc::clone(&self.access.context.audit);
        let replaced = self.access.act(self.entry(), move |db| keys::replace(db, audit.store_key(), &key, &hash)).await;
        self.access.keys.remove_where(|_| true);
        replaced
    }

    /// Notes when keys were used last, to the minute.
    pub async fn note_key_use(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError> {
        self.access.write(move |db| keys::note_use(db, &used)).await
    }

    /// When the last admin key expires; `None`: one never does, or there is none.
    pub async fn admin_keys_end(&self) -> Result<Option<Timestamp>, StoreError> {
        self.access.read(keys::admins_end).await
    }

    /// Revokes a key at once, unless it is the last admin key that works.
    pub async fn delete_key(&self, id: &KeyId) -> Result<KeyDeletion, StoreError> {
        let (id, now) = (id.clone(), self.access.now());
        let deleted = self.access.act(self.entry(), move |db| keys::delete(db, &id, now)).await;
        self.access.keys.remove_where(|_| true);
        deleted
    }
}

/// Replays.
impl Records {
    /// Starts a replay of an endpoint. The queue does its work.
    pub async fn start_replay(&self, new: NewReplay) -> Result<StartedReplay, StartReplayError> {
        let now = self.access.now();
        let started = self.access.act(self.entry(), move |db| replays::start(db, &new, now)).await?;
        self.access.replay_started.notify_one();
        Ok(started)
    }

    /// How many deliveries a replay would make now. `None`: there is no such endpoint.
    pub async fn preview_replay(&self, new: NewReplay) -> Result<Option<Matched>, StoreError> {
        let now = self.access.now();
        self.access.read(move |db| replays::preview(db, &new, now)).await
    }

    /// A page of an endpoint's replays, newest first.
    pub async fn list_replays(&self, lane: &LaneKey, page: PageRequest) -> Result<Page<Replay>, StoreError> {
        let lane = lane.clone();
        self.access.read(move |db| replays::list(db, &lane, &page)).await
    }

    /// A page of the replays that run, by id: of an account, or all there are.
    pub async fn list_running_replays(&self, account: Option<AccountId>, page: PageRequest) -> Result<Page<Replay>, StoreError> {
        self.access.read(move |db| replays::list_running(db, account.as_ref(), &page)).await
    }

    /// One replay of an endpoint.
    pub async fn find_replay(&self, lane: &LaneKey, id: &ReplayId) -> Result<Option<Replay>, StoreError> {
        let (lane, id) = (lane.clone(), id.clone());
        self.access.read(move |db| replay::find(db, &lane, &id)).await
    }

    /// Stops a replay; what it has made stays. One that has ended stays as it ended. `None` when there is none.
    pub async fn cancel_replay(&self, lane: &LaneKey, id: &ReplayId) -> Result<Option<Replay>, StoreError> {
        let (lane, id, now) = (lane.clone(), id.clone(), self.access.now());
        self.access.act(self.entry(), move |db| replays::cancel(db, &lane, &id, now)).await
    }
}
