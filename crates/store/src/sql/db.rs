//! Either database, as most of the store's statements see it.

use rusqlite::types::Value;

use super::param::Param;
use super::row::Row;
use super::session::Session;
use crate::StoreError;

/// A connection, inside a transaction where the caller opened one.
#[derive(Clone, Copy)]
pub(crate) enum Db<'c> {
    /// Shared with no other process.
    Sqlite(&'c rusqlite::Connection),
    /// Other nodes write at the same time.
    Postgres(&'c Session),
}

impl<'c> Db<'c> {
    /// A statement that will run several times.
    pub(crate) fn prepare<'s>(self, sql: &'s str) -> Result<Prepared<'c, 's>, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => Prepared::Sqlite(connection.prepare_cached(sql)?),
            Self::Postgres(session) => Prepared::Postgres(session, sql),
        })
    }

    /// All rows of a query over `table`, which is named for errors.
    pub(crate) fn query(self, table: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let connection = match self {
            Self::Sqlite(connection) => connection,
            Self::Postgres(session) => return session.query(table, sql, params),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(params))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_sqlite(row, columns, table)?);
        }
        Ok(found)
    }

    /// Hands every row of a query without parameters to `each`, one at a time: for results that need not fit in memory.
    pub(crate) fn for_each(
        self,
        table: &'static str,
        sql: &str,
        each: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let connection = match self {
            Self::Sqlite(connection) => connection,
            Self::Postgres(session) => return session.for_each(table, sql, each),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(&read_sqlite(row, columns, table)?)?;
        }
        Ok(())
    }

    /// The first row of a query, if any.
    pub(crate) fn find(self, table: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(table, sql, params)?.into_iter().next())
    }

    /// The one row of a query that always has one: a count, a maximum.
    pub(crate) fn get(self, table: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Row, StoreError> {
        let missing = || StoreError::Inconsistent { table, column: "count", id: "no row".to_owned() };
        self.find(table, sql, params)?.ok_or_else(missing)
    }

    /// Runs a statement; the number of rows it changed.
    pub(crate) fn execute(self, sql: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params))?),
            Self::Postgres(session) => session.execute(sql, params),
        }
    }

    /// Runs statements in a transaction, where none is open.
    pub(crate) fn transaction<T, E: From<StoreError>>(self, work: impl FnOnce(Self) -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Sqlite(connection) => {
                let transaction = connection.unchecked_transaction().map_err(StoreError::from)?;
                let done = work(Self::Sqlite(connection))?;
                transaction.commit().map_err(StoreError::from)?;
                Ok(done)
            }
            Self::Postgres(session) => session.transaction(|| work(self)),
        }
    }

    /// Whether other processes may write at the same time: then rows are locked before they are changed, and others are told.
    pub(crate) const fn is_shared(self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

fn read_sqlite(row: &rusqlite::Row<'_>, columns: usize, table: &'static str) -> Result<Row, StoreError> {
    Row::new((0..columns).map(|index| Ok(row.get::<_, Value>(index)?)), table)
}

/// A statement that runs once for each of many rows: found only once among those prepared.
pub(crate) enum Prepared<'c, 's> {
    Sqlite(rusqlite::CachedStatement<'c>),
    Postgres(&'c Session, &'s str),
}

impl Prepared<'_, '_> {
    /// Runs it; the number of rows it changed.
    pub(crate) fn execute(&mut self, params: &[Param<'_>]) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(statement) => Ok(statement.execute(rusqlite::params_from_iter(params))?),
            Self::Postgres(session, sql) => session.execute(sql, params),
        }
    }
}

/// Runs `work` on a thread of its own and waits for it: a connection to PostgreSQL must not be waited for on a thread that runs
/// tasks.
pub(crate) fn aside<T: Send, E: Send + From<StoreError>>(work: impl FnOnce() -> Result<T, E> + Send) -> Result<T, E> {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
}
