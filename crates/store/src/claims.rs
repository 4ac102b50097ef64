//! Claiming work from the store: what did not fit the hand-off, and what has become due again.
//!
//! A claim round first fills lanes that have a backlog and room, in the order of their numbers, then takes retries whose
//! instant has come. A retry whose lane is full joins that lane's backlog, so that the same rows are not looked at again on
//! every round. Everything runs on the writer, so that reservations and claims see each other in order.

mod payloads;
mod set;

use std::sync::Arc;

use bellwire_domain::{DeliveryId, Timestamp};

use crate::deliveries::read_lane;
use crate::driver::{Db, Param, Row, params};
use crate::handoff::{ClaimedDelivery, ClaimedEvent, HandOff, LaneKey, Reservations};
use crate::lanes::place_seq;
use crate::lease::{Claimant, Lease};
use crate::postgres::fence;
use crate::{Origin, StoreError, lanes};

pub(crate) use payloads::ReservedRow;

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

/// A row that may be claimed, its payload not read yet.
struct ClaimableRow {
    delivery: ClaimedDelivery,
    data_key_sealed: Vec<u8>,
}

const COLUMNS: &str = "SELECT q.id, p.account_id, p.id, q.number, q.attempts, q.created_at, q.event, \
     e.id, e.type, e.occurred_at, e.is_test, e.payload_length, p.version, a.data_key_sealed, q.origin, \
     a.ref, q.lane ";
const JOINS: &str = "JOIN events e ON e.place = q.event \
     JOIN endpoints p ON p.lane = q.lane \
     JOIN accounts a ON a.id = p.account_id ";

const LANE_ROWS: &str = "WHERE q.lane = $1 AND q.wake_at IS NULL AND q.claim IS NULL ORDER BY q.number LIMIT $2";
const DUE_ROWS: &str = "WHERE q.wake_at <= $1 ORDER BY q.wake_at LIMIT $2";
const LANE_OPEN: &str = "SELECT lane, health FROM endpoints WHERE account_id = $1 AND id = $2 AND enabled = 1";
const CLAIM: &str = "UPDATE queue SET claim = $1, wake_at = NULL WHERE id = $2";
const PARK: &str = "UPDATE queue SET wake_at = NULL WHERE id = $1";
const UNCLAIM: &str = "UPDATE queue SET claim = NULL WHERE id = $1 AND claim = $2";
const NEXT_WAKE: &str = "SELECT wake_at FROM queue WHERE wake_at IS NOT NULL ORDER BY wake_at LIMIT 1";
const RECOVER: &str = "UPDATE queue SET claim = NULL WHERE claim IS NOT NULL AND claim <> $1";
/// One look into the index per endpoint, not one per delivery: a million may wait.
const LANES_WAITING: &str = "SELECT p.account_id, p.id FROM endpoints p WHERE EXISTS (SELECT 1 FROM queue q \
     WHERE q.lane = p.lane AND q.wake_at IS NULL AND q.claim IS NULL)";

/// The rows of the queue that may be claimed, with all that an attempt needs.
fn rows_where(conditions: &str) -> String {
    format!("{COLUMNS}FROM queue q {JOINS}{conditions}")
}

/// Lanes looked at in one round.
const LANES_MAX: usize = 256;
/// Deliveries claimed for one lane in one round: the lanes behind it wait no longer than that.
const LANE_STEP_MAX: usize = 256;

/// One claim round.
pub(crate) fn claim(
    db: Db<'_>,
    handoff: &Arc<HandOff>,
    lease: &Lease,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<ReservedRow>, ClaimReport), StoreError> {
    let claimant = fence(db, lease)?;
    let (mut claimed, lanes_left) = reserve_lanes(db, handoff, limit)?;
    let (due, found) = reserve_due(db, handoff, now, limit)?;
    claimed.extend(due);
    mark_claimed(db, &claimant, &mut claimed)?;
    payloads::read(db, handoff, &mut claimed)?;
    let next_wake = db.find("queue", NEXT_WAKE, params![])?.map(|row| row.time(0, "wake_at")).transpose()?;
    let more = found == limit || claimed.len() >= limit || (lanes_left && !claimed.is_empty());
    let report = ClaimReport { claimed: claimed.len(), next_wake, more };
    Ok((claimed, report))
}

