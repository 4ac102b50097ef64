//! `resources`: domain objects whose stored changes cause events.

use bellwire_domain::{ResourceId, Timestamp};

use crate::sql::{columns, table};

columns! {
    /// A stored resource without its document.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ResourceHead of "resources" {
        /// Its id, unique among those of its kind in its account.
        pub id: ResourceId = "id",
        /// Its state.
        pub state: String = "state",
        /// One more with each change, from 1.
        pub version: i64 = "version",
        /// When it was first put.
        pub created_at: Timestamp = "created_at",
        /// When it was last changed.
        pub updated_at: Timestamp = "updated_at",
    }
}

columns! {
    /// The rest of a stored resource, its document still sealed.
    pub(crate) struct ResourceBody<'r> of "resources" {
        pub(crate) states_ever: Vec<String> = "states_ever",
        pub(crate) document_sealed: &'r [u8] = "document_sealed",
    }
}

table! {
    /// A resource.
    pub(crate) struct ResourceRow<'a> in "resources" key { account_id: &'a str, kind: &'a str, id: &'a str } {
        state: &'a str,
        /// The states it was ever in, as a JSON list.
        states_ever: &'a str,
        version: i64,
        document_sealed: &'a [u8],
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

table! {
    /// Whom a document is about.
    pub(crate) struct ResourceSubjectRow<'a> in "resource_subjects"
        key { account_id: &'a str, subject: &'a [u8], kind: &'a str, id: &'a str }
    {}
}
