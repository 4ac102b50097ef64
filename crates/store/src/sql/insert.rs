//! INSERTs and UPDATEs made from a table's columns.

use super::bound::Bound;
use super::db::Db;
use super::param::{Kind, Param};
use super::session::Session;
use super::table::{Column, Table, TableRow, names, unnest};
use crate::StoreError;

/// An INSERT of many rows of one table.
///
/// On SQLite it is one prepared statement, run for each row: a statement with several rows has to be able to take back the
/// first ones when a later one fails, and SQLite copies every page it touches for that. On PostgreSQL it is one statement
/// over arrays, because each statement is a round trip.
pub(crate) struct Insert {
    columns: Vec<Column>,
    row_sql: String,
    set_sql: String,
}

impl Insert {
    /// Into the table of `R`, all of its columns.
    pub(crate) fn of<'a, R: TableRow<'a>>() -> Self {
        let Table { name, columns, .. } = R::table();
        let into = format!("INSERT INTO {name} ({})", names(&columns));
        let rows = unnest(columns.iter().map(|(_, kind)| *kind));
        let (row_sql, set_sql) = (format!("{into} VALUES ({})", places(&columns)), format!("{into} SELECT * FROM {rows}"));
        Self { columns, row_sql, set_sql }
    }

    /// The same with `rest` behind it: `ON CONFLICT …`.
    pub(crate) fn then(self, rest: &str) -> Self {
        let (row_sql, set_sql) = (format!("{} {rest}", self.row_sql), format!("{} {rest}", self.set_sql));
        Self { row_sql, set_sql, ..self }
    }

    /// Inserts every row that `cells` holds.
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

    /// The text on PostgreSQL.
    #[cfg(test)]
    pub(crate) fn set_sql(&self) -> &str {
        &self.set_sql
    }

    /// The text for one row, with `rest` behind it: `ON CONFLICT …`.
    pub(crate) fn one<'a, R: TableRow<'a>>(rest: &str) -> String {
        let Table { name, columns, .. } = R::table();
        format!("INSERT INTO {name} ({}) VALUES ({}) {rest}", names(&columns), places(&columns))
    }

    /// Inserts one row; the number of rows that this made.
    pub(crate) fn put<'a, R: TableRow<'a>>(db: Db<'_>, row: R, rest: &str) -> Result<usize, StoreError> {
        let mut cells = Vec::new();
        row.bind(&mut cells);
        db.execute(&Self::one::<R>(rest), &cells)
    }

    /// The text that writes all of a row but its key.
    pub(crate) fn replacement<'a, R: TableRow<'a>>() -> String {
        let table = R::table();
        let (name, key, others) = (table.name, table.key(), table.others());
        let set = |first: usize, columns: &[Column], joint: &str| {
            let pairs = columns.iter().zip(first..).map(|((name, _), place)| format!("{name} = ${place}"));
            pairs.collect::<Vec<_>>().join(joint)
        };
        format!("UPDATE {name} SET {} WHERE {}", set(1, others, ", "), set(others.len() + 1, key, " AND "))
    }

    /// Writes all of a row but its key; the number of rows changed.
    pub(crate) fn replace<'a, R: TableRow<'a>>(db: Db<'_>, row: R) -> Result<usize, StoreError> {
        let mut cells = Vec::new();
        row.bind(&mut cells);
        cells.rotate_left(R::KEY_LENGTH);
        db.execute(&Self::replacement::<R>(), &cells)
    }

    /// The text that makes rows out of those that `from` finds: pairs of a column and its SQL.
    pub(crate) fn copy(table: &str, columns: &[(&str, &str)], from: &str) -> String {
        let (names, values): (Vec<&str>, Vec<&str>) = columns.iter().copied().unzip();
        format!("INSERT INTO {table} ({}) SELECT {} {from}", names.join(", "), values.join(", "))
    }
}

fn places(columns: &[Column]) -> String {
    (1..=columns.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}
