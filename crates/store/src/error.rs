//! What can go wrong in the store. A conflict that a caller can answer is a variant of that operation's own error; here is
//! what every operation shares.

use std::path::PathBuf;
use std::sync::Arc;

use bellwire_domain::{AccountId, EndpointId};
use rusqlite::ErrorCode;

/// A failed operation. Nothing of it is stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// More writes wait than fit: try again shortly.
    #[error("the store is busy: too many writes are waiting")]
    Busy,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The database cannot be read or written at present: the disk is full or fails, or somebody else holds the file.
    #[error("the database cannot be used at present: {0}")]
    Unavailable(Arc<str>),
    /// The database refused or failed.
    #[error("the database failed: {0}")]
    Database(Arc<str>),
    /// A stored row cannot be understood.
    #[error("inconsistent row in {table}, column {column}, id {id}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        id: String,
    },
    /// A sealed value does not open with its account's data key.
    #[error("a sealed value in {table} does not open: it was changed, moved, or sealed under another key")]
    Unsealable {
        /// The table.
        table: &'static str,
    },
    /// An endpoint's row does not say what was sealed with it.
    #[error("endpoint {endpoint_id} of account {account_id} is not as it was stored: its row was changed in the database")]
    Altered {
        /// Its account.
        account_id: AccountId,
        /// The endpoint.
        endpoint_id: EndpointId,
    },
}

impl StoreError {
    /// Whether a stored row is at fault, and not the database: asking again changes nothing.
    pub const fn is_of_row(&self) -> bool {
        match self {
            Self::Inconsistent { .. } | Self::Unsealable { .. } | Self::Altered { .. } => true,
            Self::Busy | Self::Closed | Self::Unavailable(_) | Self::Database(_) => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string().into();
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly,
            ) => Self::Unavailable(text),
            _ => Self::Database(text),
        }
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another process has this database open: {}; stop that one first, or name another file", path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error("the database {} cannot be opened for writing: {reason}", path.display())]
    NotWritable {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file cannot be read.
    #[error("the database {} cannot be read: {reason}", path.display())]
    NotReadable {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not a Bellwire database.
    #[error("{} is not a Bellwire database: {reason}", path.display())]
    NotADatabase {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer Bellwire has migrated it.
    #[error("the database has schema version {found}, this Bellwire knows up to {known}: run a newer Bellwire")]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// A build before the first release made it.
    #[error("the database has schema version {found}, which was never released: name a new file with --database")]
    UnreleasedSchema {
        /// The version found.
        found: i64,
    },
    /// It has not been migrated yet.
    #[error("the database has schema version {found}, and version {known} is looked for: start a server on it once")]
    OlderSchema {
        /// The version found.
        found: i64,
        /// The version looked for.
        known: i64,
    },
    /// The database answers, and cannot be used.
    #[error("the database {database} cannot be used: {reason}")]
    Unusable {
        /// The database, without its password.
        database: String,
        /// What is wrong.
        reason: String,
    },
    /// The store has been moved to another database, and nothing may be delivered from here any more.
    #[error("the database {} has been moved to {to}: name that one with --database", path.display())]
    Moved {
        /// The database file.
        path: PathBuf,
        /// Where it is now, without the password.
        to: String,
    },
    /// A store is being moved there, and not all of it is there yet.
    #[error("the move of {from} to the database {database} is unfinished: run `bellwire migrate` again to finish it")]
    Unfinished {
        /// The database, without its password.
        database: String,
        /// The file that is being moved.
        from: String,
    },
    /// A rotation of the master key is under way, and only the old key is known.
    #[error(
        "the master key of this database is being rotated: set BELLWIRE_NEW_MASTER_KEY to the new key, beside BELLWIRE_MASTER_KEY \
         with the old one, until `bellwire keys rotate-master` has ended"
    )]
    NewMasterKeyMissing,
    /// The same, and only the new key is known.
    #[error(
        "the database is not rotated to this master key yet: set BELLWIRE_MASTER_KEY to the old key and BELLWIRE_NEW_MASTER_KEY to \
         this one, until `bellwire keys rotate-master` has ended"
    )]
    OldMasterKeyMissing,
    /// The same, to another key than the new one that is given.
    #[error(
        "the master key of this database is being rotated to another key than the new one that is given: set \
         BELLWIRE_NEW_MASTER_KEY to the key with which that was begun"
    )]
    WrongNewMasterKey,
    /// A rotation has ended, and the key is the one from before.
    #[error("the master key of this database has been rotated, and this is the old one: set BELLWIRE_MASTER_KEY to the new key")]
    ReplacedMasterKey,
    /// A store is to be moved while its master key is being rotated.
    #[error("the master key of this database is being rotated: finish that with `bellwire keys rotate-master` first")]
    BeingRotated,
    /// The master key is not the one that sealed it.
    #[error("the master key does not open this database; set BELLWIRE_MASTER_KEY to the key it was made with")]
    WrongMasterKey,
    /// Opening failed otherwise.
    #[error(transparent)]
    Store(#[from] StoreError),
}
