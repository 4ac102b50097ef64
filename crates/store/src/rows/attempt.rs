//! `earlier_attempts`, the attempts that did not end their delivery, and the view `attempts`, which has all of them.

use std::time::Duration;

use bellwire_domain::Timestamp;

use crate::sql::{columns, group, table};

group! {
    /// What came of an attempt: the columns that `deliveries` and `earlier_attempts` share.
    pub(crate) struct AttemptResult<'a> {
        started_at: Timestamp,
        duration_us: i64,
        outcome: &'a str,
        status: Option<u16>,
        /// One sentence, when there was no answer.
        detail: Option<&'a str>,
        response_sealed: Option<&'a [u8]>,
        due_at: Timestamp,
    }
}

table! {
    /// An attempt that did not end its delivery.
    pub(crate) struct AttemptRow<'a> in "earlier_attempts" key { delivery_id: bellwire_domain::DeliveryId, number: u32 } {
        account: i64,
    } with { result: AttemptResult<'a> }
}

columns! {
    /// An attempt, the body of its answer still sealed.
    pub(crate) struct StoredAttempt<'r> of "attempts" {
        pub(crate) number: u32 = "number",
        pub(crate) started_at: Timestamp = "started_at",
        pub(crate) duration: Duration = "duration_us",
        pub(crate) outcome: String = "outcome",
        pub(crate) status: Option<u16> = "status",
        pub(crate) detail: Option<String> = "detail",
        pub(crate) response_sealed: Option<&'r [u8]> = "response_sealed",
        /// `None`: made before version 7 of the schema.
        pub(crate) due_at: Option<Timestamp> = "due_at",
    }
}
