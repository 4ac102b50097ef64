//! The thin layer between this crate's SQL and the database drivers.
//!
//! Statements are written once, in the subset that SQLite and PostgreSQL share: parameters as `$1`, `$2`, … in the order of
//! their first use, ids as TEXT, times, counts and truth as BIGINT, bytes as BLOB or BYTEA. A parameter that may be NULL is first
//! compared with a column or cast: PostgreSQL tells its type from its first use. Only the hot statements have two texts. Rows
//! come back as owned cells with typed getters, and a cell of the wrong kind is an [`StoreError::Inconsistent`], never a panic.

use std::str::FromStr;

use bellwire_domain::{AccountId, DeliveryId, Timestamp};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};

use crate::StoreError;
use crate::postgres::{Bound, Message, Session};

/// One bound parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Param<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl rusqlite::ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

impl From<i64> for Param<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Param<'_> {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Param<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<DeliveryId> for Param<'_> {
    fn from(value: DeliveryId) -> Self {
        Self::Int(value.number())
    }
}

impl From<Timestamp> for Param<'_> {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.as_micros())
    }
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A list of parameters: `params![id, now, &payload[..]]`.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::driver::Param::from($value)),*] };
}
pub(crate) use params;

/// One row, with the table it came from for errors.
#[derive(Debug)]
pub(crate) struct Row {
    cells: Vec<Value>,
    table: &'static str,
}

impl Row {
    pub(crate) fn new(
        mut cells: impl ExactSizeIterator<Item = Result<Value, StoreError>>,
        table: &'static str,
    ) -> Result<Self, StoreError> {
        let mut row = Self { cells: Vec::with_capacity(cells.len()), table }; // `collect` would not know how many there are
        cells.try_for_each(|cell| cell.map(|cell| row.cells.push(cell)))?;
        Ok(row)
    }

    fn read(row: &rusqlite::Row<'_>, columns: usize, table: &'static str) -> Result<Self, StoreError> {
        Self::new((0..columns).map(|index| Ok(row.get::<_, Value>(index)?)), table)
    }

    fn wrong(&self, column: &'static str) -> StoreError {
        let id = match self.cells.first() {
            Some(Value::Text(id)) => id.clone(),
            Some(Value::Integer(id)) => id.to_string(),
            _ => "unknown".to_owned(),
        };
        StoreError::Inconsistent { table: self.table, column, id }
    }

    pub(crate) fn int(&self, index: usize, column: &'static str) -> Result<i64, StoreError> {
        self.find_int(index, column)?.ok_or_else(|| self.wrong(column))
    }

    pub(crate) fn find_int(&self, index: usize, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self.cells.get(index) {
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(*value)),
            _ => Err(self.wrong(column)),
        }
    }

    /// An integer of a narrower type than the column's.
    pub(crate) fn narrow<T: TryFrom<i64>>(&self, index: usize, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.int(index, column)?).map_err(|_| self.wrong(column))
    }

    pub(crate) fn boolean(&self, index: usize, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.int(index, column)? != 0)
    }

    pub(crate) fn time(&self, index: usize, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_micros(self.int(index, column)?))
    }

    pub(crate) fn delivery_id(&self, index: usize, column: &'static str) -> Result<DeliveryId, StoreError> {
        DeliveryId::from_number(self.int(index, column)?).ok_or_else(|| self.wrong(column))
    }

    pub(crate) fn find_time(&self, index: usize, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.find_int(index, column)?.map(Timestamp::from_micros))
    }

    pub(crate) fn text(&self, index: usize, column: &'static str) -> Result<&str, StoreError> {
        self.find_text(index, column)?.ok_or_else(|| self.wrong(column))
    }

    pub(crate) fn find_text(&self, index: usize, column: &'static str) -> Result<Option<&str>, StoreError> {
        match self.cells.get(index) {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(value)) => Ok(Some(value)),
            _ => Err(self.wrong(column)),
        }
    }

    /// A text with a form of its own: an id, a state, an event type.
    pub(crate) fn parsed<T: FromStr>(&self, index: usize, column: &'static str) -> Result<T, StoreError> {
        self.text(index, column)?.parse().map_err(|_| self.wrong(column))
    }

    /// A text read by `parse`, which knows the words allowed.
    pub(crate) fn word<T>(
        &self,
        index: usize,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(self.text(index, column)?).ok_or_else(|| self.wrong(column))
    }

    pub(crate) fn bytes(&self, index: usize, column: &'static str) -> Result<&[u8], StoreError> {
        self.find_bytes(index, column)?.ok_or_else(|| self.wrong(column))
    }

    /// Bytes that are many: taken out of the row, not copied.
    pub(crate) fn take_bytes(&mut self, index: usize, column: &'static str) -> Result<Vec<u8>, StoreError> {
        match self.cells.get_mut(index) {
            Some(Value::Blob(value)) => Ok(std::mem::take(value)),
            _ => Err(self.wrong(column)),
        }
    }

    pub(crate) fn find_bytes(&self, index: usize, column: &'static str) -> Result<Option<&[u8]>, StoreError> {
        match self.cells.get(index) {
            Some(Value::Null) => Ok(None),
            Some(Value::Blob(value)) => Ok(Some(value)),
            _ => Err(self.wrong(column)),
        }
    }
}

