//! What a move copies: every table, with its columns and the order it is read in.
//!
//! The columns are those of the tables' own declarations in `rows`. A test holds them to the schemas of both databases.

use crate::rows::account::AccountRow;
use crate::rows::attempt::AttemptRow;
use crate::rows::audit::{CheckpointRow, NodeRow, PersonalRow, RecordRow};
use crate::rows::bulk_retry::BulkRetryRow;
use crate::rows::client::{ClientRow, UsedAssertionRow};
use crate::rows::contract_key::ContractKeyRow;
use crate::rows::delivery::EndedRow;
use crate::rows::disclosure::DisclosureRow;
use crate::rows::endpoint::EndpointRow;
use crate::rows::erasure::ErasureRow;
use crate::rows::event::EventRow;
use crate::rows::hold::HoldRow;
use crate::rows::incident::IncidentRow;
use crate::rows::key::KeyRow;
use crate::rows::lane::LaneRow;
use crate::rows::operator_notice::NoticeRow;
use crate::rows::queued::QueuedRow;
use crate::rows::replay::ReplayRow;
use crate::rows::resource::{ResourceRow, ResourceSubjectRow};
use crate::rows::rollup::RollupRow;
use crate::rows::secret::SecretRow;
use crate::rows::subject::{ClearSubjectRow, SubjectRow};
use crate::sql::{Column, Kind, TableRow};

/// A table of which every row is copied.
#[derive(Debug)]
pub(super) struct CopiedTable {
    pub(super) name: &'static str,
    /// What orders its rows in the SQLite file: unique, and read by an index. It may be a column that is not copied.
    pub(super) order: Vec<Column>,
    pub(super) columns: Vec<Column>,
    /// Whether it is partitioned on PostgreSQL, by the delivery ids that are the first of its columns.
    pub(super) by_week: bool,
}

impl CopiedTable {
    /// A table, read in the order of its key.
    fn of<'a, R: TableRow<'a>>() -> Self {
        let table = R::table();
        Self { name: table.name, order: table.key().to_vec(), columns: table.columns, by_week: false }
    }

    /// Also columns that the database fills in by itself.
    fn with(mut self, columns: &[&'static str]) -> Self {
        self.columns.extend(columns.iter().map(|name| (*name, Kind::Int)));
        self
    }

    /// The same of bytes.
    fn with_bytes(mut self, columns: &[&'static str]) -> Self {
        self.columns.extend(columns.iter().map(|name| (*name, Kind::Bytes)));
        self
    }

    fn without(mut self, column: &str) -> Self {
        self.columns.retain(|(name, _)| *name != column);
        self
    }

    /// Read in the order of a number instead of its key.
    fn in_order_of(self, column: &'static str) -> Self {
        Self { order: vec![(column, Kind::Int)], ..self }
    }

    fn by_week(self) -> Self {
        Self { by_week: true, ..self }
    }
}

/// In the order in which they are copied.
pub(super) fn tables() -> [CopiedTable; 28] {
    [
        CopiedTable::of::<KeyRow<'_>>(),
        CopiedTable::of::<AccountRow<'_>>().with(&[
            "ref",
            "first_seq",
            "expired_seq",
            "sealed_values",
            "kept_from",
            "kept_since",
        ]),
        CopiedTable::of::<LaneRow<'_>>().with(&["ref"]).in_order_of("ref"),
        CopiedTable::of::<EndpointRow<'_>>()
            .with(&["incidents", "activation_due", "activation_failures", "unproven", "heartbeat_at"])
            .with_bytes(&["activation_hash", "activation_sealed"]),
        CopiedTable::of::<SecretRow<'_>>(),
        CopiedTable::of::<ClientRow<'_>>(),
        CopiedTable::of::<UsedAssertionRow<'_>>(),
        CopiedTable::of::<ContractKeyRow<'_>>(),
        CopiedTable::of::<EventRow<'_>>(),
        CopiedTable::of::<ClearSubjectRow<'_>>(),
        CopiedTable::of::<SubjectRow<'_>>(),
        CopiedTable::of::<DisclosureRow<'_>>(),
        CopiedTable::of::<ErasureRow<'_>>(),
        CopiedTable::of::<HoldRow<'_>>(),
        CopiedTable::of::<ResourceSubjectRow<'_>>(),
        // Who held a delivery is gone: every row arrives free.
        CopiedTable::of::<QueuedRow<'_>>().without("claim").with(&["suspicion", "manual_attempt"]),
        CopiedTable::of::<EndedRow<'_>>().by_week(),
        CopiedTable::of::<AttemptRow<'_>>().by_week(),
        CopiedTable::of::<ReplayRow<'_>>(),
        CopiedTable::of::<ResourceRow<'_>>().in_order_of("row"),
        CopiedTable::of::<RollupRow<'_>>(),
        CopiedTable::of::<IncidentRow<'_>>(),
        CopiedTable::of::<NoticeRow<'_>>(),
        CopiedTable::of::<BulkRetryRow<'_>>(),
        CopiedTable::of::<RecordRow<'_>>(),
        CopiedTable::of::<NodeRow<'_>>(),
        CopiedTable::of::<PersonalRow<'_>>(),
        CopiedTable::of::<CheckpointRow<'_>>(),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sql::{Db, Select, columns, params};

    /// In the SQLite schema, and not copied: the order of rows there, and who held a delivery.
    const LEFT: [(&str, &str); 2] = [("resources", "row"), ("queue", "claim")];
    /// Each database's own; that of the retention is changed when the move begins, and people sign in again.
    const OWN: [&str; 7] = ["meta", "sessions", "portal_links", "bellwire_schema", "nodes", "retention", "sqlite_sequence"];

    columns! {
        /// A column of the database's schema.
        struct Declared of "schema" {
            table: String = "t.name",
            column: String = "c.name",
            kind: String = "c.type",
        }
    }

    static SQLITE: Select<Declared> = Select::new("FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'");
    static POSTGRES: Select<Declared> = Select::new(
        "FROM (SELECT oid, relname::text AS name FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
         AND relkind IN ('r', 'p') AND NOT relispartition) t JOIN (SELECT attrelid, attname::text AS name, \
         format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped) c \
         ON c.attrelid = t.oid",
    );

    /// Table, column and kind of everything that is copied.
    fn listed() -> BTreeSet<(String, String, String)> {
        let column =
            |table: &CopiedTable, (name, kind): &Column| (table.name.to_owned(), (*name).to_owned(), format!("{kind:?}"));
        tables().iter().flat_map(|table| table.columns.iter().map(|found| column(table, found)).collect::<Vec<_>>()).collect()
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

    fn declared(db: Db<'_>, select: &Select<Declared>) -> BTreeSet<(String, String, String)> {
        let is_copied = |found: &Declared| {
            let name = (found.table.as_str(), found.column.as_str());
            !OWN.contains(&name.0) && !LEFT.contains(&name)
        };
        let found = select.list(db, params![]).unwrap().into_iter().filter(is_copied);
        found.map(|found| (found.table, found.column, kind(&found.kind))).collect()
    }

    #[test]
    fn every_column_of_the_sqlite_schema_is_listed_and_read_in_the_order_of_an_index() {
        let connection = crate::tests::migrated_sqlite();
        assert_eq!(declared(Db::Sqlite(&connection), &SQLITE), listed());
        for table in &tables() {
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
        let (session, _) = crate::tests::migrated();
        assert_eq!(declared(Db::Postgres(&session), &POSTGRES), listed());
    }
}
