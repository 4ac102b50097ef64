//! The suite over SQLite: a file in a temporary folder.

use std::path::PathBuf;

use bellwire_store::Location;
use tempfile::TempDir;

/// Where a store of a test is.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("test.db")
    }

    /// What is left where the process dies at this instant, for the next one.
    pub fn after_a_kill(&self) -> Self {
        let left = Self::new();
        for ending in ["", "-wal"] {
            let name = |place: &Self| format!("{}{ending}", place.path().display());
            std::fs::copy(name(self), name(&left)).unwrap();
        }
        left
    }

    pub fn location(&self) -> Location {
        Location::Sqlite(self.path())
    }
}

/// Changes a store in use as somebody with the database does.
pub fn damage(place: &Place, damage: &str) {
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    connection.execute_batch(damage).unwrap_or_else(|error| panic!("{damage}: {error}"));
    assert!(connection.total_changes() > 0, "{damage} changes nothing");
}

/// The one text that a query finds.
pub fn read(place: &Place, query: &str) -> String {
    rusqlite::Connection::open(place.path()).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

/// A copy of a closed store, changed by `damage`.
pub fn damaged_copy(original: &Location, damage: &str) -> Place {
    let Location::Sqlite(original) = original else { panic!("{original} is no file") };
    let copy = Place::new();
    std::fs::copy(original, copy.path()).unwrap();
    let connection = rusqlite::Connection::open(copy.path()).unwrap();
    connection.execute_batch(damage).unwrap_or_else(|error| panic!("{damage}: {error}"));
    assert!(connection.total_changes() > 0, "{damage} changes nothing");
    copy
}

/// Checks of this database only that notice a damage.
pub fn also_found(_damage: &str) -> Vec<&'static str> {
    Vec::new()
}
