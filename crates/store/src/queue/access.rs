//! What the store's two facades share: the way to the writer and to the readers, the keys, and what is kept in memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AccountId, AuditEntry, ClientId, Clock, Entropy, RateLimit, RoomLimits, Timestamp};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc, oneshot};

use super::backend::Backend;
use super::cache::Cache;
use super::config::EndpointConfig;
use super::context::WriteContext;
use super::deletion::{self, DeletionStep};
use super::delivery::ClaimedDelivery;
use super::handoff::HandOff;
use super::ids::DeliveryIds;
use super::jobs::{Job, Reply, Run, Work, write_job};
use super::lease::Lease;
use super::notice::Notice;
use super::replay_pace::ReplayPace;
use super::scrub::{self, Scrub};
use super::tickets::Tickets;
use crate::StoreError;
use crate::audit::append;
use crate::audit::effect::Effect;
use crate::audit::keys::AuditKeys;
use crate::rows::account::{self, Account};
use crate::rows::client::{self, Client};
use crate::rows::contract_key::{self, ContractKeys};
use crate::rows::key::ApiKey;
use crate::rows::lane::LaneKey;
use crate::rows::secret::ActiveSecret;
use crate::seal::{DataKey, Keyring, MasterKey};
use crate::sql::{Answer, Carried, Db, Readers, Source};

const ACCOUNTS_CACHED_MAX: usize = 10_000;
const CONFIGS_CACHED_MAX: usize = 20_000;
const KEYS_CACHED_MAX: usize = 10_000;
const CLIENTS_CACHED_MAX: usize = 10_000;
const CONTRACTS_CACHED_MAX: usize = 1_000;
/// On PostgreSQL, for how long a change by another node may go unseen, should its notice get lost.
const CACHED_AGE_MAX: Duration = Duration::from_secs(3);

/// How to run a store, wherever it is kept.
pub(crate) struct AccessOptions {
    pub(crate) master_key: MasterKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) room: RoomLimits,
    pub(crate) jobs_max: usize,
    pub(crate) readers_max: u32,
    pub(crate) account_backlog_max: i64,
    pub(crate) replay_rate: RateLimit,
    pub(crate) operator_account: Option<AccountId>,
    pub(crate) key_uses_max: u64,
    pub(crate) execution: Execution,
    pub(crate) node_lease: Duration,
}

/// Where a store runs its statements.
#[derive(Clone)]
pub enum Execution {
    /// The writer on a thread of its own, readers on the runtime's blocking threads; each commit is on the disk when it
    /// returns.
    Threads,
    /// Everything on the tasks of a current-thread runtime, in an order that depends on nothing else, and without waiting for
    /// the disk: for simulations. A store opened so survives the end of its process, not that of its machine. On PostgreSQL
    /// the runtime's thread waits for each statement, and the node is the only one: it tells nobody anything, and takes over
    /// from nobody.
    Inline {
        /// Asked before each commit; `false` makes the commit fail, as a full disk does. On PostgreSQL the connection breaks,
        /// every other time after the server has committed.
        commits: Arc<dyn Fn() -> bool + Send + Sync>,
    },
}

/// Drops the history whose delivery ids are all below the given one, where that is done in whole partitions: how many went.
pub(crate) type DropHistory = Arc<dyn Fn(i64) -> Result<usize, StoreError> + Send + Sync>;

/// What both kinds of store are assembled from.
pub(crate) struct Parts {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) context: WriteContext,
    pub(crate) claimed: mpsc::UnboundedReceiver<Vec<ClaimedDelivery>>,
}

impl Parts {
    pub(crate) fn new(
        options: &AccessOptions,
        (keyring, audit): (Arc<Keyring>, AuditKeys),
        lease: Lease,
        delivery_ids: DeliveryIds,
    ) -> Self {
        let (handoff, claimed) = HandOff::new(options.room);
        let context = WriteContext {
            clock: Arc::clone(&options.clock),
            entropy: Arc::clone(&options.entropy),
            handoff,
            lease: Arc::new(lease),
            account_backlog_max: options.account_backlog_max,
            operator_account: options.operator_account.clone(),
            replay_pace: Arc::new(ReplayPace::new(options.replay_rate)),
            audit: Arc::new(audit),
            delivery_ids: Arc::new(delivery_ids),
            keyring: Arc::clone(&keyring),
        };
        Self { keyring, context, claimed }
    }

