//! `replays`: events that are sent to one endpoint again, looked at in the order of the account's log.

use std::collections::BTreeSet;

use bellwire_domain::{ReplayCase, ReplayId, ReplayRange, ReplayState, Timestamp};

use super::lane::{LaneKey, LaneNames};
use crate::StoreError;
use crate::sql::{Db, columns, params, select, table};

/// A stored replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// The endpoint that it sends to.
    pub lane: LaneKey,
    /// Where it stands.
    pub state: ReplayState,
    /// Only events accepted at this instant or later.
    pub since: Timestamp,
    /// Only events accepted before this instant; `None`: those that were there when it was asked for.
    pub until: Option<Timestamp>,
    /// Only events that have come to one of these.
    pub cases: BTreeSet<ReplayCase>,
    /// Events looked at.
    pub examined: i64,
    /// Deliveries made.
    pub created: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was done or cancelled.
    pub ended_at: Option<Timestamp>,
    pub(crate) range: ReplayRange,
}

table! {
    /// A new replay.
    pub(crate) struct ReplayRow<'a> in "replays" key { account_id: &'a str, endpoint_id: &'a str, id: &'a str } {
        state: &'a str,
        since: Timestamp,
        until: Option<Timestamp>,
        /// The cases that were asked for, as a JSON list.
        states: &'a str,
        cursor_seq: i64,
        last_seq: i64,
        examined: i64,
        created: i64,
        created_at: Timestamp,
        ended_at: Option<Timestamp>,
    }
}

columns! {
    /// A replay without its lane.
    struct ReplayColumns of "replays" {
        id: ReplayId = "l.id",
        state: ReplayState = "l.state",
        since: Timestamp = "l.since",
        until: Option<Timestamp> = "l.until",
        cases: BTreeSet<ReplayCase> = "l.states",
        cursor_seq: i64 = "l.cursor_seq",
        last_seq: i64 = "l.last_seq",
        examined: i64 = "l.examined",
        created: i64 = "l.created",
        created_at: Timestamp = "l.created_at",
        ended_at: Option<Timestamp> = "l.ended_at",
    }
}

const BY_ID: &str = "WHERE l.account_id = $1 AND l.endpoint_id = $2 AND l.id = $3";

/// The text of a query for replays.
pub(crate) fn select_where(conditions: &str) -> String {
    select::<(ReplayColumns, LaneNames)>(&format!("FROM replays l {conditions}"))
}

/// Reads a row of [`select_where`].
pub(crate) fn read(row: &crate::sql::Row) -> Result<Replay, StoreError> {
    let (columns, names): (ReplayColumns, LaneNames) = row.read()?;
    Ok(Replay {
        id: columns.id,
        lane: names.into(),
        state: columns.state,
        since: columns.since,
        until: columns.until,
        cases: columns.cases,
        examined: columns.examined,
        created: columns.created,
        created_at: columns.created_at,
        ended_at: columns.ended_at,
        range: ReplayRange { cursor_seq: columns.cursor_seq, last_seq: columns.last_seq },
    })
}

pub(crate) fn find(db: Db<'_>, lane: &LaneKey, id: &ReplayId) -> Result<Option<Replay>, StoreError> {
    let key = params![lane.account_id.as_str(), lane.endpoint_id.as_str(), id.as_str()];
    db.find("replays", &select_where(BY_ID), key)?.map(|row| read(&row)).transpose()
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![select_where(BY_ID)]
}
