//! The public face of the store: sends each operation to the writer or to a reader.

mod accounts;
mod fleet;
mod open;
mod replays;
mod resources;
mod retention;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, Clock, DeliveryId, Entropy, EventId, KeyId, Timestamp};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::cache::Cache;
use crate::delivery_ids::DeliveryIds;
use crate::driver::Db;
use crate::handoff::HandOff;
use crate::jobs::{Job, write_job};
use crate::lease::Lease;
use crate::outcomes::{RecordJob, seal_response};
use crate::postgres::{Keeper, PostgresUrl};
use crate::publish::{Publication, PublishJob, SealedEvent};
use crate::readers::Readers;
use crate::resources::Publisher;
use crate::seal::Keyring;
use crate::{
    Account, ApiKey, Attempt, ClaimReport, ClaimedDelivery, DataKey, Delivery, DeliveryQuery, EndpointConfig, Event, EventQuery,
    EventReceipt, HandOffLimits, LaneKey, Location, MasterKey, NewEvent, Outcome, Page, PageRequest, PublishError, Recording,
    RetryResult, StoreError, claims, deliveries, events, keys,
};

/// How to open a store.
pub struct StoreOptions {
    /// Where it is kept.
    pub location: Location,
    /// The key that wraps the accounts' data keys.
    pub master_key: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// How many deliveries may be held in memory.
    pub handoff: HandOffLimits,
    /// Writes that may wait; more are refused as [`StoreError::Busy`].
    pub jobs_max: usize,
    /// Reading connections.
    pub readers_max: usize,
    /// Live deliveries that one account may have; publishing more is refused as [`PublishError::BacklogFull`].
    pub account_backlog_max: i64,
    /// Where statements run.
    pub execution: Execution,
    /// On PostgreSQL, how long a node may be silent before others take over what it holds. Best more than the longest time that
    /// a request to a customer may take; it is renewed while the node lives.
    pub node_lease: Duration,
}

/// Where a store runs its statements.
#[derive(Clone)]
pub enum Execution {
    /// The writer on a thread of its own, readers on the runtime's blocking threads; each commit is on the disk when it
    /// returns.
    Threads,
    /// Everything on the tasks of a current-thread runtime, in an order that depends on nothing else, and without waiting for
    /// the disk: for simulations. A store opened so survives the end of its process, not that of its machine. On PostgreSQL
    /// the runtime's thread waits for each statement, and the node is the only one: it says nothing to others, and
    /// takes over from nobody.
    Inline {
        /// Asked before each commit; `false` makes the commit fail, as a full disk does. On PostgreSQL the connection breaks, every
        /// other time when the server has committed.
        commits: Arc<dyn Fn() -> bool + Send + Sync>,
    },
}

/// Deliveries handed over in memory, each batch committed and held by this process.
pub struct Claimed(mpsc::UnboundedReceiver<Vec<ClaimedDelivery>>);

impl Claimed {
    /// The next batch; `None` once the store is closed.
    pub async fn recv(&mut self) -> Option<Vec<ClaimedDelivery>> {
        self.0.recv().await
    }
}

pub(crate) use open::{hex_token, lock, open_connection};

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    jobs: RwLock<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    readers: Readers,
    keyring: Arc<Keyring>,
    handoff: Arc<HandOff>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    lease: Arc<Lease>,
    account_backlog_max: i64,
    delivery_ids: Arc<DeliveryIds>,
    /// Publishes in transactions that do more.
    publisher: Arc<Publisher>,
    /// Told when a replay has been started.
    replay_started: Notify,
    /// On PostgreSQL, where: other nodes write there as well.
    postgres: Option<PostgresUrl>,
    accounts: Cache<AccountId, Arc<Account>>,
    configs: Cache<LaneKey, Arc<EndpointConfig>>,
    keys: Cache<[u8; 32], ApiKey>,
    /// On PostgreSQL, what keeps this node among the others.
    keeper: Mutex<Option<Keeper>>,
    /// On SQLite, held for the life of the store: refuses a second process.
    _lock: Option<File>,
}

