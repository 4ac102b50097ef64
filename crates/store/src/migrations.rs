//! Schema versions. Migrations are embedded, run forward only, each in a transaction, and are never edited once released: a
//! change is a new file.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::{OpenError, StoreError};

/// `(version, text)` in order.
const MIGRATIONS: [(i64, &str); 1] = [(FIRST_VERSION, include_str!("migrations/0001_initial.sqlite.sql"))];

/// The first version: those before it were changed in place, when nothing was released yet.
pub(crate) const FIRST_VERSION: i64 = 5;

/// The version this code works with.
pub(crate) const KNOWN_VERSION: i64 = 5;

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

/// Brings the schema from `version` to [`KNOWN_VERSION`].
pub(crate) fn migrate(connection: &mut Connection, version: i64) -> Result<(), StoreError> {
    for (number, text) in MIGRATIONS.iter().filter(|(number, _)| *number > version) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(text)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(version = number, "migrated the database");
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 0).unwrap();
        connection
    }

    /// Every statement that both databases run.
    pub(crate) fn all_statements() -> Vec<String> {
        let fixed = crate::publish::STATEMENTS.iter().chain(&crate::outcomes::STATEMENTS).map(|text| (*text).to_owned());
        fixed
            .chain(crate::claims::statements())
            .chain(crate::accounts::statements())
            .chain(crate::endpoints::statements())
            .chain(crate::keys::statements())
            .chain(crate::events::statements())
            .chain(crate::deliveries::statements())
            .chain(crate::replays::statements())
            .chain(crate::resources::statements())
            .chain(crate::doctor::statements())
            .chain([crate::delivery_ids::LAST_ID.to_owned()])
            .chain(crate::lanes::STATEMENTS.map(str::to_owned))
            .chain(crate::retention::statements())
            .collect()
    }

    #[test]
    fn versions_ascend_to_the_known_one() {
        assert!(MIGRATIONS.iter().map(|(number, _)| *number).eq(FIRST_VERSION..=KNOWN_VERSION));
        let header = read_header(&migrated()).unwrap();
        assert_eq!((header.application_id, header.version), (APPLICATION_ID, KNOWN_VERSION));
    }

    #[test]
    fn versions_that_are_not_known_are_refused() {
        let header = |version| Header { application_id: APPLICATION_ID, version, is_empty: false };
        let path = Path::new("a.db");
        assert!(matches!(check_header(&header(1), path), Err(OpenError::UnreleasedSchema { found: 1 })));
        assert!(matches!(check_header(&header(KNOWN_VERSION), path), Ok(KNOWN_VERSION)));
        assert!(matches!(check_header(&header(KNOWN_VERSION + 1), path), Err(OpenError::NewerSchema { .. })));
    }

    #[test]
    fn every_statement_prepares_and_binds_in_order() {
        let connection = migrated();
        let [own, _] = crate::doctor::own_statements();
        for text in all_statements().into_iter().chain(own) {
            let statement = connection.prepare(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            for index in 1..=statement.parameter_count() {
                assert_eq!(statement.parameter_name(index), Some(format!("${index}").as_str()), "{text}");
            }
        }
    }

    /// What was missed is looked for event by event, so each look must be cheap however long the history is.
    #[test]
    fn the_log_finds_an_event_s_deliveries_by_their_index() {
        let connection = migrated();
        for text in crate::events::statements() {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
            let count = statement.parameter_count();
            let rows = statement.query_map(rusqlite::params_from_iter(vec![0; count]), |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = rows.map(Result::unwrap).collect();
            assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE") && !step.starts_with("SCAN")), "{text}: {steps:?}");
            let by_event = |step: &String| step.contains("deliveries_by_event (event=?");
            assert_eq!(steps.iter().any(by_event), text.contains("EXISTS"), "{text}: {steps:?}");
        }
    }

    /// The plans of the statements that run per delivery or per round: each by an index, none by scanning or sorting.
    #[test]
    fn hot_statements_use_their_indexes() {
        let connection = migrated();
        let hot = crate::publish::STATEMENTS.iter().chain(&crate::outcomes::STATEMENTS).map(|text| (*text).to_owned());
        for text in hot.chain(crate::claims::statements()) {
            if text.starts_with("UPDATE queue SET claim = NULL WHERE claim IS NOT NULL")
                || text.contains("FROM endpoints p WHERE EXISTS")
            {
                continue; // once per start
            }
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
            let count = statement.parameter_count();
            let rows = statement.query_map(rusqlite::params_from_iter(vec![0; count]), |row| row.get::<_, String>(3)).unwrap();
            for step in rows.map(Result::unwrap) {
                assert!(!step.contains("TEMP B-TREE"), "{text}: {step}");
                assert!(!step.starts_with("SCAN") || step.contains("INDEX queue_by_"), "{text}: {step}");
            }
        }
    }
}
