//! Reading connections: a bounded pool beside the writer, run on the runtime's blocking threads.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::OpenFlags;
use tokio::sync::Semaphore;

use super::address::PostgresUrl;
use super::answer::Answer;
use super::db::{Db, aside};
use super::session::Session;
use crate::StoreError;

/// Page cache of one reader, in KiB (negative as SQLite counts it).
const READER_CACHE_KIB: i64 = -1_024;
/// How long a store that closes waits for those who read.
const CLOSING_MAX: Duration = Duration::from_secs(5);
/// A whole read of PostgreSQL sees one state.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// What is read.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

pub(crate) struct Readers {
    source: Source,
    pool: Arc<Pool>,
    permits: Semaphore,
    connections_max: u32,
    /// Whether reads run on the calling task.
    inline: bool,
}

/// What runs on a reading connection.
type Work = Box<dyn FnOnce(Db<'_>) + Send>;

/// What runs elsewhere, of one type.
pub(crate) type Carried<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// The connections that nobody uses now.
#[derive(Default)]
struct Pool {
    idle: Mutex<Vec<Connection>>,
    /// The last connection could not be made.
    unreachable: AtomicBool,
    /// Held by the one that tries, meanwhile.
    trying: Mutex<()>,
}

enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Session>),
}

impl Readers {
    pub(crate) fn new(source: Source, connections_max: u32, inline: bool) -> Self {
        let permits = Semaphore::new(usize::try_from(connections_max).unwrap_or(usize::MAX));
        Self { source, pool: Arc::default(), permits, connections_max, inline }
    }

    /// Runs `work` on a reading connection. All its statements see the same snapshot, so that what they say fits together.
    pub(crate) async fn read<T, E>(&self, work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let answer = Answer::default();
        let answered = answer.clone();
        self.carry_out(Box::new(move |db| answered.put(work(db)))).await?;
        answer.take()
    }

    fn carry_out(&self, work: Work) -> Carried<'_, ()> {
        Box::pin(async move {
            let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
            let pool = Arc::clone(&self.pool);
            let source = self.source.clone();
            let run = move || match &source {
                Source::Sqlite(path) => read_sqlite(path, &pool.idle, work),
                Source::Postgres(url) => read_postgres(url, &pool, work),
            };
            self.run_blocking(run).await
        })
    }

    /// Runs what blocks: on a thread of its own, but in place in a simulation, where the order of things follows from its seed.
    pub(crate) async fn run_blocking<T, E>(&self, run: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if self.inline {
            tokio::task::yield_now().await; // where a real one would let others go first
            return if matches!(self.source, Source::Postgres(_)) { aside(run) } else { run() };
        }
        tokio::task::spawn_blocking(run).await.map_err(|_| StoreError::Closed)?
    }

    /// Closes the pool: later reads fail, those that run are waited for, for a while, and the connections are dropped. While one
    /// is open, the last commits of an SQLite store stay in its log.
    pub(crate) async fn close(&self) {
        let _ = tokio::time::timeout(CLOSING_MAX, self.permits.acquire_many(self.connections_max)).await;
        self.permits.close();
        self.pool.idle.lock().clear();
    }
}

fn read_sqlite(path: &PathBuf, idle: &Mutex<Vec<Connection>>, work: Work) -> Result<(), StoreError> {
    let reused = idle.lock().pop();
    let connection = match reused {
        Some(Connection::Sqlite(connection)) => connection,
        _ => open(path)?,
    };
    let snapshot = connection.unchecked_transaction()?;
    work(Db::Sqlite(&snapshot));
    drop(snapshot);
    idle.lock().push(Connection::Sqlite(connection));
    Ok(())
}

fn read_postgres(url: &PostgresUrl, pool: &Pool, work: Work) -> Result<(), StoreError> {
    let session = begin(url, pool)?;
    work(Db::Postgres(&session));
    if session.batch("ROLLBACK").is_ok() {
        pool.idle.lock().push(Connection::Postgres(session));
    }
    Ok(())
}

/// A connection in a transaction: one of the idle ones, if it still lives, or a new one.
fn begin(url: &PostgresUrl, pool: &Pool) -> Result<Box<Session>, StoreError> {
    let reused = pool.idle.lock().pop();
    if let Some(Connection::Postgres(session)) = reused {
        if session.begin_as(BEGIN).is_ok() {
            return Ok(session);
        }
        // What broke this one broke the others, and to find that out of each may take long.
        drop(std::mem::take(&mut *pool.idle.lock()));
    }
    // While the database cannot be reached, one tries, and the others do not wait for what it finds.
    let unreachable = pool.unreachable.load(Ordering::Acquire);
    let trying = unreachable.then(|| pool.trying.try_lock());
    if matches!(trying, Some(None)) {
        return Err(StoreError::Unavailable("it cannot be reached".into()));
    }
    let made = Session::connect(url, None).and_then(|session| session.begin_as(BEGIN).map(|()| Box::new(session)));
    pool.unreachable.store(made.is_err(), Ordering::Release);
    made
}

fn open(path: &PathBuf) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "cache_size", READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::params;

    #[tokio::test]
    async fn a_read_sees_one_snapshot_and_the_next_read_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.db");
        let writer = rusqlite::Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)").unwrap();
        let readers = Readers::new(Source::Sqlite(path), 1, false);
        let count = |db: Db<'_>| db.get("t", "SELECT COUNT(*) FROM t", params![]).unwrap().value::<i64>("count").unwrap();
        let seen = readers.read(move |db| {
            let before = count(db);
            writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
            Ok::<_, StoreError>((before, count(db)))
        });
        assert_eq!(seen.await.unwrap(), (1, 1));
        assert_eq!(readers.read(move |db| Ok::<_, StoreError>(count(db))).await.unwrap(), 2);
    }
}