impl Store {
    /// Finishes the writes that wait, then closes the files. Later operations fail with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.0.readers.close();
        let keeper = self.0.keeper.lock().take();
        drop(self.0.jobs.write().take());
        let thread = self.0.thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        if let Some(keeper) = keeper {
            let _ = tokio::task::spawn_blocking(move || keeper.stop()).await;
        }
    }

    /// Writes and reads a little, to say whether the store works.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.write(|_| Ok::<_, StoreError>(())).await?;
        self.read(|db| keys::any_admin(db).map(drop)).await
    }

    /// Deliveries held in memory now.
    pub fn held(&self) -> usize {
        self.0.handoff.held()
    }

    /// Waits until [`Store::claim_due`] may find something before its next instant.
    pub async fn claimable(&self) {
        self.0.handoff.claimable.notified().await;
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn sender(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        self.0.jobs.read().clone().ok_or(StoreError::Closed)
    }

    async fn read<T, E>(&self, work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.readers.read(work).await
    }

    async fn write<T, E>(&self, work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, receiver) = write_job(work);
        self.sender()?.send(job).await.map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    async fn data_key(&self, account_id: &AccountId) -> Result<Option<Arc<DataKey>>, StoreError> {
        // Another node may have deleted the account and made it anew, with another key.
        if self.0.postgres.is_none()
            && let Some(key) = self.0.keyring.find(account_id)
        {
            return Ok(Some(key));
        }
        let account = self.find_account(account_id).await?;
        account.map(|account| self.0.keyring.unwrap(account_id, &account.data_key_sealed)).transpose()
    }
}

