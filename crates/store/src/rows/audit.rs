//! `audit` and what stands beside it: records that are only ever added, the nodes of the tree over them, what is personal in
//! them, and signed heads of the tree.

use bellwire_domain::Timestamp;

use crate::sql::{columns, table};

columns! {
    /// A record as it stands in the log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct RecordColumns of "audit" {
        pub(crate) seq: i64 = "a.seq",
        pub(crate) at: Timestamp = "a.at",
        pub(crate) actor: String = "a.actor",
        pub(crate) action: String = "a.action",
        pub(crate) account: Option<String> = "a.account",
        pub(crate) object: Option<String> = "a.object",
        pub(crate) origin: String = "a.origin",
        pub(crate) detail: String = "a.detail",
        pub(crate) leaf: Vec<u8> = "a.leaf",
    }
}

table! {
    /// A new record.
    pub(crate) struct RecordRow<'a> in "audit" key { seq: i64 } {
        at: Timestamp,
        actor: &'a str,
        action: &'a str,
        account: Option<&'a str>,
        object: Option<&'a str>,
        origin: &'a str,
        detail: &'a str,
        leaf: &'a [u8],
    }
}

columns! {
    /// A node of the tree above its leaves.
    pub(crate) struct NodeColumns of "audit_nodes" {
        pub(crate) place: i64 = "n.place",
        pub(crate) hash: Vec<u8> = "n.hash",
    }
}

table! {
    /// A new node.
    pub(crate) struct NodeRow<'a> in "audit_nodes" key { place: i64 } {
        hash: &'a [u8],
    }
}

columns! {
    /// What is personal in a record.
    pub(crate) struct PersonalColumns of "audit_personal" {
        pub(crate) seq: i64 = "p.seq",
        pub(crate) field: String = "p.field",
        pub(crate) salt: Vec<u8> = "p.salt",
        pub(crate) value_sealed: Vec<u8> = "p.value_sealed",
    }
}

table! {
    /// The same, new.
    pub(crate) struct PersonalRow<'a> in "audit_personal" key { seq: i64, field: &'a str } {
        salt: &'a [u8],
        value_sealed: &'a [u8],
        lookup: &'a [u8],
    }
}

columns! {
    /// A signed head of the tree.
    pub(crate) struct CheckpointColumns of "audit_checkpoints" {
        pub(crate) size: i64 = "c.size",
        pub(crate) note: String = "c.note",
    }
}

table! {
    /// A new one.
    pub(crate) struct CheckpointRow<'a> in "audit_checkpoints" key { size: i64 } {
        at: Timestamp,
        note: &'a str,
    }
}
