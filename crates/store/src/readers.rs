//! Reading connections: a bounded pool beside the writer, run on the runtime's blocking threads.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::StoreError;
use crate::driver::Db;

/// Page cache of one reader, in KiB (negative as SQLite counts it).
const READER_CACHE_KIB: i64 = -1_024;

pub(crate) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Semaphore,
    /// Whether reads run on the calling task.
    inline: bool,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, connections_max: usize, inline: bool) -> Self {
        Self { path, idle: Arc::default(), permits: Semaphore::new(connections_max), inline }
    }

    /// Runs `work` on a reading connection. All its statements see the same snapshot, so that what they say fits together.
    pub(crate) async fn read<T, E>(&self, work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let path = self.path.clone();
        let run = move || {
            let reused = idle.lock().pop();
            let connection = match reused {
                Some(connection) => connection,
                None => open(&path).map_err(StoreError::from)?,
            };
            let snapshot = connection.unchecked_transaction().map_err(StoreError::from)?;
            let result = work(Db(&snapshot));
            drop(snapshot);
            idle.lock().push(connection);
            result
        };
        if self.inline {
            tokio::task::yield_now().await; // where a real read would let others go first
            return run();
        }
        tokio::task::spawn_blocking(run).await.map_err(|_| StoreError::Closed)?
    }

    /// Closes the pool: later reads fail, idle connections are dropped.
    pub(crate) fn close(&self) {
        self.permits.close();
        self.idle.lock().clear();
    }
}

fn open(path: &PathBuf) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "cache_size", READER_CACHE_KIB)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::params;

    #[tokio::test]
    async fn a_read_sees_one_snapshot_and_the_next_read_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)").unwrap();
        let readers = Readers::new(path, 1, false);
        let count = |db: Db<'_>| db.find("t", "SELECT COUNT(*) FROM t", params![]).unwrap().unwrap().int(0, "count").unwrap();
        let seen = readers.read(move |db| {
            let before = count(db);
            writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
            Ok::<_, StoreError>((before, count(db)))
        });
        assert_eq!(seen.await.unwrap(), (1, 1));
        assert_eq!(readers.read(move |db| Ok::<_, StoreError>(count(db))).await.unwrap(), 2);
    }
}
