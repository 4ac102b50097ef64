//! The PostgreSQL database that a store is moved into. What it says of the move changes in the same transaction as the rows, so
//! that it is true whenever the copying stops.

use std::cell::RefCell;

use bellwire_domain::Timestamp;
use rusqlite::types::Value as Cell;

use super::source::Said;
use super::tables::{CopiedTable, tables};
use crate::moves::{self, Found, TargetMark};
use crate::postgres;
use crate::rows::meta;
use crate::rows::retention::{Kept, keep};
use crate::sql::{Db, Kind, Param, PostgresUrl, Select, Session, columns, names, params, unnest};
use crate::{OpenError, StoreError};

columns! {
    /// What draws numbers by itself.
    struct Sequence of "pg_class" {
        table: String = "quote_ident(c.relname)",
        column: String = "quote_ident(a.attname)",
        name: String = "pg_get_serial_sequence(quote_ident(c.relname), a.attname)",
    }
}

static SEQUENCES: Select<Sequence> = Select::new(
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
     AND a.attnum > 0 AND NOT a.attisdropped AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL",
);

/// Rows that are written at once.
#[derive(Default)]
pub(super) struct Batch {
    cells: Vec<Cell>,
    /// The key of the last one.
    last: Vec<Cell>,
    rows: u64,
    bytes: usize,
}

impl Batch {
    const ROWS_MAX: u64 = 2_000;

    pub(super) fn push(&mut self, key: Vec<Cell>, cells: Vec<Cell>) {
        let length = |cell: &Cell| match cell {
            Cell::Text(text) => text.len(),
            Cell::Blob(bytes) => bytes.len(),
            Cell::Null | Cell::Integer(_) | Cell::Real(_) => 8,
        };
        self.bytes += cells.iter().map(length).sum::<usize>();
        self.rows += 1;
        self.last = key;
        self.cells.extend(cells);
    }

    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn last(&self) -> &[Cell] {
        &self.last
    }

    pub(super) const fn is_full(&self, bytes_max: usize) -> bool {
        self.rows >= Self::ROWS_MAX || self.bytes >= bytes_max
    }

    /// The delivery ids of the rows, where these are the first of their columns.
    fn delivery_ids(&self, table: &CopiedTable) -> impl Iterator<Item = i64> {
        let first = self.cells.iter().step_by(table.columns.len().max(1));
        first.filter_map(|cell| if let Cell::Integer(id) = cell { Some(*id) } else { None })
    }
}

/// The database, with the schema that is known here.
pub(super) struct Target<'u> {
    session: Session,
    url: &'u PostgresUrl,
    /// The mark as this process found or wrote it.
    written: RefCell<Vec<u8>>,
}

impl<'u> Target<'u> {
    /// Connects and migrates.
    pub(super) fn open(url: &'u PostgresUrl, now: Timestamp) -> Result<Self, OpenError> {
        let session = postgres::open::prepared(url, now)?;
        session.plan_freely()?;
        Ok(Self { session, url, written: RefCell::default() })
    }

