//! The SQLite file that is moved: held as its server would hold it, and read in the order of keys.

use std::fs::File;
use std::path::Path;

use bellwire_domain::Entropy;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use super::tables::CopiedTable;
use crate::audit::keys::{HEAD, SIGNER, STORE_KEY};
use crate::moves::{self, SourceMark};
use crate::queue::adoption::SEALED;
use crate::queue::lease::draw_token;
use crate::rows::retention::{Kept, kept};
use crate::rows::{master_key, meta};
use crate::seal::Keyring;
use crate::sql::{Column, Db, names, params};
use crate::{OpenError, StoreError, sqlite};

/// The store's own id, made for its first move.
const STORE: &str = "store";

/// A name and a value of `meta`.
pub(super) type Said = (&'static str, Vec<u8>);

/// An SQLite store that no server has open, and cannot open meanwhile.
pub(super) struct Source {
    connection: Connection,
    _lock: File,
}

impl Source {
    /// Takes the file as it is: nothing is made where there is none, and nothing migrated.
    pub(super) fn open(path: &Path, keyring: &Keyring) -> Result<Self, OpenError> {
        sqlite::open::open_read_only(path)?;
        let lock = sqlite::open::lock(path)?;
        let connection = sqlite::open::open_connection(path)?;
        if master_key::is_being_rotated(Db::Sqlite(&connection))? {
            return Err(OpenError::BeingRotated);
        }
        master_key::admit(Db::Sqlite(&connection), keyring)?;
        Ok(Self { connection, _lock: lock })
    }

    fn db(&self) -> Db<'_> {
        Db::Sqlite(&self.connection)
    }

    /// The store's own id.
    pub(super) fn store_id(&self, entropy: &dyn Entropy) -> Result<String, StoreError> {
        if let Some(id) = meta::find(self.db(), STORE)? {
            return String::from_utf8(id).map_err(|_| meta::inconsistent(STORE));
        }
        let id = draw_token(entropy);
        meta::put(self.db(), STORE, id.as_bytes())?;
        Ok(id)
    }

    /// What the store says of itself and the copy has to say too: its keys, how long the audit log is, and
    /// that its endpoints are sealed.
    pub(super) fn said(&self) -> Result<Vec<Said>, StoreError> {
        let mut said = vec![(master_key::CANARY, master_key::canary(self.db())?)];
        for name in [STORE_KEY, SIGNER, HEAD, SEALED] {
            said.extend(meta::find(self.db(), name)?.map(|value| (name, value)));
        }
        Ok(said)
    }

    /// From where on everything is kept.
    pub(super) fn kept(&self) -> Result<Kept, StoreError> {
        kept(self.db())
    }

    pub(super) fn mark(&self) -> Result<Option<SourceMark>, StoreError> {
        moves::source_mark(self.db())
    }

    pub(super) fn set_mark(&self, mark: &SourceMark) -> Result<(), StoreError> {
        moves::set_source_mark(self.db(), mark)
    }

    /// The move is given up.
    pub(super) fn delete_mark(&self) -> Result<(), StoreError> {
        moves::delete_source_mark(self.db())
    }

    pub(super) fn count(&self, table: &CopiedTable) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        self.db().get(table.name, &sql, params![])?.value("count")
    }

    /// Hands every row after a key to `each`, one at a time: the cells of its key, then those of its columns.
    pub(super) fn read<E: From<StoreError>>(
        &self,
        table: &CopiedTable,
        after: &[Cell],
        mut each: impl FnMut(Vec<Cell>, Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        let database = |error: rusqlite::Error| E::from(StoreError::from(error));
        let mut statement = self.connection.prepare(&select(table, after.is_empty())).map_err(database)?;
        let mut rows = statement.query(rusqlite::params_from_iter(after)).map_err(database)?;
        let keys = table.order.len();
        while let Some(row) = rows.next().map_err(database)? {
            let cells = |from: usize, columns: &[Column]| {
                (from..from + columns.len()).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<Cell>>>()
            };
            each(cells(0, &table.order).map_err(database)?, cells(keys, &table.columns).map_err(database)?)?;
        }
        Ok(())
    }
}

/// Reads a table in the order of its key: from the first row on, or after the key that is bound.
pub(super) fn select(table: &CopiedTable, is_first: bool) -> String {
    let (key, columns, name) = (names(&table.order), names(&table.columns), table.name);
    let places: Vec<String> = (1..=table.order.len()).map(|place| format!("${place}")).collect();
    let after = if is_first { String::new() } else { format!(" WHERE ({key}) > ({})", places.join(", ")) };
    format!("SELECT {key}, {columns} FROM {name}{after} ORDER BY {key}")
}
