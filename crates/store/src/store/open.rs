//! Opening a store, of either kind, and what both are assembled from.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Entropy;
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{Notify, mpsc};

use super::{Claimed, Execution, Inner, Store, StoreOptions};
use crate::cache::Cache;
use crate::delivery_ids::DeliveryIds;
use crate::driver::{Db, params};
use crate::handoff::HandOff;
use crate::jobs::Job;
use crate::lease::Lease;
use crate::postgres::{Duties, Keeper};
use crate::readers::Readers;
use crate::resources::Publisher;
use crate::seal::Keyring;
use crate::writer::WriteContext;
use crate::{Location, OpenError, StoreError, claims, migrations, postgres, relocation, writer};

const ACCOUNTS_CACHED_MAX: usize = 10_000;
const CONFIGS_CACHED_MAX: usize = 20_000;
const KEYS_CACHED_MAX: usize = 10_000;
/// On PostgreSQL, for how long a change by another node may go unseen, should its notification be lost.
const CACHED_AGE_MAX: Duration = Duration::from_secs(3);
/// Size of a page.
const PAGE_BYTES: i64 = 8_192;
/// Page cache of the writing connection, in KiB (negative as SQLite counts it).
const WRITER_CACHE_KIB: i64 = -4_096;

impl Store {
    /// Opens or makes the database, migrates it, and takes over what a stopped process held.
    pub fn open(options: StoreOptions) -> Result<(Self, Claimed), OpenError> {
        match &options.location {
            Location::Sqlite(path) => {
                let path = path.clone();
                Self::open_sqlite(options, &path)
            }
            Location::Postgres(url) => {
                let url = url.clone();
                Self::open_postgres(options, url)
            }
        }
    }

    fn open_sqlite(options: StoreOptions, path: &Path) -> Result<(Self, Claimed), OpenError> {
        let lock = lock(path)?;
        let mut connection = open_connection(path)?;
        let header = migrations::read_header(&connection).map_err(StoreError::from)?;
        let version = migrations::check_header(&header, path)?;
        migrations::migrate(&mut connection, version)?;
        relocation::admit_source(Db::Sqlite(&connection), path)?;
        let keyring = Arc::new(Keyring::new(&options.master_key));
        check_master_key(Db::Sqlite(&connection), &keyring, &*options.entropy)?;
        let lease = Arc::new(Lease::lasting(hex_token(&*options.entropy)));
        let (handoff, receiver) = HandOff::new(options.handoff);
        let handoff = Arc::new(handoff);
        handoff.mark_backlog(claims::recover(Db::Sqlite(&connection), &lease.current().token)?);
        let delivery_ids = Arc::new(DeliveryIds::open(Db::Sqlite(&connection))?);
        let parts = Parts { keyring, handoff, lease, delivery_ids };
        let writer = writer::Writer::new(connection, parts.context(&options));
        let (jobs, thread) = match &options.execution {
            Execution::Threads => writer::start(writer, path, options.jobs_max)?,
            Execution::Inline { commits } => (writer::start_inline(writer, Arc::clone(commits), options.jobs_max)?, None),
        };
        let inner = parts.assemble(options, (jobs, thread), Some(lock));
        Ok((Self(Arc::new(inner)), Claimed(receiver)))
    }

    fn open_postgres(options: StoreOptions, url: postgres::PostgresUrl) -> Result<(Self, Claimed), OpenError> {
        let keyring = Arc::new(Keyring::new(&options.master_key));
        let (entropy, sealed_with) = (Arc::clone(&options.entropy), Arc::clone(&keyring));
        let opened = postgres::open(&url, options.node_lease, (&options.clock, &options.entropy), move |session| {
            check_master_key(Db::Postgres(session), &sealed_with, &*entropy)
        })?;
        let (handoff, receiver) = HandOff::new(options.handoff);
        let handoff = Arc::new(handoff);
        handoff.mark_backlog(opened.waiting);
        let (lease, delivery_ids) = (Arc::new(opened.lease), Arc::new(opened.delivery_ids));
        let duties = Duties {
            url: url.clone(),
            lease: Arc::clone(&lease),
            lease_length: options.node_lease,
            handoff: Arc::clone(&handoff),
            clock: Arc::clone(&options.clock),
        };
        let parts = Parts { keyring, handoff, lease, delivery_ids };
        let (context, jobs_max) = (parts.context(&options), options.jobs_max);
        if let Execution::Inline { commits } = &options.execution {
            let jobs = postgres::start_writer_inline(opened.session, url, context, Arc::clone(commits), jobs_max);
            let inner = Arc::new(parts.assemble(options, (jobs, None), None));
            let store = Arc::downgrade(&inner);
            postgres::look_inline(duties, move || store.upgrade().is_some_and(|inner| inner.jobs.read().is_some()));
            return Ok((Self(inner), Claimed(receiver)));
        }
        let (jobs, thread) = postgres::start_writer(opened.session, url, context, jobs_max)?;
        let inner = Arc::new(parts.assemble(options, (jobs, Some(thread)), None));
        let told = Arc::downgrade(&inner);
        let keeper = Keeper::start(duties, move |message| {
            if let Some(inner) = told.upgrade() {
                inner.hear(&message);
            }
        })?;
        *inner.keeper.lock() = Some(keeper);
        Ok((Self(inner), Claimed(receiver)))
    }
}

