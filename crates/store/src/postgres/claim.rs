//! Claiming: every lane of a round in one statement. Rows that another node is about to claim are passed over.

use std::collections::HashMap;

use bellwire_domain::{Admission, DeliveryId, Gate, Timestamp};

use crate::StoreError;
use crate::queue::backend::Mark;
use crate::queue::claimable::{Claimable, ClaimableColumns, LANE_STEP_MAX, LaneRows, LaneSearch};
use crate::rows::endpoint::{EndpointName, GateColumns, admits_some};
use crate::rows::event::SealedPayload;
use crate::rows::lane::LaneKey;
use crate::sql::{Db, Kind, Param, Row, Session, columns, params, select};

columns! {
    /// A lane's number.
    struct LaneNumber of "endpoints" {
        lane: i64 = "p.lane",
    }
}

columns! {
    /// A lane that has deliveries waiting.
    struct WaitingLane of "queue" {
        lane: i64 = "w.lane",
    }
}

type KnownLane = (EndpointName, LaneNumber, GateColumns);

const LANES: &str = "FROM UNNEST($1::text[], $2::text[]) t (account_id, id) \
     JOIN endpoints p ON p.account_id = ANY(ARRAY[t.account_id]) AND p.id = ANY(ARRAY[t.id])";
/// For plans that do not depend on how full the tables are: the tests beside this say why.
const JOINS: &str = "JOIN events e ON e.place = ANY(ARRAY[q.event]) JOIN endpoints p ON p.lane = ANY(ARRAY[q.lane]) \
     JOIN accounts a ON a.id = ANY(ARRAY[p.account_id])";
const DUE_ROWS: &str = "FROM (SELECT * FROM queue WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED) q";
const PAYLOADS: &str = "FROM events WHERE place = ANY($1)";
const CLAIM: &str = "UPDATE queue SET claim = $2, wake_at = NULL WHERE id = ANY($1)";
const PARK: &str = "UPDATE queue SET wake_at = NULL WHERE id = ANY($1)";
const UNCLAIM: &str = "UPDATE queue SET claim = NULL WHERE id = ANY($1) AND claim = $2";
const SUSPECT: &str = "UPDATE queue SET suspicion = $2 WHERE id = ANY($1) AND claim = $3";
/// Lanes looked at for backlogs at once.
const LOOK_MAX: usize = 2_000;
/// Lane after lane, each found by one look into the index: a million deliveries may wait in one of them.
const LANES_WAITING: &str = "WITH RECURSIVE waiting AS (\
     (SELECT lane FROM queue WHERE wake_at IS NULL AND claim IS NULL AND lane > $1 ORDER BY lane LIMIT 1) \
     UNION ALL SELECT n.lane FROM waiting l CROSS JOIN LATERAL (SELECT q.lane FROM queue q \
     WHERE q.wake_at IS NULL AND q.claim IS NULL AND q.lane > l.lane ORDER BY q.lane LIMIT 1) n) ";

/// What waits in lanes: anything, or test events alone.
fn lane_rows(condition: &str) -> String {
    let rows = format!(
        "FROM UNNEST($1::bigint[], $2::bigint[]) t (lane, room) CROSS JOIN LATERAL (SELECT * FROM queue WHERE lane = t.lane \
         AND wake_at IS NULL AND claim IS NULL {condition}ORDER BY number LIMIT t.room FOR UPDATE SKIP LOCKED) q"
    );
    select::<ClaimableColumns>(&format!("{rows} {JOINS} ORDER BY q.lane, q.number"))
}

fn all_rows() -> String {
    lane_rows("")
}

fn test_rows() -> String {
    lane_rows("AND origin = 'test' ")
}

fn due_rows() -> String {
    select::<ClaimableColumns>(&format!("{DUE_ROWS} {JOINS} ORDER BY q.wake_at"))
}

fn lanes_waiting() -> String {
    let rows = format!(
        "FROM (SELECT lane FROM waiting LIMIT $2) w LEFT JOIN endpoints p ON p.lane = ANY(ARRAY[w.lane]) AND {} ORDER BY w.lane",
        admits_some()
    );
    format!("{LANES_WAITING}{}", select::<(WaitingLane, Option<EndpointName>)>(&rows))
}

