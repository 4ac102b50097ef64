//! Opening a store in an SQLite file.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::migrations;
use super::writer::{self, Writer};
use crate::audit::keys::AuditKeys;
use crate::moves;
use crate::queue::access::{Access, AccessOptions, Execution, Parts, RunningWriter};
use crate::queue::adoption;
use crate::queue::clear_subjects;
use crate::queue::clock;
use crate::queue::ids::DeliveryIds;
use crate::queue::lease::{Lease, draw_token};
use crate::queue::scrub::{self, Scrub};
use crate::queue::takeover::{self, Fate, Holder};
use crate::rows::endpoint::EndpointName;
use crate::rows::lane::{LaneKey, keys};
use crate::rows::master_key;
use crate::seal::Keyring;
use crate::sql::{Db, Source, params, select};
use crate::{OpenError, StoreError};

/// Size of a page.
const PAGE_BYTES: i64 = 8_192;
/// Page caches of the writing connection and of one that reads whole tables, in KiB (negative as SQLite counts it).
const WRITER_CACHE_KIB: i64 = -4_096;
const EXAMINING_CACHE_KIB: i64 = -65_536;

/// How long a statement waits for another connection, and how long the emptying of the log holds up commits for its readers.
const BUSY: Duration = Duration::from_secs(5);
const SCRUB_BUSY: Duration = Duration::from_millis(100);

/// From the first lane in which something waits to the next: of endpoints for which nothing waits, and of what else waits in a lane,
/// nothing is read. There may be a million of either.
const LANES_WAITING: &str = "FROM (WITH RECURSIVE waiting (lane) AS (\
     SELECT MIN(q.lane) FROM queue q WHERE q.wake_at IS NULL AND q.claim IS NULL \
     UNION ALL SELECT (SELECT MIN(q.lane) FROM queue q WHERE q.wake_at IS NULL AND q.claim IS NULL AND q.lane > w.lane) \
     FROM waiting w WHERE w.lane IS NOT NULL) SELECT lane FROM waiting WHERE lane IS NOT NULL) w \
     CROSS JOIN endpoints p WHERE p.lane = w.lane";

/// Opens or makes the database, migrates it, and takes over what a process held that died.
pub(crate) fn open(options: &AccessOptions, path: &Path) -> Result<Access, OpenError> {
    let lock = lock(path)?;
    let mut connection = open_connection(path)?;
    let header = migrations::read_header(&connection).map_err(StoreError::from)?;
    let version = migrations::check_header(&header, path)?;
    migrations::migrate(&mut connection, version)?;
    let db = Db::Sqlite(&connection);
    moves::admit_source(db, path)?;
    let keyring = Arc::new(Keyring::new(&options.master_key));
    let begun = rusqlite::Transaction::new_unchecked(&connection, TransactionBehavior::Immediate).map_err(StoreError::from)?;
    master_key::adopt(Db::Sqlite(&begun), &keyring, &*options.entropy)?;
    begun.commit().map_err(StoreError::from)?;
    let audit = AuditKeys::adopt(db, &keyring, &*options.entropy)?;
    clear_subjects::adopt(db, &keyring)?;
    adoption::adopt(db, &keyring, &*options.entropy)?;
    adoption::adopt_reasons(db, audit.store_key(), &*options.entropy)?;
    if scrub::is_wanted(db)? && empty_log(&connection).map_err(StoreError::from)? {
        scrub::done(db)?;
    }
    let lease = Lease::lasting(draw_token(&*options.entropy));
    let waiting = recover(db, &lease.current().token)?;
    let now = options.clock.now();
    clock::set_right(db, now)?;
    let parts = Parts::new(options, (keyring, audit), lease, DeliveryIds::open(db, now)?);
    parts.context.handoff.mark_backlog(waiting);
    let writer = Writer::new(connection, parts.context.clone())?;
    let scrubbed = path.to_owned();
    let (jobs, mut closing, scrub) = match &options.execution {
        Execution::Threads => {
            let (jobs, closing) = writer::start(writer, path, options.jobs_max)?;
            let scrub: Scrub = Arc::new(move || Ok(empty_log(&Connection::open(&scrubbed)?)?));
            (jobs, closing, Some(scrub))
        }
        Execution::Inline { commits } => (writer::start_inline(writer, Arc::clone(commits), options.jobs_max)?, Vec::new(), None),
    };
    // The last to go: another process may have the file once this one has written all of it.
    closing.push(Box::new(move || drop(lock)));
    let running = RunningWriter { jobs, closing, drop_history: None, scrub };
    Ok(parts.assemble(options, Source::Sqlite(path.to_owned()), running))
}

/// Moves everything from the log into the database, and empties it; `false`: somebody reads it.
fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(SCRUB_BUSY)?;
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    connection.busy_timeout(BUSY)?;
    Ok(!is_busy)
}

/// Takes over what a dead process held; the lanes that have deliveries waiting.
fn recover(db: Db<'_>, claim_token: &str) -> Result<Vec<LaneKey>, StoreError> {
    let recovered = takeover::free(db, Holder::Other, claim_token, Fate::Died)?;
    if recovered > 0 {
        tracing::info!(deliveries = recovered, "took over deliveries that a process had held when it died");
    }
    keys::<EndpointName>(&db.query("queue", &select::<EndpointName>(LANES_WAITING), params![])?)
}

/// Takes the lock on the database's file, whatever name it is reached by, for the life of the returned handle. A new file is for
/// its owner only, and what SQLite makes beside it is so too.
///
/// The handle has to outlive every connection to the file: closing it ends the locks that SQLite holds in this process.
pub(crate) fn lock(path: &Path) -> Result<File, OpenError> {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let file = options.open(path).map_err(|error| not_writable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(error)) => Err(not_writable(path, &error)),
    }
}

fn not_writable(path: &Path, reason: &dyn std::fmt::Display) -> OpenError {
    OpenError::NotWritable { path: path.to_owned(), reason: reason.to_string() }
}

/// A connection that writes.
pub(crate) fn open_connection(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path).map_err(|error| not_writable(path, &error))?;
    // Of a new database; an old one keeps its own. Events of a few KiB take fewer pages, and small ones no more time.
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(StoreError::from)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            OpenError::NotADatabase { path: path.to_owned(), reason: "it is not an SQLite file".to_owned() }
        }
        _ => not_writable(path, &error),
    })?;
    connection.busy_timeout(BUSY).map_err(StoreError::from)?;
    // What is deleted is overwritten with zeros: an account's wrapped key goes with its row.
    let settings = [("cache_size", WRITER_CACHE_KIB), ("secure_delete", 1)];
    for (name, value) in settings {
        connection.pragma_update(None, name, value).map_err(StoreError::from)?;
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(StoreError::from)?;
    // A plan does not depend on what is bound, so nothing is planned anew when that changes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(StoreError::from)?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// A connection that only reads a store, if the file is one and has the schema known here.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    let not_readable = |error: &rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => {
            OpenError::NotADatabase { path: path.to_owned(), reason: "it is not an SQLite file".to_owned() }
        }
        _ => OpenError::NotReadable { path: path.to_owned(), reason: error.to_string() },
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| not_readable(&error))?;
    connection.pragma_update(None, "cache_size", EXAMINING_CACHE_KIB).map_err(|error| not_readable(&error))?;
    let header = migrations::read_header(&connection).map_err(|error| not_readable(&error))?;
    migrations::check_known(&header, path)?;
    Ok(connection)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let freed = takeover::statements(&[Holder::This, Holder::Other]);
    freed.into_iter().chain([select::<EndpointName>(LANES_WAITING)]).collect()
}