/// What both kinds of store are assembled from.
struct Parts {
    keyring: Arc<Keyring>,
    handoff: Arc<HandOff>,
    lease: Arc<Lease>,
    delivery_ids: Arc<DeliveryIds>,
}

impl Parts {
    fn context(&self, options: &StoreOptions) -> WriteContext {
        WriteContext {
            clock: Arc::clone(&options.clock),
            entropy: Arc::clone(&options.entropy),
            handoff: Arc::clone(&self.handoff),
            lease: Arc::clone(&self.lease),
            account_backlog_max: options.account_backlog_max,
            delivery_ids: Arc::clone(&self.delivery_ids),
        }
    }

    fn assemble(
        self,
        options: StoreOptions,
        (jobs, thread): (mpsc::Sender<Job>, Option<std::thread::JoinHandle<()>>),
        lock: Option<File>,
    ) -> Inner {
        let inline = matches!(options.execution, Execution::Inline { .. });
        let postgres = match &options.location {
            Location::Sqlite(_) => None,
            Location::Postgres(url) => Some(url.clone()),
        };
        // Inline nobody else changes anything, and the real time must decide nothing.
        let age_max = (postgres.is_some() && !inline).then_some(CACHED_AGE_MAX);
        Inner {
            jobs: RwLock::new(Some(jobs)),
            thread: Mutex::new(thread),
            publisher: Arc::new(Publisher::new(self.context(&options))),
            readers: Readers::new(options.location, options.readers_max, inline),
            keyring: self.keyring,
            handoff: self.handoff,
            clock: options.clock,
            entropy: options.entropy,
            lease: self.lease,
            account_backlog_max: options.account_backlog_max,
            delivery_ids: self.delivery_ids,
            replay_started: Notify::new(),
            postgres,
            accounts: Cache::new(ACCOUNTS_CACHED_MAX, age_max),
            configs: Cache::new(CONFIGS_CACHED_MAX, age_max),
            keys: Cache::new(KEYS_CACHED_MAX, age_max),
            keeper: Mutex::new(None),
            _lock: lock,
        }
    }
}

/// Takes the lock file beside the database, for the life of the returned handle.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let file =
        File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(|error| not_writable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(not_writable(path, &error)),
    }
}

fn not_writable(path: &Path, reason: &dyn std::fmt::Display) -> OpenError {
    OpenError::NotWritable { path: path.to_owned(), reason: reason.to_string() }
}

pub(crate) fn open_connection(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path).map_err(|error| not_writable(path, &error))?;
    // Of a new database; an old one keeps its own. Events of some KiB take fewer pages, and small ones no more time.
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(StoreError::from)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            OpenError::NotADatabase { path: path.to_owned(), reason: "it is not an SQLite file".to_owned() }
        }
        _ => not_writable(path, &error),
    })?;
    let settings = [("cache_size", WRITER_CACHE_KIB), ("busy_timeout", 5_000)];
    for (name, value) in settings {
        connection.pragma_update(None, name, value).map_err(StoreError::from)?;
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(StoreError::from)?;
    // A plan does not depend on what is bound, so nothing is planned anew when that changes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(StoreError::from)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// A database remembers which master key it was made with.
fn check_master_key(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), OpenError> {
    let canary = keyring.seal_canary(entropy);
    db.execute("INSERT INTO meta (key, value) VALUES ('canary', $1) ON CONFLICT (key) DO NOTHING", params![&canary[..]])?;
    let stored = db.find("meta", "SELECT value FROM meta WHERE key = 'canary'", params![])?;
    match stored {
        Some(row) if keyring.opens_canary(row.bytes(0, "value")?) => Ok(()),
        _ => Err(OpenError::WrongMasterKey),
    }
}

pub(crate) fn hex_token(entropy: &dyn Entropy) -> String {
    let bytes: [u8; 16] = entropy.bytes();
    format!("{:032x}", u128::from_be_bytes(bytes))
}