/// A connection, inside a transaction where the caller opened one.
#[derive(Clone, Copy)]
pub(crate) enum Db<'c> {
    /// Shared by no other process.
    Sqlite(&'c rusqlite::Connection),
    /// Other nodes write at the same time.
    Postgres(&'c Session),
}

impl<'c> Db<'c> {
    /// A statement to be run several times.
    pub(crate) fn prepare<'s>(self, sql: &'s str) -> Result<Prepared<'c, 's>, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => Prepared::Sqlite(connection.prepare_cached(sql)?),
            Self::Postgres(session) => Prepared::Postgres(session, sql),
        })
    }

    /// All rows of a query over `table` (named for error messages).
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
            found.push(Row::read(row, columns, table)?);
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
            each(&Row::read(row, columns, table)?)?;
        }
        Ok(())
    }

    /// The first row of a query, if any.
    pub(crate) fn find(self, table: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(table, sql, params)?.into_iter().next())
    }

    /// Runs a statement; the number of rows it changed.
    pub(crate) fn execute(self, sql: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(params))?),
            Self::Postgres(session) => session.execute(sql, params),
        }
    }

    /// Lets every statement of the transaction take its time.
    pub(crate) fn be_patient(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.be_patient(),
        }
    }

    /// Keeps every other node from writing anything of this account until the transaction ends. Whatever writes rows of an
    /// account that exists does this first, so that nodes take their locks in one order. Whether others may have written just
    /// before: then what was read is to be read again. One SQLite file has one writer, which needs no lock.
    pub(crate) fn lock_account(self, id: &AccountId) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(session) => session.query("accounts", LOCK_ACCOUNT, params![id.as_str()]).map(|_| true),
        }
    }
}

impl Db<'_> {
    /// Tells the other nodes of a change, once it is committed.
    pub(crate) fn tell(self, message: &Message) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(session) => session.execute(TELL, params![message.payload().as_str()]).map(drop),
        }
    }
}

/// On PostgreSQL only, as the next.
pub(crate) const TELL: &str = "SELECT pg_notify('bellwire', $1)";
pub(crate) const LOCK_ACCOUNT: &str = "SELECT id FROM accounts WHERE id = $1 FOR UPDATE";

/// A statement that runs once for each of many rows: found once among those prepared.
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

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    Bytes,
}

/// A column's name and what it holds.
pub(crate) type Column = (&'static str, Kind);

/// Rows for one statement: what the columns hold, and the cells, one row after another.
pub(crate) type Set<'s, 'a> = (&'s [Kind], &'s [Param<'a>]);

/// An INSERT of many rows.
///
/// On SQLite one prepared statement, run for each row: a statement with several rows in it has to be able to take back the first
/// ones when a later one fails, and SQLite copies every page it touches for that. On PostgreSQL one statement over arrays, as
/// each statement is a way over the network and back.
pub(crate) struct BulkInsert {
    columns: &'static [Column],
    row_sql: String,
    set_sql: String,
}

impl BulkInsert {
    pub(crate) fn new(table: &str, columns: &'static [Column]) -> Self {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
        let (into, names) = (format!("INSERT INTO {table}"), names.join(", "));
        let row_sql = format!("{into} ({names}) VALUES ({})", places.join(", "));
        let set_sql = format!("{into} ({names}) SELECT * FROM {}", unnest(columns.iter().map(|(_, kind)| *kind)));
        Self { columns, row_sql, set_sql }
    }

    /// Inserts all rows that `cells` holds, one after another.
    pub(crate) fn run(&self, db: Db<'_>, cells: &[Param<'_>]) -> Result<(), StoreError> {
        if cells.is_empty() {
            return Ok(());
        }
        match db {
            Db::Sqlite(_) => {
                let mut statement = db.prepare(&self.row_sql)?;
                cells.chunks_exact(self.columns.len()).try_for_each(|row| statement.execute(row).map(drop))
            }
            Db::Postgres(session) => session.execute_set(&self.set_sql, &[(&self.kinds(), cells)], &[]).map(drop),
        }
    }

    /// The same on PostgreSQL, to be sent with other statements.
    pub(crate) fn bind<'a>(&self, session: &Session, cells: &[Param<'a>]) -> Result<Bound<'a>, StoreError> {
        session.bind("", &self.set_sql, &[(&self.kinds(), cells)], &[])
    }

    fn kinds(&self) -> Vec<Kind> {
        self.columns.iter().map(|(_, kind)| *kind).collect()
    }

    #[cfg(test)]
    pub(crate) fn set_sql(&self) -> &str {
        &self.set_sql
    }
}

/// The arrays `$1`, `$2`, … of these kinds as rows.
pub(crate) fn unnest(kinds: impl Iterator<Item = Kind>) -> String {
    unnest_from(1, kinds)
}

/// The same, where the first one is `$first`.
pub(crate) fn unnest_from(first: usize, kinds: impl Iterator<Item = Kind>) -> String {
    let arrays: Vec<String> = kinds
        .enumerate()
        .map(|(index, kind)| {
            let name = match kind {
                Kind::Int => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{name}[]", first + index)
        })
        .collect();
    format!("UNNEST({})", arrays.join(", "))
}
