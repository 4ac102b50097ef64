//! `incidents`: failures of an endpoint for one cause.

use bellwire_domain::incident::{Cause, Course, Failures, LEASE_ENDING};
use bellwire_domain::{AccountId, DeliveryId, EndpointId, IncidentId, IncidentState, Timestamp};

use super::lane::LaneKey;
use crate::StoreError;
use crate::sql::{Db, Insert, Row, columns, params, select, table};

/// A stored incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The endpoint that failed.
    pub lane: LaneKey,
    /// Its failures, and how far it has come.
    pub course: Course,
    /// Who acknowledged it.
    pub acknowledged_by: Option<String>,
    /// Who said that it is over; `None`: the endpoint succeeded, or it is not.
    pub resolved_by: Option<String>,
    /// The lane's number in the store.
    pub(crate) lane_ref: i64,
}

impl Incident {
    /// Where it stands.
    pub const fn state(&self) -> IncidentState {
        self.course.state()
    }

    /// The same after further attempts. Who acknowledged or resolved it is forgotten with that.
    pub(crate) fn with_course(self, course: Course) -> Self {
        let acknowledged_by = self.acknowledged_by.filter(|_| course.acknowledged_at.is_some());
        let resolved_by = self.resolved_by.filter(|_| course.resolved_at.is_some());
        Self { course, acknowledged_by, resolved_by, ..self }
    }
}

table! {
    /// An incident.
    pub(crate) struct IncidentRow<'a> in "incidents" key { id: &'a str } {
        account_id: &'a str,
        endpoint_id: &'a str,
        lane: i64,
        outcome: &'a str,
        status: Option<u16>,
        failures: i64,
        first_at: Timestamp,
        last_at: Timestamp,
        last_delivery: DeliveryId,
        acknowledged_at: Option<Timestamp>,
        acknowledged_by: Option<&'a str>,
        resolved_at: Option<Timestamp>,
        resolved_by: Option<&'a str>,
    }
}

columns! {
    /// An incident.
    pub(crate) struct IncidentColumns of "incidents" {
        id: IncidentId = "i.id",
        account_id: AccountId = "i.account_id",
        endpoint_id: EndpointId = "i.endpoint_id",
        lane: i64 = "i.lane",
        outcome: String = "i.outcome",
        status: Option<u16> = "i.status",
        failures: i64 = "i.failures",
        first_at: Timestamp = "i.first_at",
        last_at: Timestamp = "i.last_at",
        last_delivery: DeliveryId = "i.last_delivery",
        acknowledged_at: Option<Timestamp> = "i.acknowledged_at",
        acknowledged_by: Option<String> = "i.acknowledged_by",
        resolved_at: Option<Timestamp> = "i.resolved_at",
        resolved_by: Option<String> = "i.resolved_by",
    }
}

impl From<IncidentColumns> for Incident {
    fn from(columns: IncidentColumns) -> Self {
        let failures = Failures {
            cause: Cause { outcome: columns.outcome, status: columns.status },
            first_at: columns.first_at,
            last_at: columns.last_at,
            count: columns.failures,
            delivery: columns.last_delivery,
        };
        Self {
            id: columns.id,
            lane: LaneKey { account_id: columns.account_id, endpoint_id: columns.endpoint_id },
            course: Course { failures, acknowledged_at: columns.acknowledged_at, resolved_at: columns.resolved_at },
            acknowledged_by: columns.acknowledged_by,
            resolved_by: columns.resolved_by,
            lane_ref: columns.lane,
        }
    }
}

/// The text of a query for incidents.
pub(crate) fn select_where(rest: &str) -> String {
    select::<IncidentColumns>(&format!("FROM incidents i {rest}"))
}

/// Reads rows of [`select_where`].
pub(crate) fn read_all(rows: &[Row]) -> Result<Vec<Incident>, StoreError> {
    rows.iter().map(|row| row.read::<IncidentColumns>().map(Into::into)).collect()
}

const BY_ID: &str = "WHERE i.id = $1";
/// Those of a lane that its next attempts may change.
const OF_LANE: &str = "WHERE i.lane = $1 AND (i.resolved_at IS NULL OR i.resolved_at >= $2) ORDER BY i.id";
const COUNT: &str = "UPDATE endpoints SET incidents = \
     (SELECT COUNT(*) FROM incidents i WHERE i.lane = $1 AND i.resolved_at IS NULL AND i.outcome <> $2) WHERE lane = $1";
