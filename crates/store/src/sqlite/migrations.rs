//! Schema versions in an SQLite file. Migrations are embedded and run forward only, each in a transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::schema::{FIRST_VERSION, KNOWN_VERSION, migrations_after};
use crate::{OpenError, StoreError};

/// Marks a file as Bellwire's ("bell" in ASCII), so that another program's database is not taken for one.
const APPLICATION_ID: i64 = 0x6265_6c6c;

/// What a file says of itself.
pub(crate) struct Header {
    pub(crate) application_id: i64,
    pub(crate) version: i64,
    pub(crate) is_empty: bool,
}

pub(crate) fn read_header(connection: &Connection) -> rusqlite::Result<Header> {
    Ok(Header {
        application_id: connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
        version: connection.pragma_query_value(None, "user_version", |row| row.get(0))?,
        is_empty: connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?,
    })
}

/// The schema version found, once the file is known to be Bellwire's or empty.
pub(crate) fn check_header(header: &Header, path: &Path) -> Result<i64, OpenError> {
    if header.is_empty {
        return Ok(0);
    }
    if header.application_id != APPLICATION_ID {
        let reason = "it holds another program's tables".to_owned();
        return Err(OpenError::NotADatabase { path: path.to_owned(), reason });
    }
    if header.version < FIRST_VERSION {
        return Err(OpenError::UnreleasedSchema { found: header.version });
    }
    if header.version > KNOWN_VERSION {
        return Err(OpenError::NewerSchema { found: header.version, known: KNOWN_VERSION });
    }
    Ok(header.version)
}

/// Refuses a file that is no store, or one that has not been migrated to [`KNOWN_VERSION`].
pub(super) fn check_known(header: &Header, path: &Path) -> Result<(), OpenError> {
    if header.is_empty {
        return Err(OpenError::NotADatabase { path: path.to_owned(), reason: "it is empty".to_owned() });
    }
    let found = check_header(header, path)?;
    if found < KNOWN_VERSION {
        return Err(OpenError::OlderSchema { found, known: KNOWN_VERSION });
    }
    Ok(())
}

/// Brings the schema from `version` to [`KNOWN_VERSION`].
pub(crate) fn migrate(connection: &mut Connection, version: i64) -> Result<(), StoreError> {
    for migration in migrations_after(version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration.sqlite)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", migration.version)?;
        transaction.commit()?;
        tracing::info!(version = migration.version, "migrated the database");
    }
    Ok(())
}