/// Events and deliveries.
impl Store {
    /// Publishes events of one account, all or none: stored with all their deliveries when this returns. `account` is what the
    /// caller decided by; when it has changed since, nothing is published.
    pub async fn commit_events(&self, account: &Account, new: Vec<NewEvent>) -> Result<Vec<EventReceipt>, PublishError> {
        let key = self.0.keyring.unwrap(&account.id, &account.data_key_sealed)?;
        let seal = |event| SealedEvent::new(event, &key, &*self.0.entropy, &account.id);
        let (reply, receiver) = oneshot::channel();
        let publication = Publication {
            account_id: account.id.clone(),
            account_created_at: account.created_at,
            account_version: account.version,
            events: new.into_iter().map(seal).collect(),
        };
        let job = PublishJob { publication, reply };
        self.sender()?.try_send(Job::Publish(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        let result = receiver.await.map_err(|_| StoreError::Closed)?;
        if matches!(result, Err(PublishError::AccountChanged | PublishError::AccountNotFound)) {
            self.0.accounts.remove(&account.id);
        }
        result
    }

    /// A page of an account's log.
    pub async fn list_events(
        &self,
        account_id: &AccountId,
        query: EventQuery,
        page: PageRequest,
    ) -> Result<Page<Event>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.0.keyring), account_id.clone());
        self.read(move |db| events::list(db, &keyring, &account_id, &query, &page)).await
    }

    /// One event.
    pub async fn find_event(&self, account_id: &AccountId, id: &EventId) -> Result<Option<Event>, StoreError> {
        let (keyring, account_id, id) = (Arc::clone(&self.0.keyring), account_id.clone(), id.clone());
        self.read(move |db| events::find(db, &keyring, &account_id, &id)).await
    }

    /// A page of deliveries, newest first.
    pub async fn list_deliveries(&self, query: DeliveryQuery, page: PageRequest) -> Result<Page<Delivery>, StoreError> {
        self.read(move |db| deliveries::list(db, &query, &page)).await
    }

    /// A delivery and its attempts.
    pub async fn find_delivery(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        let keyring = Arc::clone(&self.0.keyring);
        self.read(move |db| deliveries::find(db, &keyring, id)).await
    }

    /// Makes a delivery due now.
    pub async fn retry_delivery(&self, id: DeliveryId) -> Result<RetryResult, StoreError> {
        let now = self.now();
        let result = self.write(move |db| deliveries::retry(db, id, now)).await?;
        if let RetryResult::Due(lane) = &result {
            self.0.handoff.mark_backlog([lane.clone()]);
        }
        Ok(result)
    }

    /// Records attempts and what follows from them, in one transaction.
    pub async fn record_outcomes(&self, outcomes: Arc<[Outcome]>) -> Result<Vec<Recording>, StoreError> {
        let mut responses_sealed = Vec::with_capacity(outcomes.len());
        for outcome in outcomes.iter() {
            let key = self.data_key(&outcome.delivery.account_id).await?;
            responses_sealed.push(key.and_then(|key| seal_response(outcome, &key, &*self.0.entropy)));
        }
        let (reply, receiver) = oneshot::channel();
        let job = Job::Record(RecordJob { outcomes: Arc::clone(&outcomes), responses_sealed, reply });
        self.sender()?.send(job).await.map_err(|_| StoreError::Closed)?;
        let recordings = receiver.await.map_err(|_| StoreError::Closed)??;
        for (outcome, recording) in outcomes.iter().zip(&recordings) {
            let gone = outcome.decision == bellwire_domain::Decision::Failed { endpoint_gone: true };
            if gone || matches!(recording, Recording::Stored(Some(_))) {
                self.0.configs.remove(&outcome.delivery.lane());
            }
        }
        Ok(recordings)
    }

    /// Claims what waits for lanes with room and what is due at `now`, at most `limit` of each, and hands it over.
    pub async fn claim_due(&self, now: Timestamp, limit: usize) -> Result<ClaimReport, StoreError> {
        let (handoff, lease) = (Arc::clone(&self.0.handoff), Arc::clone(&self.0.lease));
        let claiming = self.write(move |db| claims::claim(db, &handoff, &lease, now, limit)).await;
        let (rows, report) = claiming.inspect_err(|_: &StoreError| self.0.handoff.queue_again())?;
        self.0.handoff.send(rows.into_iter().filter_map(|row| row.open(&self.0.keyring)).collect());
        Ok(report)
    }

    /// Puts held deliveries back unattempted: their endpoint takes nothing now. They stay in the store until something marks
    /// their lane: a resume, an enable, or [`Store::expect`].
    pub async fn release_deliveries(&self, held: &[ClaimedDelivery]) -> Result<(), StoreError> {
        let claimant = self.0.lease.current();
        // What was held under an earlier token is free already, and may be held again.
        let ids: Vec<_> = held.iter().filter(|held| held.epoch == claimant.epoch).map(|held| held.id).collect();
        self.write(move |db| claims::unclaim(db, &claimant.token, &ids)).await?;
        for delivery in held {
            self.0.handoff.release_delivery(delivery);
        }
        Ok(())
    }

    /// Lets the next claim round look for waiting deliveries of these lanes.
    pub fn expect(&self, lanes: impl IntoIterator<Item = LaneKey>) {
        self.0.handoff.mark_backlog(lanes);
    }

    /// An endpoint has stopped answering: until it answers, next to none of its deliveries are held in memory.
    pub fn throttle(&self, lane: &LaneKey) {
        self.0.handoff.throttle(lane);
    }
}

/// API keys.
impl Store {
    /// The key with this digest.
    pub async fn find_key(&self, hash: [u8; 32]) -> Result<Option<ApiKey>, StoreError> {
        if let Some(key) = self.0.keys.get(&hash) {
            return Ok(Some(key));
        }
        let generation = self.0.keys.generation();
        let key = self.read(move |db| keys::find_by_hash(db, &hash)).await?;
        if let Some(key) = &key {
            self.0.keys.insert(generation, hash, key.clone());
        }
        Ok(key)
    }

    /// Whether any admin key exists.
    pub async fn has_admin_key(&self) -> Result<bool, StoreError> {
        self.read(keys::any_admin).await
    }

    /// A page of keys, by id.
    pub async fn list_keys(&self, page: PageRequest) -> Result<Page<ApiKey>, StoreError> {
        self.read(move |db| keys::list(db, &page)).await
    }

    /// Stores a key under its digest; one that is stored already stays as it is.
    pub async fn create_key(&self, key: ApiKey, hash: [u8; 32]) -> Result<(), StoreError> {
        self.write(move |db| keys::create(db, &key, &hash)).await
    }

    /// Revokes a key at once; `false` when there is none.
    pub async fn delete_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        let id = id.clone();
        let deleted = self.write(move |db| keys::delete(db, &id)).await;
        self.0.keys.remove_where(|_| true);
        deleted
    }
}