    fn db(&self) -> Db<'_> {
        Db::Postgres(&self.session)
    }

    pub(super) fn refuse(&self, reason: impl Into<String>) -> OpenError {
        OpenError::Unusable { database: self.url.to_string(), reason: reason.into() }
    }

    /// What it holds.
    pub(super) fn find(&self) -> Result<Found, StoreError> {
        if let Some((mark, bytes)) = moves::target_mark(self.db())? {
            *self.written.borrow_mut() = bytes;
            return Ok(Found::Marked(mark));
        }
        Ok(if self.is_filled()? { Found::Filled } else { Found::Empty })
    }

    fn is_filled(&self) -> Result<bool, StoreError> {
        let any: Vec<String> = tables().iter().map(|table| format!("EXISTS (SELECT 1 FROM {})", table.name)).collect();
        self.db().get("meta", &format!("SELECT {}", any.join(" OR ")), params![])?.value("any")
    }

    /// Whether no node works on it.
    pub(super) fn check_alone(&self) -> Result<(), OpenError> {
        self.session.transaction(|| self.keep_nodes_out())
    }

    fn keep_nodes_out(&self) -> Result<(), OpenError> {
        if postgres::nodes::keep_nodes_out(&self.session)? {
            return Ok(());
        }
        Err(self.refuse("a node is registered on it: stop every `bellwire serve` over it first"))
    }

    /// Makes it an unfinished target, unless a node is at work on it or somebody has filled it meanwhile.
    pub(super) fn begin(&self, mark: &TargetMark, (said, kept): (&[Said], Kept), anew: bool) -> Result<(), OpenError> {
        let bytes = mark.write();
        self.session.transaction(|| {
            self.keep_nodes_out()?;
            self.session.lift_timeouts()?;
            let found = moves::target_mark(self.db())?.map(|(_, bytes)| bytes).unwrap_or_default();
            if found != *self.written.borrow() {
                return Err(self.contested());
            }
            if anew {
                self.session.batch(&format!("TRUNCATE {}", table_names()))?;
            } else if self.is_filled()? {
                return Err(self.contested());
            }
            for (name, value) in said {
                meta::put(self.db(), name, value)?;
            }
            moves::set_target_mark(self.db(), &bytes)?;
            keep(self.db(), kept)?;
            Ok(())
        })?;
        *self.written.borrow_mut() = bytes;
        Ok(())
    }

    fn contested(&self) -> OpenError {
        self.refuse("another process writes to it at the same time")
    }

    /// Writes rows, and with them how far the copying is.
    pub(super) fn write(&self, table: &CopiedTable, batch: &Batch, mark: &TargetMark) -> Result<(), OpenError> {
        if table.by_week {
            postgres::history::make_of(&self.session, batch.delivery_ids(table))?;
        }
        let mut cells = Vec::with_capacity(batch.cells.len());
        for cell in &batch.cells {
            cells.push(match cell {
                Cell::Null => Param::Null,
                Cell::Integer(value) => Param::Int(*value),
                Cell::Text(text) => Param::Text(text),
                Cell::Blob(bytes) => Param::Bytes(bytes),
                Cell::Real(_) => return Err(wrong(table, &batch.last).into()),
            });
        }
        let kinds: Vec<Kind> = table.columns.iter().map(|(_, kind)| *kind).collect();
        self.session.transaction(|| {
            self.session.lift_timeouts()?;
            self.session.execute_set(&insert(table), &[(&kinds, &cells)], &[])?;
            self.replace_mark(mark)
        })
    }

    fn replace_mark(&self, mark: &TargetMark) -> Result<(), OpenError> {
        let bytes = mark.write();
        let mut written = self.written.borrow_mut();
        if !moves::replace_target_mark(self.db(), &written, &bytes)? {
            return Err(self.contested());
        }
        *written = bytes;
        Ok(())
    }

    /// What can be done only when all rows are there: sequences go on after what was copied, and the planner knows the tables.
    pub(super) fn settle(&self) -> Result<(), OpenError> {
        self.session.transaction(|| {
            self.session.lift_timeouts()?;
            for Sequence { table, column, name } in SEQUENCES.list(self.db(), params![])? {
                let name = name.replace('\'', "''");
                self.session
                    .batch(&format!("SELECT setval('{name}', (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}), false)"))?;
            }
            self.session.batch(&format!("ANALYZE {}", table_names()))?;
            Ok(())
        })
    }

    pub(super) fn count(&self, table: &CopiedTable) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        self.session.transaction(|| {
            self.session.lift_timeouts()?;
            self.db().get(table.name, &sql, params![])?.value("count")
        })
    }

    /// It may be served from now on. `leave` is called before that is committed, and once nobody else can have written here.
    pub(super) fn complete<E>(&self, mark: TargetMark, leave: impl FnOnce() -> Result<(), E>) -> Result<(), E>
    where
        E: From<OpenError> + From<StoreError>,
    {
        let mark = TargetMark { complete: true, tables: [].into(), ..mark };
        self.session.transaction(|| {
            self.replace_mark(&mark)?;
            leave()
        })
    }
}

fn wrong(table: &CopiedTable, key: &[Cell]) -> StoreError {
    StoreError::Inconsistent { table: table.name, column: "real", id: format!("{key:?}") }
}

fn insert(table: &CopiedTable) -> String {
    let rows = unnest(table.columns.iter().map(|(_, kind)| *kind));
    format!("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM {rows}", table.name, names(&table.columns))
}

fn table_names() -> String {
    tables().iter().map(|table| table.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_insert_prepares_on_postgres_and_sequences_go_on_after_what_was_copied() {
        let url: PostgresUrl = bellwire_testkit::postgres::Cluster::shared().database().parse().unwrap();
        let target = Target::open(&url, Timestamp::from_secs(1_800_000_000)).unwrap();
        for table in &tables() {
            target.session.prepare(&insert(table)).unwrap();
        }
        target.session.prepare(&SEQUENCES.sql()).unwrap();
        target
            .session
            .batch(
                "CREATE TABLE drawn (row BIGINT GENERATED ALWAYS AS IDENTITY, x BIGINT); \
                 INSERT INTO drawn (row, x) OVERRIDING SYSTEM VALUE VALUES (41, 0)",
            )
            .unwrap();
        target.settle().unwrap();
        let row = target.db().find("drawn", "INSERT INTO drawn (x) VALUES (1) RETURNING row", params![]).unwrap().unwrap();
        assert_eq!(row.value::<i64>("row").unwrap(), 42);
    }
}
