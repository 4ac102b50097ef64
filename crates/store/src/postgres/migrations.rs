//! Schema versions on PostgreSQL: the pair of `crate::migrations`. They are additive, so that nodes of the version before go on
//! while a new one migrates.

use bellwire_domain::Timestamp;

use super::session::Session;
use super::{PostgresUrl, history};
use crate::driver::{Db, Row, params};
use crate::migrations::{FIRST_VERSION, KNOWN_VERSION};
use crate::{OpenError, StoreError};

/// `(version, text)` in order.
const MIGRATIONS: [(i64, &str); 1] = [(FIRST_VERSION, include_str!("../migrations/0001_initial.postgres.sql"))];

/// The oldest server that this is tried with.
const SERVER_MIN: i64 = 150_000;
/// Held while the schema is looked at and changed.
const MIGRATING: i64 = 0x6265_6c6c_0000;

const SERVER: &str = "SELECT CAST(current_setting('server_version_num') AS BIGINT)";
const TABLES: &str = "SELECT COUNT(*), COUNT(*) FILTER (WHERE relname = 'bellwire_schema'), \
     COUNT(*) FILTER (WHERE relname = 'queue' AND NOT pg_has_role(relowner, 'USAGE')) FROM pg_class \
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')";
const VERSION: &str = "SELECT version FROM bellwire_schema";

/// The schema version found, once the database is known to be Bellwire's or empty.
pub(super) fn check(session: &Session, url: &PostgresUrl) -> Result<i64, OpenError> {
    let db = Db::Postgres(session);
    let refuse = |reason: String| OpenError::Unusable { database: url.to_string(), reason };
    let server = db.find("server", SERVER, params![])?.map_or(Ok(0), |row| row.int(0, "version"))?;
    if server < SERVER_MIN {
        return Err(refuse(format!("its server is PostgreSQL {}, and 15 or later is needed", server / 10_000)));
    }
    let tables = db.find("pg_class", TABLES, params![])?;
    let counted = |row: Row| Ok::<_, StoreError>((row.int(0, "all")?, row.int(1, "ours")?, row.int(2, "another's")?));
    match tables.map_or(Ok((0, 0, 0)), counted)? {
        (0, ..) => return Ok(0),
        (_, 0, _) => return Err(refuse("it holds another program's tables".to_owned())),
        (.., 0) => {}
        // Partitions are made and dropped, and the queue is vacuumed: the server lets the owner do that alone.
        _ => return Err(refuse("its tables belong to another role; connect as the one that owns them".to_owned())),
    }
    let version = db.find("bellwire_schema", VERSION, params![])?.map_or(Ok(0), |row| row.int(0, "version"))?;
    if version < FIRST_VERSION {
        return Err(OpenError::UnreleasedSchema { found: version });
    }
    if version > KNOWN_VERSION {
        return Err(OpenError::NewerSchema { found: version, known: KNOWN_VERSION });
    }
    Ok(version)
}

/// Brings the schema to [`KNOWN_VERSION`], while no other node does, and makes the partitions that are needed first.
pub(super) fn migrate(session: &Session, url: &PostgresUrl, now: Timestamp) -> Result<(), OpenError> {
    session.transaction(|| {
        session.be_patient()?; // another node may be at it, and may take long
        session.lock_until_end(MIGRATING)?;
        let version = check(session, url)?;
        for (number, text) in MIGRATIONS.iter().filter(|(number, _)| *number > version) {
            session.batch(text)?;
            session.batch(&format!("DELETE FROM bellwire_schema; INSERT INTO bellwire_schema VALUES ({number})"))?;
            tracing::info!(version = number, "migrated the database");
        }
        Ok::<_, OpenError>(())
    })?;
    Ok(history::make_ahead(session, now)?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A migrated database of its own.
    pub(in crate::postgres) fn migrated() -> (Session, PostgresUrl) {
        let url: PostgresUrl = bellwire_testkit::postgres::Cluster::shared().database().parse().unwrap();
        let session = Session::connect(&url, None).unwrap();
        migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap();
        (session, url)
    }

    #[test]
    fn every_statement_prepares_on_postgres() {
        let (session, _) = migrated();
        let [_, own] = crate::doctor::own_statements();
        let only_here = [crate::driver::LOCK_ACCOUNT, super::super::session::LOCK, crate::driver::TELL, SERVER, TABLES, VERSION];
        let all = crate::migrations::tests::all_statements()
            .into_iter()
            .chain(own)
            .chain(super::super::set_statements())
            .chain(super::super::statements())
            .chain(crate::publish::insert_statements())
            .chain(crate::outcomes::insert_statements())
            .chain(only_here.map(str::to_owned));
        let wrong: Vec<String> =
            all.filter_map(|text| session.prepare(&text).err().map(|error| format!("{error}: {text}"))).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn other_schemas_and_other_tables_are_refused_on_postgres() {
        let (session, url) = migrated();
        migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap();
        session.batch("UPDATE bellwire_schema SET version = version + 1").unwrap();
        let refused = migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap_err();
        assert!(matches!(refused, OpenError::NewerSchema { found, known } if found == known + 1), "{refused}");
        session.batch("UPDATE bellwire_schema SET version = 2").unwrap();
        let refused = migrate(&session, &url, Timestamp::from_secs(1_800_000_000)).unwrap_err();
        assert!(matches!(refused, OpenError::UnreleasedSchema { found: 2 }), "{refused}");
        session.batch("DROP TABLE bellwire_schema").unwrap();
        let refused = check(&session, &url).unwrap_err().to_string();
        assert!(refused.contains("another program's tables"), "{refused}");
    }

    #[test]
    fn a_role_that_does_not_own_the_tables_is_refused_and_a_member_of_the_owner_is_not() {
        let (session, url) = migrated();
        let guest = format!("guest_{}", std::process::id());
        session.batch(&format!("CREATE ROLE {guest} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {guest}")).unwrap();
        let as_guest = || {
            let session = Session::connect(&url, None).unwrap();
            session.batch(&format!("SET SESSION AUTHORIZATION {guest}")).unwrap();
            check(&session, &url)
        };
        let refused = as_guest().unwrap_err().to_string();
        assert!(refused.contains("belong to another role; connect as the one that owns them"), "{refused}");
        session.batch(&format!("GRANT bellwire TO {guest}")).unwrap();
        assert_eq!(as_guest().unwrap(), KNOWN_VERSION);
    }

    #[test]
    fn versions_ascend_to_the_known_one() {
        assert!(MIGRATIONS.iter().map(|(number, _)| *number).eq(FIRST_VERSION..=KNOWN_VERSION));
    }
}
