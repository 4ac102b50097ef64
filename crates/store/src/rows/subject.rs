//! `subjects`, whom events are about, as keyed hashes; and `event_subjects`, which held them in the clear before schema 15.

use crate::sql::table;

table! {
    /// Whom an event is about.
    pub(crate) struct SubjectRow<'a> in "subjects" key { subject: &'a [u8], event: i64 } {}
}

table! {
    /// The same before schema 15.
    pub(crate) struct ClearSubjectRow<'a> in "event_subjects" key { account_id: &'a str, subject: &'a str, event_seq: i64 } {}
}

/// In SQL: 1 where the event at this place has subjects, else NULL.
pub(crate) fn is_about(place: &str) -> String {
    format!("(SELECT CAST(1 AS BIGINT) FROM subjects s WHERE s.event = {place} LIMIT 1)")
}
