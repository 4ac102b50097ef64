//! Claiming on PostgreSQL: every lane of a round in one statement, and rows that another node is about to claim passed over.

use std::collections::HashMap;
use std::sync::Arc;

use bellwire_domain::Timestamp;

use super::{COLUMNS, ClaimableRow, LANE_STEP_MAX, ReservedRow, keep_lane, read_claimable};
use crate::StoreError;
use crate::deliveries::read_lane;
use crate::driver::{Db, Kind, Param, Row, params};
use crate::handoff::{HandOff, LaneKey};
use crate::postgres::Session;

const OPEN_LANES: &str = "SELECT p.account_id, p.id, p.lane FROM UNNEST($1::text[], $2::text[]) t (account_id, id) \
     JOIN endpoints p ON p.account_id = ANY(ARRAY[t.account_id]) AND p.id = ANY(ARRAY[t.id]) \
     WHERE p.enabled = 1 AND p.health IN ('active', 'unhealthy')";
const LANES_FROM: &str = "FROM UNNEST($1::bigint[], $2::bigint[]) t (lane, room) \
     CROSS JOIN LATERAL (SELECT * FROM queue WHERE lane = t.lane AND wake_at IS NULL AND claim IS NULL \
     ORDER BY number LIMIT t.room FOR UPDATE SKIP LOCKED) q ";
/// As in `super`, for plans that do not depend on how full the tables are (see `postgres::plans`).
const JOINS: &str = "JOIN events e ON e.place = ANY(ARRAY[q.event]) JOIN endpoints p ON p.lane = ANY(ARRAY[q.lane]) \
     JOIN accounts a ON a.id = ANY(ARRAY[p.account_id]) ";
const DUE_ROWS: &str = "FROM (SELECT * FROM queue WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED) q ";
const CLAIM: &str = "UPDATE queue SET claim = $2, wake_at = NULL WHERE id = ANY($1)";
const PAYLOADS: &str = "SELECT place, payload_sealed FROM events WHERE place = ANY($1)";
const PARK: &str = "UPDATE queue SET wake_at = NULL WHERE id = ANY($1)";
const UNCLAIM: &str = "UPDATE queue SET claim = NULL WHERE id = ANY($1) AND claim = $2";
/// Lanes looked at for backlogs at once.
const LOOK_MAX: usize = 2_000;
/// Lane after lane, each found by one look into the index: a million deliveries may wait in one of them.
const LANES_WAITING: &str = "WITH RECURSIVE waiting AS (\
     (SELECT lane FROM queue WHERE wake_at IS NULL AND claim IS NULL AND lane > $1 ORDER BY lane LIMIT 1) \
     UNION ALL SELECT n.lane FROM waiting l CROSS JOIN LATERAL (SELECT q.lane FROM queue q \
     WHERE q.wake_at IS NULL AND q.claim IS NULL AND q.lane > l.lane ORDER BY q.lane LIMIT 1) n) \
     SELECT p.account_id, p.id, l.lane, CASE WHEN p.enabled = 1 AND p.health IN ('active', 'unhealthy') THEN 1 ELSE 0 END \
     FROM (SELECT lane FROM waiting LIMIT $2) l LEFT JOIN endpoints p ON p.lane = ANY(ARRAY[l.lane]) ORDER BY l.lane";

fn lane_rows() -> String {
    format!("{COLUMNS}{LANES_FROM}{JOINS}ORDER BY q.lane, q.number")
}

fn due_rows() -> String {
    format!("{COLUMNS}{DUE_ROWS}{JOINS}ORDER BY q.wake_at")
}

