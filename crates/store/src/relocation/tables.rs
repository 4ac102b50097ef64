//! What a store consists of: every table that is copied, with its columns and the key in whose order it is read.
//!
//! This is the one place that names them. A test holds it to the schemas of both databases: a column that is added there and
//! forgotten here is found by it.

use crate::driver::Column;
use crate::driver::Kind::{Bytes, Int, Text};

/// A table of which every row is copied.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// What orders its rows in the SQLite file: unique, and read by an index. It may be a column that is not copied.
    pub(super) key: &'static [Column],
    pub(super) columns: &'static [Column],
    /// Whether it is partitioned on PostgreSQL, by the delivery ids that are the first of its key.
    pub(super) by_week: bool,
}

/// In the order in which they are copied.
pub(super) const TABLES: [Table; 12] = [
    Table {
        name: "api_keys",
        key: &[("id", Text)],
        columns: &[("id", Text), ("role", Text), ("account_id", Text), ("hash", Bytes), ("created_at", Int), ("expires_at", Int)],
        by_week: false,
    },
    Table {
        name: "accounts",
        key: &[("id", Text)],
        columns: &[
            ("ref", Int),
            ("id", Text),
            ("contract", Text),
            ("name", Text),
            ("sandbox", Int),
            ("entitlements", Text),
            ("data_key_sealed", Bytes),
            ("first_seq", Int),
            ("last_seq", Int),
            ("pending", Int),
            ("version", Int),
            ("created_at", Int),
            ("updated_at", Int),
        ],
        by_week: false,
    },
    Table {
        name: "lanes",
        key: &[("ref", Int)],
        columns: &[("ref", Int), ("account", Int), ("account_id", Text), ("endpoint_id", Text)],
        by_week: false,
    },
    Table {
        name: "endpoints",
        key: &[("account_id", Text), ("id", Text)],
        columns: &[
            ("account_id", Text),
            ("id", Text),
            ("lane", Int),
            ("url", Text),
            ("name", Text),
            ("events", Text),
            ("headers_sealed", Bytes),
            ("enabled", Int),
            ("in_flight_max", Int),
            ("rate_limit", Text),
            ("health", Text),
            ("consecutive_failures", Int),
            ("failing_since", Int),
            ("unhealthy_since", Int),
            ("last_number", Int),
            ("version", Int),
            ("created_at", Int),
            ("updated_at", Int),
        ],
        by_week: false,
    },
    Table {
        name: "secrets",
        key: &[("account_id", Text), ("endpoint_id", Text), ("ordinal", Int)],
        columns: &[
            ("account_id", Text),
            ("endpoint_id", Text),
            ("ordinal", Int),
            ("secret_sealed", Bytes),
            ("created_at", Int),
            ("expires_at", Int),
        ],
        by_week: false,
    },
    Table {
        name: "events",
        key: &[("place", Int)],
        columns: &[
            ("place", Int),
            ("account", Int),
            ("id", Text),
            ("type", Text),
            ("occurred_at", Int),
            ("created_at", Int),
            ("is_test", Int),
            ("deliveries", Int),
            ("fingerprint", Bytes),
            ("payload_length", Int),
            ("payload_sealed", Bytes),
        ],
        by_week: false,
    },
    Table {
        name: "event_subjects",
        key: &[("account_id", Text), ("subject", Text), ("event_seq", Int)],
        columns: &[("account_id", Text), ("subject", Text), ("event_seq", Int)],
        by_week: false,
    },
    Table {
        name: "queue",
        key: &[("id", Int)],
        // Without `claim`: who held a delivery is gone, and every row arrives free.
        columns: &[
            ("id", Int),
            ("lane", Int),
            ("number", Int),
            ("event", Int),
            ("attempts", Int),
            ("created_at", Int),
            ("due_at", Int),
            ("wake_at", Int),
            ("origin", Text),
        ],
        by_week: false,
    },
    Table {
        name: "deliveries",
        key: &[("id", Int)],
        columns: &[
            ("id", Int),
            ("account", Int),
            ("lane", Int),
            ("number", Int),
            ("event", Int),
            ("state", Text),
            ("attempts", Int),
            ("created_at", Int),
            ("ended_at", Int),
            ("origin", Text),
            ("started_at", Int),
            ("duration_us", Int),
            ("outcome", Text),
            ("status", Int),
            ("detail", Text),
            ("response_sealed", Bytes),
        ],
        by_week: true,
    },
    Table {
        name: "earlier_attempts",
        key: &[("delivery_id", Int), ("number", Int)],
        columns: &[
            ("delivery_id", Int),
            ("number", Int),
            ("account", Int),
            ("started_at", Int),
            ("duration_us", Int),
            ("outcome", Text),
            ("status", Int),
            ("detail", Text),
            ("response_sealed", Bytes),
        ],
        by_week: true,
    },
    Table {
        name: "replays",
        key: &[("account_id", Text), ("endpoint_id", Text), ("id", Text)],
        columns: &[
            ("account_id", Text),
            ("endpoint_id", Text),
            ("id", Text),
            ("state", Text),
            ("since", Int),
            ("until", Int),
            ("states", Text),
            ("cursor_seq", Int),
            ("last_seq", Int),
            ("examined", Int),
            ("created", Int),
            ("created_at", Int),
            ("ended_at", Int),
        ],
        by_week: false,
    },
    Table {
        name: "resources",
        key: &[("row", Int)],
        columns: &[
            ("account_id", Text),
            ("kind", Text),
            ("id", Text),
            ("state", Text),
            ("states_ever", Text),
            ("version", Int),
            ("document_sealed", Bytes),
            ("created_at", Int),
            ("updated_at", Int),
        ],
        by_week: false,
    },
];