/// Reserves rows that wait in lanes with room, `limit` at most, and says whether some of these lanes may not have been looked at.
fn reserve_lanes(db: Db<'_>, handoff: &Arc<HandOff>, limit: usize) -> Result<(Vec<ReservedRow>, bool), StoreError> {
    let lanes = handoff.reserve().take_wanting(LANES_MAX);
    let (reserved, left) = match db {
        Db::Postgres(session) => set::reserve_lanes(session, handoff, &lanes, limit)?,
        Db::Sqlite(_) => {
            let mut reserved = Vec::new();
            for (lane, room) in &lanes {
                let room = (*room).min(limit.saturating_sub(reserved.len())).min(LANE_STEP_MAX);
                if room > 0 {
                    reserved.extend(reserve_lane(db, handoff, lane, room)?);
                }
            }
            let left = reserved.len() >= limit;
            (reserved, left)
        }
    };
    for (lane, _) in &lanes {
        handoff.reserve().queue(lane);
    }
    Ok((reserved, left || lanes.len() == LANES_MAX))
}

fn reserve_lane(db: Db<'_>, handoff: &Arc<HandOff>, lane: &LaneKey, room: usize) -> Result<Vec<ReservedRow>, StoreError> {
    let (account_id, endpoint_id) = (lane.account_id.as_str(), lane.endpoint_id.as_str());
    let open = match db.find("endpoints", LANE_OPEN, params![account_id, endpoint_id])? {
        Some(row) if row.word(1, "health", bellwire_domain::HealthStatus::parse)?.allows_attempts() => Some(row.int(0, "lane")?),
        _ => None,
    };
    let Some(number) = open else {
        handoff.reserve().set_backlog(lane, false); // resuming or enabling the endpoint marks it again
        return Ok(Vec::new());
    };
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    let rows = db.query("queue", &rows_where(LANE_ROWS), params![number, limit])?;
    let rows = rows.iter().map(read_claimable).collect::<Result<Vec<_>, _>>()?;
    Ok(keep_lane(handoff, lane, rows, room))
}

/// Reserves what fits of a lane's rows, of which at most `room` were looked for.
fn keep_lane(handoff: &Arc<HandOff>, lane: &LaneKey, rows: Vec<ClaimableRow>, room: usize) -> Vec<ReservedRow> {
    let found = rows.len();
    let (reserved, _) = reserve(handoff, rows, |room, row| room.for_claim(lane, row.delivery.payload()));
    if reserved.len() == found && found < room {
        handoff.reserve().set_backlog(lane, false);
    }
    reserved
}

/// Reserves retries whose instant has come, and the number of rows looked at.
fn reserve_due(
    db: Db<'_>,
    handoff: &Arc<HandOff>,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<ReservedRow>, usize), StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = match db {
        Db::Sqlite(_) => db.query("queue", &rows_where(DUE_ROWS), params![now, limit])?,
        Db::Postgres(session) => set::find_due(session, now, limit)?,
    };
    let rows = rows.iter().map(read_claimable).collect::<Result<Vec<_>, _>>()?;
    let found = rows.len();
    let (reserved, left) = reserve(handoff, rows, |room, row| room.for_new(&row.delivery.lane(), row.delivery.payload()));
    match db {
        Db::Sqlite(_) => {
            let mut park = db.prepare(PARK)?;
            for row in left {
                park.execute(params![row.delivery.id])?;
            }
        }
        Db::Postgres(session) => {
            let ids: Vec<Param<'_>> = left.iter().map(|row| row.delivery.id.into()).collect();
            set::park(session, &ids)?;
        }
    }
    Ok((reserved, found))
}

