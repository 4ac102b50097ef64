//! Claiming work from the store: what did not fit the hand-off, and what has become due again.
//!
//! A claim round first fills lanes that have a backlog and room, in the order of their numbers. Then it takes retries whose
//! instant has come. A retry whose lane is full joins that lane's backlog, so that no round looks at the same rows again.
//! Everything runs on the writer, so that reservations and claims see each other in order.

use std::sync::Arc;

use bellwire_domain::{DeliveryId, Timestamp};

use super::backend::{Backend, Mark};
use super::claimable::{Claimable, LaneRows, LaneSearch};
use super::context::WriteContext;
use super::handoff::{HandOff, Reserved, TakesRoom};
use super::payloads::{self, SealedDelivery};
use crate::StoreError;
use crate::rows::queued::WAITS;
use crate::sql::params;

/// What a claim round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClaimReport {
    /// Deliveries handed to the engine.
    pub claimed: usize,
    /// The next instant at which a retry becomes due, if any waits.
    pub next_wake: Option<Timestamp>,
    /// Whether the round stopped at its limit: there may be more to claim at once.
    pub more: bool,
}

const NEXT_WAKE: &str = "SELECT wake_at FROM queue WHERE wake_at < $1 ORDER BY wake_at LIMIT 1";

/// Lanes looked at in one round.
const LANES_MAX: usize = 256;

/// One claim round.
pub(crate) fn claim(
    backend: &dyn Backend,
    context: &WriteContext,
    now: Timestamp,
    limit: usize,
) -> Result<(Reserved<SealedDelivery>, ClaimReport), StoreError> {
    let (handoff, claimant) = (&context.handoff, backend.claimant()?);
    let mut claimed = Reserved::none(handoff, 0);
    let lanes_left = reserve_lanes(backend, handoff, &mut claimed, limit)?;
    let due = reserve_due(backend, handoff, &mut claimed, now, limit)?;
    for claimable in &mut claimed.held {
        claimable.delivery.epoch = claimant.epoch;
    }
    let ids: Vec<DeliveryId> = claimed.held.iter().map(|claimable| claimable.delivery.id).collect();
    backend.mark(Mark::Claimed(&claimant.token), &ids)?;
    let claimed = payloads::read(backend, handoff, claimed)?;
    let next_wake = backend.db().find("queue", NEXT_WAKE, params![WAITS])?.map(|row| row.value("wake_at")).transpose()?;
    let count = claimed.held.len();
    let more = due == limit || count >= limit || (lanes_left && count > 0);
    Ok((claimed, ClaimReport { claimed: count, next_wake, more }))
}

/// Reserves rows that wait in lanes with room, about `limit` in all. Whether some of these lanes may not have been looked at.
fn reserve_lanes(
    backend: &dyn Backend,
    handoff: &Arc<HandOff>,
    reserved: &mut Reserved<Claimable>,
    limit: usize,
) -> Result<bool, StoreError> {
    let lanes = handoff.room().take_wanting(LANES_MAX);
    if lanes.is_empty() {
        return Ok(false);
    }
    let LaneSearch { lanes: found, closed, is_cut } = backend.search_lanes(&lanes, limit)?;
    let mut room = handoff.room();
    for lane in &closed {
        room.set_backlog(lane, false);
    }
    for LaneRows { lane, wanted, rows } in found {
        let is_all = rows.len() < wanted;
        let (count, before) = (rows.len(), reserved.held.len());
        reserved.held.extend(rows.into_iter().filter(|row| room.reserve(&lane, row.payload())));
        if is_all && reserved.held.len() == before + count {
            room.set_backlog(&lane, false);
        }
    }
    for (lane, _) in &lanes {
        room.queue(lane);
    }
    Ok(is_cut || lanes.len() == LANES_MAX)
}

/// Reserves retries whose instant has come; the number of rows looked at.
fn reserve_due(
    backend: &dyn Backend,
    handoff: &Arc<HandOff>,
    reserved: &mut Reserved<Claimable>,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let rows = backend.search_due(now, i64::try_from(limit).unwrap_or(i64::MAX))?;
    let found = rows.len();
    let mut room = handoff.room();
    let fits = |row: &Claimable| room.reserve_new(&row.lane(), row.payload());
    let (fitting, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(fits);
    drop(room);
    reserved.held.extend(fitting);
    let left: Vec<DeliveryId> = left.iter().map(|row| row.delivery.id).collect();
    backend.mark(Mark::Parked, &left)?;
    Ok(found)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![NEXT_WAKE.to_owned()]
}