    /// Assembles them around the running writer.
    pub(crate) fn assemble(self, options: &AccessOptions, source: Source, writer: RunningWriter) -> Access {
        let is_inline = matches!(options.execution, Execution::Inline { .. });
        let is_shared = matches!(source, Source::Postgres(_));
        // Inline nobody else changes anything, and real time must decide nothing.
        let age_max = (is_shared && !is_inline).then_some(CACHED_AGE_MAX);
        Access {
            jobs: RwLock::new(Some(writer.jobs)),
            tickets: Tickets::new(options.jobs_max),
            readers: Readers::new(source, options.readers_max, is_inline),
            keyring: self.keyring,
            context: self.context,
            claimed: AsyncMutex::new(self.claimed),
            replay_started: Notify::new(),
            bulk_retry_started: Notify::new(),
            deletion_begun: Notify::new(),
            erasure_started: Notify::new(),
            activation_begun: Notify::new(),
            erasing: RwLock::default(),
            accounts: Cache::new(ACCOUNTS_CACHED_MAX, age_max),
            configs: Cache::new(CONFIGS_CACHED_MAX, age_max),
            keys: Cache::new(KEYS_CACHED_MAX, age_max),
            clients: Cache::new(CLIENTS_CACHED_MAX, age_max),
            contract_keys: Cache::new(CONTRACTS_CACHED_MAX, age_max),
            noted: Arc::default(),
            is_shared,
            key_uses_max: options.key_uses_max,
            drop_history: writer.drop_history,
            scrub: writer.scrub,
            closing: Mutex::new(writer.closing),
        }
    }
}

/// Called once when the store closes, in order; each may block.
pub(crate) type Closing = Vec<Box<dyn FnOnce() + Send>>;

/// A writer that runs, and what ends with it.
pub(crate) struct RunningWriter {
    pub(crate) jobs: mpsc::Sender<Job>,
    /// Waits for threads to end, and gives the file up.
    pub(crate) closing: Closing,
    /// On PostgreSQL.
    pub(crate) drop_history: Option<DropHistory>,
    /// Where something is left behind at all.
    pub(crate) scrub: Option<Scrub>,
}

/// A record that waits to be written, and whom to tell.
type Noted = (AuditEntry, oneshot::Sender<Result<(), StoreError>>);

/// What the store's facades share.
pub(crate) struct Access {
    jobs: RwLock<Option<mpsc::Sender<Job>>>,
    pub(crate) tickets: Tickets,
    readers: Readers,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) context: WriteContext,
    pub(super) claimed: AsyncMutex<mpsc::UnboundedReceiver<Vec<ClaimedDelivery>>>,
    /// Told when a replay has been started.
    pub(crate) replay_started: Notify,
    /// Rung when a retry of many deliveries has been asked for.
    pub(crate) bulk_retry_started: Notify,
    /// Told when an account is to be deleted.
    pub(crate) deletion_begun: Notify,
    /// Told when an erasure has been started.
    pub(crate) erasure_started: Notify,
    /// Told when a handshake is due at once.
    pub(crate) activation_begun: Notify,
    /// Accounts in which something was erased since this process started: few. What it held before may not exist any more.
    erasing: RwLock<HashSet<AccountId>>,
    pub(crate) accounts: Cache<AccountId, Arc<Account>>,
    pub(crate) configs: Cache<LaneKey, Arc<EndpointConfig>>,
    pub(crate) keys: Cache<[u8; 32], ApiKey>,
    pub(crate) clients: Cache<ClientId, Arc<Client>>,
    pub(crate) contract_keys: Cache<ContractKeys, Arc<[ActiveSecret]>>,
    /// What is to be recorded by itself, and who waits for that.
    noted: Arc<Mutex<Vec<Noted>>>,
    /// Whether other nodes write to the database as well.
    is_shared: bool,
    /// Values that a data key seals before it is renewed.
    pub(super) key_uses_max: u64,
    pub(super) drop_history: Option<DropHistory>,
    pub(super) scrub: Option<Scrub>,
    closing: Mutex<Closing>,
}

