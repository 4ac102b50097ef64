//! The hashes of the tree, as they stand in the database: the leaves with their records, the nodes above them in a table.

use std::cell::RefCell;

use tlog_tiles::{Hash, HashReader, split_stored_hash_index};

use crate::StoreError;
use crate::sql::{Db, params};

const LEAF: &str = "SELECT leaf AS hash FROM audit WHERE seq = $1";
const NODE: &str = "SELECT hash FROM audit_nodes WHERE place = $1";

/// A hash of the tree that is not what it has to be.
pub(super) fn inconsistent(place: u64) -> StoreError {
    StoreError::Inconsistent { table: "audit_nodes", column: "hash", id: place.to_string() }
}

/// A number of the tree as the database holds it.
pub(super) fn cell(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads hashes for [`tlog_tiles`], one by one: it asks for as many as the tree is high.
pub(super) struct StoredHashes<'c> {
    db: Db<'c>,
    failed: RefCell<Option<StoreError>>,
}

impl<'c> StoredHashes<'c> {
    pub(super) const fn new(db: Db<'c>) -> Self {
        Self { db, failed: RefCell::new(None) }
    }

    fn read(&self, place: u64) -> Result<Hash, StoreError> {
        let (level, number) = split_stored_hash_index(place);
        let found = match level {
            0 => self.db.find("audit", LEAF, params![cell(number + 1)])?,
            _ => self.db.find("audit_nodes", NODE, params![cell(place)])?,
        };
        let hash: Option<Vec<u8>> = found.map(|row| row.value("hash")).transpose()?;
        hash_of(hash.as_deref().unwrap_or_default()).ok_or_else(|| inconsistent(place))
    }

    /// What a function of the tree came to, with the database's own error where that was why.
    pub(super) fn result<T>(&self, result: Result<T, tlog_tiles::Error>) -> Result<T, StoreError> {
        result.map_err(|error| self.failed.take().unwrap_or_else(|| StoreError::Database(error.to_string().into())))
    }
}

impl HashReader for StoredHashes<'_> {
    fn read_hashes(&self, places: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let read = |place: &u64| {
            self.read(*place).map_err(|error| {
                *self.failed.borrow_mut() = Some(error);
                tlog_tiles::Error::IndexesNotInTree
            })
        };
        places.iter().map(read).collect()
    }
}

/// A hash from its bytes.
pub(super) fn hash_of(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok().map(Hash)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![LEAF.to_owned(), NODE.to_owned()]
}
