//! `retention`, of one row: from where on everything is kept.

use bellwire_domain::Timestamp;

use crate::StoreError;
use crate::sql::{Db, Select, columns, params};

columns! {
    /// From where on everything is kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct Kept of "retention" {
        /// Deliveries with this id and later ones.
        pub(crate) from: i64 = "kept_from",
        /// Events accepted at this instant or later.
        pub(crate) since: Timestamp = "kept_since",
    }
}

static KEPT: Select<Kept> = Select::new("FROM retention");
const KEEP: &str = "UPDATE retention SET kept_from = $1, kept_since = $2";

/// What is kept.
pub(crate) fn kept(db: Db<'_>) -> Result<Kept, StoreError> {
    let missing = || StoreError::Inconsistent { table: "retention", column: "kept_from", id: "no row".to_owned() };
    KEPT.find(db, params![])?.ok_or_else(missing)
}

/// Says what is kept.
pub(crate) fn keep(db: Db<'_>, kept: Kept) -> Result<(), StoreError> {
    db.execute(KEEP, params![kept.from, kept.since]).map(drop)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![KEPT.sql(), KEEP.to_owned()]
}
