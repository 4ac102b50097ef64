//! `operator_notices`: what the operator is still to be told. Each is written with what it tells of, and goes when it has been
//! published as an event of the operator's account.

use bellwire_domain::{AccountId, Entropy, Timestamp};

use crate::StoreError;
use crate::sql::{ColumnGroup, Db, Insert, Param, Select, columns, params, table};

/// Something that the operator is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OperatorNotice {
    /// The id of the event that tells it.
    pub(crate) id: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The type of the event.
    pub(crate) event_type: &'static str,
    /// Its data, as JSON.
    pub(crate) data: String,
}

columns! {
    /// A notice as it is stored.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct StoredNotice of "operator_notices" {
        /// The id of the event that tells it.
        pub id: String = "n.id",
        /// When it happened.
        pub at: Timestamp = "n.at",
        /// The type of the event.
        pub event_type: String = "n.event_type",
        /// Its data, as JSON.
        pub data: String = "n.data",
    }
}

table! {
    /// A notice.
    pub(crate) struct NoticeRow<'a> in "operator_notices" key { id: &'a str } {
        at: Timestamp,
        event_type: &'a str,
        data: &'a str,
    }
}

/// What stands behind the INSERT: some are told once in an hour.
const ONCE: &str = "ON CONFLICT (id) DO NOTHING";

static OLDEST: Select<StoredNotice> = Select::new("FROM operator_notices n ORDER BY n.at, n.id LIMIT $1");
const REMOVE: &str = "DELETE FROM operator_notices WHERE id = $1";

impl OperatorNotice {
    /// One about something that happens once.
    pub(crate) fn new(at: Timestamp, entropy: &dyn Entropy, event_type: &'static str, data: &serde_json::Value) -> Self {
        let id = bellwire_domain::IdFormat::Prefixed("op_".to_owned()).draw(at, entropy.bytes());
        Self { id, at, event_type, data: data.to_string() }
    }

    /// An account has come near the most live deliveries that it may have: told once in an hour.
    pub(crate) fn backlog(at: Timestamp, account: (&AccountId, i64), pending: i64, max: i64) -> Self {
        let (account_id, number) = account;
        let hour = bellwire_domain::Span::Hour.number(at);
        let data = serde_json::json!({ "account": account_id.as_str(), "live_deliveries": pending, "limit": max });
        Self { id: format!("op_backlog_{number}_{hour}"), at, event_type: "account.backlog", data: data.to_string() }
    }
}

/// The INSERT of notices.
pub(crate) fn insertion() -> Insert {
    Insert::of::<NoticeRow<'_>>().then(ONCE)
}

/// What is bound to it.
pub(crate) fn cells(notices: &[OperatorNotice]) -> Vec<Param<'_>> {
    let mut cells = Vec::new();
    for OperatorNotice { id, at, event_type, data } in notices {
        NoticeRow { id, at: *at, event_type, data }.bind(&mut cells);
    }
    cells
}

pub(crate) fn put(db: Db<'_>, notices: &[OperatorNotice]) -> Result<(), StoreError> {
    insertion().run(db, &cells(notices))
}

/// The first of those that are still to be told.
pub(crate) fn oldest(db: Db<'_>, limit: i64) -> Result<Vec<StoredNotice>, StoreError> {
    OLDEST.list(db, params![limit])
}

/// Removes one that has been told.
pub(crate) fn remove(db: Db<'_>, id: &str) -> Result<(), StoreError> {
    db.execute(REMOVE, params![id]).map(drop)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![OLDEST.sql(), REMOVE.to_owned()]
}