/// Column names, joined.
pub(super) fn names(columns: &[Column]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bellwire_domain::Timestamp;
    use rusqlite::Connection;

    use super::*;
    use crate::driver::{Db, Kind, params};

    /// In the SQLite schema, and not copied: the order of rows there, and who held a delivery.
    const LEFT: [(&str, &str); 2] = [("resources", "row"), ("queue", "claim")];
    /// Each database's own; that of the retention is changed when the move begins.
    const OWN: [&str; 5] = ["meta", "bellwire_schema", "nodes", "retention", "sqlite_sequence"];

    /// Table, column and kind of everything that is copied.
    fn listed() -> BTreeSet<(String, String, String)> {
        let column = |table: &Table, (name, kind): &Column| (table.name.to_owned(), (*name).to_owned(), format!("{kind:?}"));
        TABLES.iter().flat_map(|table| table.columns.iter().map(move |found| column(table, found))).collect()
    }

    fn kind(declared: &str) -> String {
        let kind = match declared.to_uppercase().as_str() {
            "INTEGER" | "BIGINT" => Kind::Int,
            "TEXT" => Kind::Text,
            "BLOB" | "BYTEA" => Kind::Bytes,
            other => panic!("{other}"),
        };
        format!("{kind:?}")
    }

    fn is_copied(table: &str, column: &str) -> bool {
        !OWN.contains(&table) && !LEFT.contains(&(table, column))
    }

    #[test]
    fn every_column_of_the_sqlite_schema_is_listed_and_read_in_the_order_of_an_index() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::migrations::migrate(&mut connection, 0).unwrap();
        let sql = "SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'";
        let mut statement = connection.prepare(sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?));
        let rows = statement.query_map([], read).unwrap().map(Result::unwrap);
        let found: BTreeSet<(String, String, String)> = rows
            .filter(|(table, column, _): &(String, String, String)| is_copied(table, column))
            .map(|(table, column, declared)| (table, column, kind(&declared)))
            .collect();
        assert_eq!(found, listed());
        for table in &TABLES {
            for is_first in [true, false] {
                let text = super::super::source::select(table, is_first);
                let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
                let count = statement.parameter_count();
                let plan = statement.query_map(rusqlite::params_from_iter(vec![0; count]), |row| row.get::<_, String>(3));
                let steps: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
                assert!(steps.iter().all(|step| !step.contains("TEMP B-TREE")), "{text}: {steps:?}");
                assert!(is_first || steps.iter().all(|step| step.starts_with("SEARCH")), "{text}: {steps:?}");
            }
        }
    }

    #[test]
    fn every_column_of_the_postgres_schema_is_listed() {
        let url: crate::PostgresUrl = bellwire_testkit::postgres::Cluster::shared().database().parse().unwrap();
        let session = crate::postgres::prepared(&url, Timestamp::from_secs(1_800_000_000)).unwrap();
        let sql = "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c \
             JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = current_schema()::regnamespace \
             AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped";
        let rows = Db::Postgres(&session).query("pg_class", sql, params![]).unwrap();
        let text = |row: &crate::driver::Row, index| row.text(index, "x").unwrap().to_owned();
        let found: BTreeSet<(String, String, String)> = rows
            .iter()
            .map(|row| (text(row, 0), text(row, 1), text(row, 2)))
            .filter(|(table, column, _)| is_copied(table, column))
            .map(|(table, column, declared)| (table, column, kind(&declared)))
            .collect();
        assert_eq!(found, listed());
    }
}