/// Reserves rows of these lanes, `limit` at most, and says whether some lanes were not looked at for it.
pub(super) fn reserve_lanes(
    session: &Session,
    handoff: &Arc<HandOff>,
    lanes: &[(LaneKey, usize)],
    limit: usize,
) -> Result<(Vec<ReservedRow>, bool), StoreError> {
    if lanes.is_empty() {
        return Ok((Vec::new(), false));
    }
    let keys = lanes.iter().flat_map(|(lane, _)| [lane.account_id.as_str().into(), lane.endpoint_id.as_str().into()]);
    let keys: Vec<Param<'_>> = keys.collect();
    let open = session.query_set("endpoints", OPEN_LANES, &[(&[Kind::Text; 2], &keys)], &[])?;
    let open =
        open.iter().map(|row| Ok((read_lane(row)?, row.int(2, "lane")?))).collect::<Result<HashMap<_, _>, StoreError>>()?;
    let mut left = limit;
    let mut wanted: Vec<(&LaneKey, i64, usize)> = Vec::with_capacity(lanes.len());
    for (lane, room) in lanes {
        let Some(number) = open.get(lane) else {
            handoff.reserve().set_backlog(lane, false); // resuming or enabling the endpoint marks it again
            continue;
        };
        let room = (*room).min(left).min(LANE_STEP_MAX);
        left -= room;
        if room > 0 {
            wanted.push((lane, *number, room));
        }
    }
    let mut cells: Vec<Param<'_>> = Vec::with_capacity(wanted.len() * 2);
    for (_, number, room) in &wanted {
        let room = i64::try_from(*room).unwrap_or(i64::MAX);
        cells.extend_from_slice(params![*number, room]);
    }
    let rows = session.query_set("queue", &lane_rows(), &[(&[Kind::Int; 2], &cells)], &[])?;
    let mut by_lane: HashMap<LaneKey, Vec<ClaimableRow>> = HashMap::new();
    for row in &rows {
        let row = read_claimable(row)?;
        by_lane.entry(row.delivery.lane()).or_default().push(row);
    }
    let mut reserved = Vec::with_capacity(rows.len());
    for (lane, _, room) in wanted {
        reserved.extend(keep_lane(handoff, lane, by_lane.remove(lane).unwrap_or_default(), room));
    }
    Ok((reserved, left == 0))
}

/// Retries whose instant has come.
pub(super) fn find_due(session: &Session, now: Timestamp, limit: i64) -> Result<Vec<Row>, StoreError> {
    session.query("queue", &due_rows(), params![now, limit])
}

/// Marks rows as claimed.
pub(super) fn claim(session: &Session, token: &str, rows: &[Param<'_>]) -> Result<(), StoreError> {
    change(session, CLAIM, rows, params![token])
}

/// The sealed payloads of the events at these places.
pub(super) fn read_payloads(session: &Session, places: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
    if places.is_empty() { Ok(Vec::new()) } else { session.query_set("events", PAYLOADS, &[(&[Kind::Int], places)], &[]) }
}

/// Lets due retries wait in their lanes.
pub(super) fn park(session: &Session, rows: &[Param<'_>]) -> Result<(), StoreError> {
    change(session, PARK, rows, &[])
}

pub(super) fn unclaim(session: &Session, token: &str, rows: &[Param<'_>]) -> Result<(), StoreError> {
    change(session, UNCLAIM, rows, params![token])
}

fn change(session: &Session, sql: &str, rows: &[Param<'_>], rest: &[Param<'_>]) -> Result<(), StoreError> {
    if rows.is_empty() { Ok(()) } else { session.execute_set(sql, &[(&[Kind::Int], rows)], rest).map(drop) }
}

/// Open lanes that have deliveries waiting, of so many after the number `after`; and after which to look next, if there are more.
pub(crate) fn some_lanes_waiting(session: &Session, after: Option<i64>) -> Result<(Vec<LaneKey>, Option<i64>), StoreError> {
    let limit = i64::try_from(LOOK_MAX).unwrap_or(i64::MAX);
    let rows = Db::Postgres(session).query("queue", LANES_WAITING, params![after.unwrap_or(0), limit])?;
    let mut open = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.boolean(3, "open")? {
            open.push(read_lane(row)?);
        }
    }
    let next = rows.last().filter(|_| rows.len() == LOOK_MAX).map(|row| row.int(2, "lane")).transpose()?;
    Ok((open, next))
}

/// All open lanes that have deliveries waiting.
pub(super) fn lanes_waiting(session: &Session) -> Result<Vec<LaneKey>, StoreError> {
    let (mut all, mut after) = some_lanes_waiting(session, None)?;
    while let Some(last) = after {
        let (more, next) = some_lanes_waiting(session, Some(last))?;
        all.extend(more);
        after = next;
    }
    Ok(all)
}

#[cfg(test)]
pub(crate) fn set_statements() -> Vec<String> {
    let mut all: Vec<String> = [OPEN_LANES, CLAIM, PAYLOADS, PARK, UNCLAIM, LANES_WAITING].map(str::to_owned).into();
    all.extend([lane_rows(), due_rows()]);
    all
}
