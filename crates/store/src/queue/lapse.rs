//! Leases of endpoints: the operator is told before one ends, and then nothing is sent any more.
//!
//! What is due is looked for on the engine's beat. An attempt that finds a lease over does not wait for that: it ends the lease itself.
//! Renewing is a change of the endpoint. Endpoints that were muted as they failed go on here as well, when their time has come.

use bellwire_domain::incident::{Cause, Course, Failures};
use bellwire_domain::{
    AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia, DeliveryId, HealthStatus, IncidentId, Timestamp,
    lease,
};

use super::cancel::cancel_waiting;
use super::context::WriteContext;
use super::notice::Notice;
use super::replay;
use crate::StoreError;
use crate::audit::append;
use crate::rows::lane::LaneKey;
use crate::rows::lease::{self as row, LeaseColumns};
use crate::rows::operator_notice::{self, OperatorNotice};
use crate::rows::{account, activation, incident};
use crate::sql::Db;

/// What was done about a lease, or about an endpoint that was muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// The operator is told that it will end.
    Told,
    /// It is over; so many deliveries were cancelled that waited.
    Ended {
        /// How many.
        cancelled: usize,
    },
    /// It was muted, and goes on.
    Resumed,
}

/// An endpoint that was muted goes on; `None`: it is not muted any more, or still is.
pub(crate) fn resume(db: Db<'_>, context: &WriteContext, lane: &LaneKey) -> Result<Option<Lapse>, StoreError> {
    account::lock(db, &lane.account_id)?;
    let now = context.clock.now();
    if !row::resume(db, lane, now)? {
        return Ok(None);
    }
    append::append(db, &context.audit, &*context.entropy, now, &[record(lane, HealthStatus::Active)])?;
    Notice::Waiting.tell(db)?;
    Ok(Some(Lapse::Resumed))
}

/// Does what is due about an endpoint's lease; `None`: nothing is, or somebody has done it.
pub(crate) fn advance(db: Db<'_>, context: &WriteContext, lane: &LaneKey) -> Result<Option<Lapse>, StoreError> {
    account::lock(db, &lane.account_id)?;
    let now = context.clock.now();
    let Some(stands) = row::find(db, lane)? else { return Ok(None) };
    let Some(expires_at) = stands.expires_at.filter(|_| stands.due_at.is_some_and(|due| due <= now)) else { return Ok(None) };
    if lease::has_ended(Some(expires_at), now) {
        return end(db, context, (lane, expires_at), now).map(Some);
    }
    tell(db, context, (lane, stands, expires_at), now)?;
    Ok(Some(Lapse::Told))
}

fn end(
    db: Db<'_>,
    context: &WriteContext,
    (lane, expires_at): (&LaneKey, Timestamp),
    now: Timestamp,
) -> Result<Lapse, StoreError> {
    row::end(db, lane, now)?;
    activation::clear(db, lane)?;
    replay::cancel_all(db, lane, now)?;
    let cancelled = cancel_waiting(db, lane, now)?;
    append::append(db, &context.audit, &*context.entropy, now, &[record(lane, HealthStatus::Expired)])?;
    notify(db, context, "endpoint.expired", (lane, expires_at), now)?;
    Ok(Lapse::Ended { cancelled })
}

/// Opens an incident, unless one is open already, and says when the lease ends.
fn tell(
    db: Db<'_>,
    context: &WriteContext,
    (lane, stands, expires_at): (&LaneKey, LeaseColumns, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    row::set_due(db, lane, expires_at)?;
    let cause = Cause::lease_ending();
    let unresolved = incident::of_lane(db, stands.lane, Timestamp::from_micros(i64::MAX))?;
    if unresolved.iter().all(|known| known.course.failures.cause != cause) {
        let failures = Failures { cause, first_at: now, last_at: now, count: 1, delivery: DeliveryId::default() };
        let opened = incident::Incident {
            id: IncidentId::draw(now, context.entropy.bytes()),
            lane: lane.clone(),
            course: Course { failures, acknowledged_at: None, resolved_at: None },
            acknowledged_by: None,
            resolved_by: None,
            lane_ref: stands.lane,
        };
        incident::put(db, &opened)?;
    }
    notify(db, context, "endpoint.expiring", (lane, expires_at), now)
}

fn notify(
    db: Db<'_>,
    context: &WriteContext,
    event_type: &'static str,
    (lane, expires_at): (&LaneKey, Timestamp),
    now: Timestamp,
) -> Result<(), StoreError> {
    if !context.tells_of(&lane.account_id) {
        return Ok(());
    }
    let data = serde_json::json!({
        "account": lane.account_id.as_str(),
        "endpoint": lane.endpoint_id.as_str(),
        "expires_at": expires_at.to_string(),
    });
    operator_notice::put(db, &[OperatorNotice::new(now, &*context.entropy, event_type, &data)])
}

fn record(lane: &LaneKey, health: HealthStatus) -> AuditEntry {
    let origin = AuditOrigin { via: AuditVia::Node, address: None };
    let entry = AuditEntry::new(AuditActor::Node, origin, AuditAction::EndpointChanged).in_account(&lane.account_id);
    let entry = entry.to(lane.endpoint_id.as_str()).with("changed", AuditDetail::Texts(vec!["health".to_owned()]));
    entry.with("health", AuditDetail::Text(health.to_string()))
}