impl Access {
    /// Finishes the writes that wait, then closes everything. Later operations fail with [`StoreError::Closed`].
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        drop(self.jobs.write().take());
        let closing = std::mem::take(&mut *self.closing.lock());
        let close = move || {
            for close in closing {
                close();
            }
            Ok::<(), StoreError>(())
        };
        let _ = self.readers.run_blocking(close).await;
    }

    /// Whether the store still takes writes.
    pub(crate) fn is_open(&self) -> bool {
        self.jobs.read().is_some()
    }

    /// Also to be closed with the store, after what is there already.
    pub(crate) fn close_last(&self, close: Box<dyn FnOnce() + Send>) {
        self.closing.lock().push(close);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    fn sender(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        self.jobs.read().clone().ok_or(StoreError::Closed)
    }

    /// Sends a job, waiting for room among those that wait.
    pub(crate) async fn send(&self, job: Job) -> Result<(), StoreError> {
        self.sender()?.send(job).await.map_err(|_| StoreError::Closed)
    }

    /// Sends a job, unless too many wait.
    pub(crate) fn try_send(&self, job: Job) -> Result<(), StoreError> {
        self.sender()?.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }

    /// Runs `work` on a reading connection.
    pub(crate) async fn read<T, E>(&self, work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.read(work).await
    }

    /// Runs `work` on the writer and commits it.
    pub(crate) async fn write<T, E>(&self, work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_with(move |backend| work(backend.db())).await
    }

    /// The same for an act of somebody: it is recorded with what it changed, and not at all if it changed nothing.
    pub(crate) async fn act<T, E>(
        &self,
        entry: Option<AuditEntry>,
        work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Effect + Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (context, now) = (self.context.clone(), self.now());
        let recorded = move |db: Db<'_>| {
            let done = work(db)?;
            if let Some(mut entry) = entry.filter(|_| done.happened()) {
                done.refine(&mut entry);
                append::append(db, &context.audit, &*context.entropy, now, &[entry])?;
            }
            Ok(done)
        };
        self.write(recorded).await
    }

    /// Records what changes nothing else: that something was read, or refused. Whoever asks while such a write waits shares it.
    pub(crate) async fn note(&self, entry: AuditEntry) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        let is_first = {
            let mut waiting = self.noted.lock();
            waiting.push((entry, sender));
            waiting.len() == 1
        };
        if is_first && let Err(error) = self.try_send(Job::Write(self.notes())) {
            let waiting = std::mem::take(&mut *self.noted.lock());
            for (_, sender) in waiting {
                drop(sender.send(Err(error.clone())));
            }
        }
        answered(receiver).await?
    }

    /// Writes every note that waits by then.
    fn notes(&self) -> Run {
        let (noted, context, now) = (Arc::clone(&self.noted), self.context.clone(), self.now());
        Box::new(move |backend| {
            let (entries, senders): (Vec<_>, Vec<_>) = std::mem::take(&mut *noted.lock()).into_iter().unzip();
            let written =
                backend.and_then(|backend| append::append(backend.db(), &context.audit, &*context.entropy, now, &entries));
            let is_kept = written.is_ok();
            let reply: Reply = Box::new(move |committed| {
                let result = committed.and(written);
                for sender in senders {
                    drop(sender.send(result.clone()));
                }
            });
            (reply, is_kept)
        })
    }

    /// The same, for work with an operation that each database does in its own way.
    pub(crate) async fn write_with<T, E>(&self, work: impl FnOnce(&dyn Backend) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let answer = Answer::default();
        let answered = answer.clone();
        let carried_out = move |backend: &dyn Backend| {
            let result = work(backend);
            let is_kept = result.is_ok();
            answered.put(result);
            is_kept
        };
        self.carry_out(Box::new(carried_out)).await?;
        answer.take()
    }

    fn carry_out(&self, work: Work) -> Carried<'_, ()> {
        Box::pin(async move {
            let (job, receiver) = write_job(work);
            self.send(job).await?;
            answered(receiver).await?
        })
    }

    /// The keys of a contract that sign now, newest first, from memory or from the store. Those whose overlap has ended since they were
    /// read may be among them.
    pub(crate) async fn contract_keys(&self, owner: &ContractKeys) -> Result<Arc<[ActiveSecret]>, StoreError> {
        if let Some(known) = self.contract_keys.get(owner) {
            return Ok(known);
        }
        let generation = self.contract_keys.generation();
        let (audit, wanted, now) = (Arc::clone(&self.context.audit), owner.clone(), self.now());
        let found = self.read(move |db| contract_key::active(db, &wanted, audit.store_key(), now)).await?;
        let found: Arc<[ActiveSecret]> = found.into();
        self.contract_keys.insert(generation, owner.clone(), Arc::clone(&found));
        Ok(found)
    }

    /// A client of a published API, from memory or from the store.
    pub(crate) async fn find_client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(client) = self.clients.get(id) {
            return Ok(Some(client));
        }
        let generation = self.clients.generation();
        let (keyring, wanted) = (Arc::clone(&self.keyring), id.clone());
        let client = self.read(move |db| client::find(db, &keyring, &wanted)).await?.map(Arc::new);
        if let Some(client) = &client {
            self.clients.insert(generation, id.clone(), Arc::clone(client));
        }
        Ok(client)
    }

    /// An account, from memory or from the store.
    pub(crate) async fn find_account(&self, id: &AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        if let Some(account) = self.accounts.get(id) {
            return Ok(Some(account));
        }
        let generation = self.accounts.generation();
        let wanted = id.clone();
        let account = self.read(move |db| account::find(db, &wanted)).await?.map(Arc::new);
        if let Some(account) = &account {
            self.accounts.insert(generation, id.clone(), Arc::clone(account));
        }
        Ok(account)
    }

    /// An account's data key; `None` when there is no such account.
    pub(crate) async fn data_key(&self, account_id: &AccountId) -> Result<Option<Arc<DataKey>>, StoreError> {
        // Another node may have deleted the account and made it anew, with another key.
        if !self.is_shared
            && let Some(key) = self.keyring.find(account_id)
        {
            return Ok(Some(key));
        }
        let account = self.find_account(account_id).await?;
        account.map(|account| self.keyring.open_key(account_id, &account.data_key_sealed)).transpose()
    }

    /// Takes one step of the deletion of an account: of this one, or of the one that has waited longest.
    pub(crate) async fn advance_deletion(&self, only: Option<AccountId>) -> Result<Option<DeletionStep>, StoreError> {
        let step = self.write(move |db| deletion::advance(db, only.as_ref())).await?;
        if let Some(DeletionStep { account_id, left: None }) = &step {
            self.forget_account(account_id);
            self.keyring.forget(account_id);
            self.scrub().await?;
        }
        Ok(step)
    }

    /// Runs what talks to the database by connections of its own, and blocks.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.run_blocking(run).await
    }

    /// Leaves nothing behind, if that is wanted. While a long reader keeps something, it is tried again each time that deletions or
    /// erasures are looked for, and at the next start.
    pub(crate) async fn scrub(&self) -> Result<(), StoreError> {
        let Some(empty) = &self.scrub else { return Ok(()) };
        if !self.read(scrub::is_wanted).await? {
            return Ok(());
        }
        for _ in 0..scrub::TRIES {
            let empty = Arc::clone(empty);
            if self.run_blocking(move || empty()).await? {
                return self.write(scrub::done).await;
            }
            tokio::time::sleep(scrub::PAUSE).await;
        }
        tracing::warn!(
            "the database's log could not be emptied of what was deleted, as somebody reads for long; it is tried again"
        );
        Ok(())
    }

    /// Forgets what is in memory of an account that has changed.
    pub(crate) fn forget_account(&self, id: &AccountId) {
        self.accounts.remove(id);
        self.configs.remove_where(|lane| lane.account_id == *id);
    }

    /// Forgets whose keys and tokens work.
    pub(crate) fn forget_keys(&self) {
        self.keys.remove_where(|_| true);
        self.clients.remove_where(|_| true);
    }

    /// Something is being erased in an account.
    pub(crate) fn note_erasing(&self, id: &AccountId) {
        if !self.is_erasing(id) {
            self.erasing.write().insert(id.clone());
        }
    }

    /// Whether something was erased in an account since this process started.
    pub(crate) fn is_erasing(&self, id: &AccountId) -> bool {
        self.erasing.read().contains(id)
    }

    /// Another node has told something.
    pub(crate) fn hear(&self, notice: &Notice) {
        match notice {
            Notice::Account(id) => self.forget_account(id),
            Notice::Erasing(id) => self.note_erasing(id),
            Notice::Keys => self.forget_keys(),
            Notice::Waiting => self.context.handoff.claimable.notify_one(),
            Notice::Deaf => {
                self.accounts.remove_where(|_| true);
                self.configs.remove_where(|_| true);
                self.forget_keys();
                self.context.handoff.claimable.notify_one();
            }
        }
    }
}

/// What the writer answered.
pub(crate) async fn answered<T>(receiver: oneshot::Receiver<T>) -> Result<T, StoreError> {
    receiver.await.map_err(|_| StoreError::Closed)
}
