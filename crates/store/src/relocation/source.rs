//! The SQLite file that is moved: held as its server would hold it, and read in the order of keys.

use std::fs::File;
use std::path::Path;

use bellwire_domain::Entropy;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use super::marks::SourceMark;
use super::tables::{Table, names};
use crate::driver::{Column, Db, params};
use crate::retention::Kept;
use crate::seal::Keyring;
use crate::{OpenError, StoreError, doctor, retention, store};

/// The store's own id, made for its first move.
const STORE: &str = "store";
/// Where it is being moved.
pub(super) const MOVE: &str = "move";

pub(super) const GET: &str = "SELECT value FROM meta WHERE key = $1";
const SET: &str = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM meta WHERE key = $1";

/// An SQLite store that no server has open, and cannot open meanwhile.
pub(super) struct Source {
    connection: Connection,
    _lock: File,
}

impl Source {
    /// Takes the file as it is: nothing is made where there is none, and nothing migrated.
    pub(super) fn open(path: &Path, keyring: &Keyring) -> Result<Self, OpenError> {
        doctor::open(path)?;
        let lock = store::lock(path)?;
        let connection = store::open_connection(path)?;
        doctor::check_canary(Db::Sqlite(&connection), keyring)?;
        Ok(Self { connection, _lock: lock })
    }

    fn db(&self) -> Db<'_> {
        Db::Sqlite(&self.connection)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.db().find("meta", GET, params![key])?.map(|row| row.bytes(0, "value").map(<[u8]>::to_vec)).transpose()
    }

    /// The store's own id.
    pub(super) fn store_id(&self, entropy: &dyn Entropy) -> Result<String, StoreError> {
        if let Some(id) = self.meta(STORE)? {
            return String::from_utf8(id).map_err(|_| inconsistent(STORE));
        }
        let id = store::hex_token(entropy);
        self.db().execute(SET, params![STORE, id.as_bytes()])?;
        Ok(id)
    }

    /// What a key that opens this store is told by.
    pub(super) fn canary(&self) -> Result<Vec<u8>, StoreError> {
        self.meta("canary")?.ok_or_else(|| inconsistent("canary"))
    }

    /// From where on everything is kept.
    pub(super) fn kept(&self) -> Result<Kept, StoreError> {
        retention::find(self.db())
    }

    pub(super) fn mark(&self) -> Result<Option<SourceMark>, StoreError> {
        read_mark(self.db())
    }

    pub(super) fn set_mark(&self, mark: &SourceMark) -> Result<(), StoreError> {
        self.db().execute(SET, params![MOVE, &mark.write()[..]]).map(drop)
    }

    /// The move is given up.
    pub(super) fn delete_mark(&self) -> Result<(), StoreError> {
        delete_mark(self.db())
    }

    pub(super) fn count(&self, table: &Table) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        self.db().find(table.name, &sql, params![])?.map_or(Ok(0), |row| row.narrow(0, "count"))
    }

    /// Hands every row after a key to `each`, one at a time: the cells of its key, then those of its columns.
    pub(super) fn read<E: From<StoreError>>(
        &self,
        table: &Table,
        after: &[Cell],
        mut each: impl FnMut(Vec<Cell>, Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(StoreError::from(error));
        let mut statement = self.connection.prepare(&select(table, after.is_empty())).map_err(database)?;
        let mut rows = statement.query(rusqlite::params_from_iter(after)).map_err(database)?;
        let keys = table.key.len();
        while let Some(row) = rows.next().map_err(database)? {
            let cells = |from: usize, columns: &[Column]| {
                (from..from + columns.len()).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<Cell>>>()
            };
            each(cells(0, table.key).map_err(database)?, cells(keys, table.columns).map_err(database)?)?;
        }
        Ok(())
    }
}

/// Reads a table in the order of its key: from the first row on, or after the key that is bound.
pub(super) fn select(table: &Table, is_first: bool) -> String {
    let (key, columns, name) = (names(table.key), names(table.columns), table.name);
    let places: Vec<String> = (1..=table.key.len()).map(|place| format!("${place}")).collect();
    let after = if is_first { String::new() } else { format!(" WHERE ({key}) > ({})", places.join(", ")) };
    format!("SELECT {key}, {columns} FROM {name}{after} ORDER BY {key}")
}

pub(super) fn read_mark(db: Db<'_>) -> Result<Option<SourceMark>, StoreError> {
    let Some(row) = db.find("meta", GET, params![MOVE])? else { return Ok(None) };
    SourceMark::read(row.bytes(0, "value")?).map(Some).ok_or_else(|| inconsistent(MOVE))
}

pub(super) fn delete_mark(db: Db<'_>) -> Result<(), StoreError> {
    db.execute(DELETE, params![MOVE]).map(drop)
}

pub(super) fn inconsistent(key: &str) -> StoreError {
    StoreError::Inconsistent { table: "meta", column: "value", id: key.to_owned() }
}
