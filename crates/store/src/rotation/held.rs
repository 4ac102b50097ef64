//! A database that a command writes to, beside whatever servers work on it.

use rusqlite::{Connection, TransactionBehavior};

use crate::sql::{Db, Fault, Session};
use crate::{Location, OpenError, StoreError, moves, postgres, sqlite};

/// A connection that writes.
pub(crate) enum Held {
    Sqlite(Connection),
    Postgres(Box<Session>),
}

impl Held {
    /// Connects to a store that has the schema known here.
    pub(crate) fn open(location: &Location) -> Result<Self, OpenError> {
        match location {
            Location::Sqlite(path) => {
                sqlite::open::open_read_only(path)?;
                Ok(Self::Sqlite(sqlite::open::open_connection(path)?))
            }
            Location::Postgres(url) => Ok(Self::Postgres(Box::new(postgres::open::beside(url)?))),
        }
    }

    /// Runs `work` in a transaction of its own.
    pub(crate) fn transaction<T, E: From<StoreError>>(&mut self, work: impl FnOnce(Db<'_>) -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Sqlite(connection) => {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
                let done = work(Db::Sqlite(&transaction))?;
                transaction.commit().map_err(StoreError::from)?;
                Ok(done)
            }
            Self::Postgres(session) => session.transaction(|| work(Db::Postgres(session))),
        }
    }

    /// Whether the connection broke, and with it what it might have done.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(session) => session.take_fault() == Fault::Lost,
        }
    }
}

/// Counts the servers that do not know the key by which this canary is sealed, or any new key.
pub(super) type Unprepared<'a> = &'a dyn Fn(Option<&[u8]>) -> Result<i64, StoreError>;

/// Runs `work` in a transaction in which no server begins to work on the store. The function that it gets counts the servers there
/// are that do not know the new master key of a canary.
pub(super) fn alone_or_prepared<T, E: From<StoreError> + From<OpenError>>(
    location: &Location,
    work: impl FnOnce(Db<'_>, Unprepared<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let path = match location {
        Location::Sqlite(path) => path,
        Location::Postgres(url) => {
            let session = postgres::open::beside(url)?;
            let unprepared = |canary: Option<&[u8]>| postgres::nodes::keep_out_unprepared(&session, canary.unwrap_or_default());
            return session.transaction(|| {
                moves::admit_target(Db::Postgres(&session), url)?;
                work(Db::Postgres(&session), &unprepared)
            });
        }
    };
    sqlite::open::open_read_only(path)?;
    // Before the connection, and dropped after it: closing it ends the locks that SQLite holds in this process.
    let lock = match sqlite::open::lock(path) {
        Ok(lock) => Some(lock),
        Err(OpenError::Locked { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let is_alone = lock.is_some();
    // Since there is a canary of the new key, no server has started that does not know both.
    let unprepared = |canary: Option<&[u8]>| Ok(i64::from(!is_alone && canary.is_none()));
    let mut held = Held::Sqlite(sqlite::open::open_connection(path)?);
    held.transaction(|db| {
        if is_alone {
            moves::admit_source(db, path)?;
        }
        work(db, &unprepared)
    })
}
