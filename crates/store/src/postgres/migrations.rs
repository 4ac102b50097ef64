//! Schema versions on PostgreSQL. They only add, so that nodes of the version before go on while a new one migrates.

use bellwire_domain::Timestamp;

use super::history;
use super::locks::lock_until_end;
use crate::OpenError;
use crate::schema::{FIRST_VERSION, KNOWN_VERSION, Migration, migrations_after};
use crate::sql::{Db, PostgresUrl, Select, Session, columns, params};

/// The oldest server that this is tried with.
const SERVER_MIN: i64 = 150_000;
/// Held while the schema is looked at and changed.
const MIGRATING: i64 = 0x6265_6c6c_0000;

const SERVER: &str = "SELECT CAST(current_setting('server_version_num') AS BIGINT)";
const VERSION: &str = "SELECT version FROM bellwire_schema";

columns! {
    /// What is in the database.
    struct Tables of "pg_class" {
        all: i64 = "COUNT(*)",
        ours: i64 = "COUNT(*) FILTER (WHERE relname = 'bellwire_schema')",
        of_others: i64 = "COUNT(*) FILTER (WHERE relname = 'queue' AND NOT pg_has_role(relowner, 'USAGE'))",
    }
}

static TABLES: Select<Tables> =
    Select::new("FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')");

#[cfg(test)]
pub(super) const STATEMENTS: [&str; 2] = [SERVER, VERSION];

#[cfg(test)]
pub(super) fn queries() -> Vec<String> {
    vec![TABLES.sql()]
}

/// The schema version found, once the database is known to be Bellwire's or empty.
pub(crate) fn check(session: &Session, url: &PostgresUrl) -> Result<i64, OpenError> {
    let db = Db::Postgres(session);
    let refuse = |reason: String| OpenError::Unusable { database: url.to_string(), reason };
    let server: i64 = db.get("server", SERVER, params![])?.value("version")?;
    if server < SERVER_MIN {
        return Err(refuse(format!("its server is PostgreSQL {}, and 15 or later is needed", server / 10_000)));
    }
    match TABLES.find(db, params![])? {
        None | Some(Tables { all: 0, .. }) => return Ok(0),
        Some(Tables { ours: 0, .. }) => return Err(refuse("it holds another program's tables".to_owned())),
        Some(Tables { of_others: 0, .. }) => {}
        // Partitions are made and dropped, and the queue is vacuumed: the server lets only the owner do that.
        Some(_) => return Err(refuse("its tables belong to another role; connect as the one that owns them".to_owned())),
    }
    let version: i64 = db.get("bellwire_schema", VERSION, params![])?.value("version")?;
    if version < FIRST_VERSION {
        return Err(OpenError::UnreleasedSchema { found: version });
    }
    if version > KNOWN_VERSION {
        return Err(OpenError::NewerSchema { found: version, known: KNOWN_VERSION });
    }
    Ok(version)
}

/// Brings the schema to [`KNOWN_VERSION`], while no other node does, and makes the partitions that are needed first.
pub(crate) fn migrate(session: &Session, url: &PostgresUrl, now: Timestamp) -> Result<(), OpenError> {
    session.transaction(|| {
        session.lift_timeouts()?; // another node may be at it, and may take long
        lock_until_end(session, MIGRATING)?;
        let version = check(session, url)?;
        for Migration { version, postgres, .. } in migrations_after(version) {
            session.batch(postgres)?;
            session.batch(&format!("DELETE FROM bellwire_schema; INSERT INTO bellwire_schema VALUES ({version})"))?;
            tracing::info!(version, "migrated the database");
        }
        Ok::<_, OpenError>(())
    })?;
    Ok(history::make_ahead(session, now)?)
}