const END_OF_LEASE: &str = "UPDATE incidents SET resolved_at = $1, resolved_by = $2 WHERE lane = $3 AND outcome = $4 \
     AND resolved_at IS NULL";
const END_OF_LANE: &str = "UPDATE incidents SET resolved_at = $1, resolved_by = $2 WHERE lane = $3 AND resolved_at IS NULL";
const DROP_OF_ACCOUNT: &str = "DELETE FROM incidents WHERE failures > 0 AND account_id = $1";
const DROP_ENDED: &str = "DELETE FROM incidents WHERE id IN \
     (SELECT id FROM incidents WHERE resolved_at IS NOT NULL AND resolved_at < $1 ORDER BY resolved_at LIMIT $2)";

/// Who has resolved the incident of a lease that was renewed.
pub(crate) const BY_RENEWAL: &str = "renewal";

/// Who has resolved the incidents of an endpoint that was deleted.
pub(crate) const BY_DELETION: &str = "deletion";

/// What is written over when an incident is there already.
const REPLACE: &str = "ON CONFLICT (id) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at, \
     last_delivery = excluded.last_delivery, acknowledged_at = excluded.acknowledged_at, \
     acknowledged_by = excluded.acknowledged_by, resolved_at = excluded.resolved_at, resolved_by = excluded.resolved_by";

pub(crate) fn find(db: Db<'_>, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
    let found = read_all(&db.query("incidents", &select_where(BY_ID), params![id.as_str()])?)?;
    Ok(found.into_iter().next())
}

/// Those of a lane that are unresolved, or were resolved at `since` or later; the latest last.
pub(crate) fn of_lane(db: Db<'_>, lane: i64, since: Timestamp) -> Result<Vec<Incident>, StoreError> {
    read_all(&db.query("incidents", &select_where(OF_LANE), params![lane, since])?)
}

/// Stores an incident, new or changed.
pub(crate) fn put(db: Db<'_>, incident: &Incident) -> Result<(), StoreError> {
    let Course { failures, acknowledged_at, resolved_at } = &incident.course;
    let row = IncidentRow {
        id: incident.id.as_str(),
        account_id: incident.lane.account_id.as_str(),
        endpoint_id: incident.lane.endpoint_id.as_str(),
        lane: incident.lane_ref,
        outcome: &failures.cause.outcome,
        status: failures.cause.status,
        failures: failures.count,
        first_at: failures.first_at,
        last_at: failures.last_at,
        last_delivery: failures.delivery,
        acknowledged_at: *acknowledged_at,
        acknowledged_by: incident.acknowledged_by.as_deref(),
        resolved_at: *resolved_at,
        resolved_by: incident.resolved_by.as_deref(),
    };
    Insert::put(db, row, REPLACE).map(drop)
}

/// Writes how many of a lane's incidents are unresolved beside its endpoint: of those that a success may end.
pub(crate) fn count_unresolved(db: Db<'_>, lane: i64) -> Result<(), StoreError> {
    db.execute(COUNT, params![lane, LEASE_ENDING]).map(drop)
}

/// Resolves what a lane has, because its endpoint goes.
pub(crate) fn end_of_lane(db: Db<'_>, lane: i64, by: &str, now: Timestamp) -> Result<(), StoreError> {
    db.execute(END_OF_LANE, params![now, by, lane]).map(drop)
}

/// Resolves the incident of a lane's lease, because that was renewed.
pub(crate) fn end_of_lease(db: Db<'_>, lane: i64, by: &str, now: Timestamp) -> Result<(), StoreError> {
    db.execute(END_OF_LEASE, params![now, by, lane, LEASE_ENDING]).map(drop)
}

/// Removes all that an account has.
pub(crate) fn drop_of_account(db: Db<'_>, id: &AccountId) -> Result<(), StoreError> {
    db.execute(DROP_OF_ACCOUNT, params![id.as_str()]).map(drop)
}

/// Removes some of those that were resolved before `since`; how many.
pub(crate) fn drop_ended(db: Db<'_>, since: Timestamp, limit: i64) -> Result<usize, StoreError> {
    db.execute(DROP_ENDED, params![since, limit])
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [COUNT, END_OF_LEASE, END_OF_LANE, DROP_OF_ACCOUNT, DROP_ENDED].map(str::to_owned);
    let selects = [BY_ID, OF_LANE].map(select_where);
    fixed.into_iter().chain(selects).chain([Insert::one::<IncidentRow<'_>>(REPLACE)]).collect()
}