/// Splits rows into those for which `fits` reserves room and the others.
fn reserve(
    handoff: &Arc<HandOff>,
    rows: Vec<ClaimableRow>,
    fits: impl Fn(&mut Reservations<'_>, &ClaimableRow) -> bool,
) -> (Vec<ReservedRow>, Vec<ClaimableRow>) {
    let mut room = handoff.reserve();
    let (mut reserved, mut left) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        if fits(&mut room, &row) {
            reserved.push(ReservedRow::new(row, handoff));
        } else {
            left.push(row);
        }
    }
    (reserved, left)
}

fn mark_claimed(db: Db<'_>, claimant: &Claimant, rows: &mut [ReservedRow]) -> Result<(), StoreError> {
    let mut ids: Vec<Param<'_>> = Vec::with_capacity(rows.len());
    for delivery in rows.iter_mut().filter_map(ReservedRow::delivery) {
        delivery.epoch = claimant.epoch;
        ids.push(delivery.id.into());
    }
    match db {
        Db::Sqlite(_) => {
            let mut claim = db.prepare(CLAIM)?;
            ids.into_iter().try_for_each(|id| claim.execute(&[claimant.token.as_str().into(), id]).map(drop))
        }
        Db::Postgres(session) => set::claim(session, &claimant.token, &ids),
    }
}

fn read_claimable(row: &Row) -> Result<ClaimableRow, StoreError> {
    let event = ClaimedEvent {
        id: row.parsed(7, "event id")?,
        event_type: row.word(8, "type", |text| bellwire_domain::EventType::try_new(text).ok())?,
        occurred_at: row.time(9, "occurred_at")?,
        seq: place_seq(row.int(6, "event")?),
        is_test: row.boolean(10, "is_test")?,
        size: row.narrow(11, "payload_length")?,
        data: None,
    };
    let delivery = ClaimedDelivery {
        id: row.delivery_id(0, "id")?,
        account_id: row.parsed(1, "account_id")?,
        endpoint_id: row.parsed(2, "endpoint_id")?,
        endpoint_version: row.int(12, "version")?,
        number: row.int(3, "number")?,
        attempts: row.narrow(4, "attempts")?,
        created_at: row.time(5, "created_at")?,
        origin: Origin::read(row, 14)?,
        refs: lanes::read(row, 15)?,
        epoch: 0, // until it is marked as claimed
        event: Arc::new(event),
    };
    Ok(ClaimableRow { delivery, data_key_sealed: row.bytes(13, "data_key_sealed")?.to_vec() })
}

/// Puts held deliveries back, unattempted, to wait in their lanes.
pub(crate) fn unclaim(db: Db<'_>, claim_token: &str, ids: &[DeliveryId]) -> Result<(), StoreError> {
    if let Db::Postgres(session) = db {
        let ids: Vec<Param<'_>> = ids.iter().map(|id| (*id).into()).collect();
        return set::unclaim(session, claim_token, &ids);
    }
    let mut unclaim = db.prepare(UNCLAIM)?;
    for id in ids {
        unclaim.execute(params![*id, claim_token])?;
    }
    Ok(())
}

/// Takes over what a dead process held; returns the lanes that have deliveries waiting.
pub(crate) fn recover(db: Db<'_>, claim_token: &str) -> Result<Vec<LaneKey>, StoreError> {
    let recovered = db.execute(RECOVER, params![claim_token])?;
    if recovered > 0 {
        tracing::info!(deliveries = recovered, "took over deliveries that a stopped process had held");
    }
    lanes_waiting(db)
}

/// The lanes that have deliveries waiting.
pub(crate) fn lanes_waiting(db: Db<'_>) -> Result<Vec<LaneKey>, StoreError> {
    if let Db::Postgres(session) = db {
        return set::lanes_waiting(session);
    }
    db.query("queue", LANES_WAITING, params![])?.iter().map(read_lane).collect()
}

pub(crate) use set::some_lanes_waiting;

#[cfg(test)]
pub(crate) use set::set_statements;

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let mut all: Vec<String> =
        [LANE_OPEN, CLAIM, PARK, UNCLAIM, NEXT_WAKE, RECOVER, LANES_WAITING, payloads::PAYLOAD].map(str::to_owned).into();
    all.extend([LANE_ROWS, DUE_ROWS].map(rows_where));
    all
}