pub(super) fn search_lanes(session: &Session, lanes: &[(LaneKey, usize)], limit: usize) -> Result<LaneSearch, StoreError> {
    let keys = lanes.iter().flat_map(|(lane, _)| [lane.account_id.as_str().into(), lane.endpoint_id.as_str().into()]);
    let keys: Vec<Param<'_>> = keys.collect();
    let mut known: HashMap<LaneKey, (i64, Admission)> = HashMap::with_capacity(lanes.len());
    for row in session.query_set("endpoints", &select::<KnownLane>(LANES), &[(&[Kind::Text; 2], &keys)], &[])? {
        let (name, number, gate): KnownLane = row.read()?;
        known.insert(name.into(), (number.lane, Gate::from(gate).admission()));
    }
    let mut search = LaneSearch::default();
    let mut left = limit;
    let (mut all, mut tests): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
    for (lane, room) in lanes {
        let wanted = (*room).min(left).min(LANE_STEP_MAX);
        let (number, cells) = match known.get(lane) {
            Some((number, Admission::All)) => {
                left -= wanted;
                (*number, &mut all)
            }
            // Hardly any of what waits there is a test event: it must not use up the limit.
            Some((number, Admission::TestsOnly)) => (*number, &mut tests),
            Some((_, Admission::Nothing)) | None => {
                search.closed.push(lane.clone());
                continue;
            }
        };
        if wanted > 0 {
            cells.extend_from_slice(params![number, i64::try_from(wanted).unwrap_or(i64::MAX)]);
            search.lanes.push(LaneRows { lane: lane.clone(), wanted, rows: Vec::new() });
        }
    }
    search.is_cut = left == 0;
    let mut by_lane: HashMap<LaneKey, Vec<Claimable>> = HashMap::new();
    for (sql, cells) in [(all_rows(), all), (test_rows(), tests)] {
        if cells.is_empty() {
            continue;
        }
        for row in session.query_set("queue", &sql, &[(&[Kind::Int; 2], &cells)], &[])? {
            let claimable = Claimable::read(&row)?;
            by_lane.entry(claimable.lane()).or_default().push(claimable);
        }
    }
    for found in &mut search.lanes {
        found.rows = by_lane.remove(&found.lane).unwrap_or_default();
    }
    Ok(search)
}

pub(super) fn search_due(session: &Session, now: Timestamp, limit: i64) -> Result<Vec<Claimable>, StoreError> {
    session.query("queue", &due_rows(), params![now, limit])?.iter().map(Claimable::read).collect()
}

pub(super) fn mark(session: &Session, mark: Mark<'_>, ids: &[DeliveryId]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<Param<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let sets = [(&[Kind::Int][..], &ids[..])];
    match mark {
        Mark::Claimed(token) => session.execute_set(CLAIM, &sets, params![token]),
        Mark::Parked => session.execute_set(PARK, &sets, &[]),
        Mark::Unclaimed(token) => session.execute_set(UNCLAIM, &sets, params![token]),
        Mark::Suspect(suspicion, token) => session.execute_set(SUSPECT, &sets, params![suspicion, token]),
    }
    .map(drop)
}

pub(super) fn read_payloads(session: &Session, places: &[i64]) -> Result<Vec<Row>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<Param<'_>> = places.iter().map(|place| (*place).into()).collect();
    session.query_set("events", &select::<SealedPayload<'_>>(PAYLOADS), &[(&[Kind::Int], &places)], &[])
}

/// Lanes that have deliveries waiting which may be attempted, of some after the number `after`; and after which to look next, if
/// there are more.
pub(super) fn some_lanes_waiting(session: &Session, after: Option<i64>) -> Result<(Vec<LaneKey>, Option<i64>), StoreError> {
    let limit = i64::try_from(LOOK_MAX).unwrap_or(i64::MAX);
    let rows = Db::Postgres(session).query("queue", &lanes_waiting(), params![after.unwrap_or(0), limit])?;
    let (mut open, mut last) = (Vec::with_capacity(rows.len()), None);
    for row in &rows {
        let (waiting, name): (WaitingLane, Option<EndpointName>) = row.read()?;
        open.extend(name.map(LaneKey::from));
        last = Some(waiting.lane);
    }
    Ok((open, last.filter(|_| rows.len() == LOOK_MAX)))
}

/// All lanes that have deliveries waiting which may be attempted.
pub(super) fn all_lanes_waiting(session: &Session) -> Result<Vec<LaneKey>, StoreError> {
    let (mut all, mut after) = some_lanes_waiting(session, None)?;
    while let Some(last) = after {
        let (more, next) = some_lanes_waiting(session, Some(last))?;
        all.extend(more);
        after = next;
    }
    Ok(all)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let fixed = [CLAIM, PARK, UNCLAIM, SUSPECT].map(str::to_owned).into_iter();
    let queries = [select::<KnownLane>(LANES), select::<SealedPayload<'_>>(PAYLOADS), lanes_waiting()];
    fixed.chain(queries).chain([all_rows(), test_rows(), due_rows()]).collect()
}
