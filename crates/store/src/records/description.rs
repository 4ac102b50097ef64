//! What the store is: its kind, its schema, how large it is, and which processes share it.

use bellwire_domain::Timestamp;

use crate::StoreError;
use crate::schema::KNOWN_VERSION;
use crate::sql::{Db, Select, columns, params};

/// A store, as its operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDescription {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// The version of its schema.
    pub schema: i64,
    /// How large it is on disk, its indexes and free pages too, the log of a SQLite file not.
    pub bytes: i64,
    /// The processes that share it, by when they came; none on SQLite, where there is only this one.
    pub nodes: Vec<Node>,
}

/// One of several processes over one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number among those that run: its delivery ids have it.
    pub slot: i64,
    /// When it came, or came back after it was taken for dead; by its own clock.
    pub registered_at: Timestamp,
    /// Whether it is this process.
    pub is_this: bool,
}

columns! {
    struct RegisteredNode of "nodes" {
        token: String = "n.token",
        slot: i64 = "n.slot",
        registered_at: Timestamp = "n.registered_at",
    }
}

const SQLITE_BYTES: &str = "SELECT c.page_count * s.page_size FROM pragma_page_count() c, pragma_page_size() s";
const POSTGRES_BYTES: &str = "SELECT pg_database_size(current_database())";
static NODES: Select<RegisteredNode> = Select::new("FROM nodes n ORDER BY n.registered_at, n.slot");

/// The store as it is now; `token` is what this process claims with.
pub(super) fn read(db: Db<'_>, token: &str) -> Result<StoreDescription, StoreError> {
    let bytes = |sql| db.get("store", sql, params![])?.value("bytes");
    let (kind, bytes, nodes) = match db {
        Db::Sqlite(_) => ("sqlite", bytes(SQLITE_BYTES)?, Vec::new()),
        Db::Postgres(_) => ("postgres", bytes(POSTGRES_BYTES)?, NODES.list(db, params![])?),
    };
    let nodes =
        nodes.into_iter().map(|node| Node { slot: node.slot, registered_at: node.registered_at, is_this: node.token == token });
    Ok(StoreDescription { kind, schema: KNOWN_VERSION, bytes, nodes: nodes.collect() })
}

/// Those of SQLite, and those of PostgreSQL.
#[cfg(test)]
pub(crate) fn statements() -> [Vec<String>; 2] {
    [vec![SQLITE_BYTES.to_owned()], vec![POSTGRES_BYTES.to_owned(), NODES.sql()]]
}
