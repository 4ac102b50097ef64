//! Claiming, lane by lane and row by row.

use bellwire_domain::{Admission, DeliveryId, Gate, Timestamp};

use crate::StoreError;
use crate::queue::backend::Mark;
use crate::queue::claimable::{Claimable, ClaimableColumns, LANE_STEP_MAX, LaneRows, LaneSearch};
use crate::rows::endpoint::GateColumns;
use crate::rows::event::SealedPayload;
use crate::rows::lane::LaneKey;
use crate::sql::{Db, Row, Select, columns, params, select};

columns! {
    /// A lane's number.
    struct LaneNumber of "endpoints" {
        lane: i64 = "p.lane",
    }
}

static LANE: Select<(LaneNumber, GateColumns)> = Select::new("FROM endpoints p WHERE p.account_id = $1 AND p.id = $2");
const JOINS: &str =
    "JOIN events e ON e.place = q.event JOIN endpoints p ON p.lane = q.lane JOIN accounts a ON a.id = p.account_id";
const LANE_ROWS: &str = "WHERE q.lane = $1 AND q.wake_at IS NULL AND q.claim IS NULL ORDER BY q.number LIMIT $2";
const LANE_TESTS: &str =
    "WHERE q.lane = $1 AND q.origin = 'test' AND q.wake_at IS NULL AND q.claim IS NULL ORDER BY q.number LIMIT $2";
const DUE_ROWS: &str = "WHERE q.wake_at <= $1 ORDER BY q.wake_at LIMIT $2";
const PAYLOAD: &str = "FROM events WHERE place = $1";
const CLAIM: &str = "UPDATE queue SET claim = $1, wake_at = NULL WHERE id = $2";
const PARK: &str = "UPDATE queue SET wake_at = NULL WHERE id = $1";
const UNCLAIM: &str = "UPDATE queue SET claim = NULL WHERE id = $1 AND claim = $2";
const SUSPECT: &str = "UPDATE queue SET suspicion = $1 WHERE id = $2 AND claim = $3";

fn rows_where(conditions: &str) -> String {
    select::<ClaimableColumns>(&format!("FROM queue q {JOINS} {conditions}"))
}

pub(super) fn search_lanes(db: Db<'_>, lanes: &[(LaneKey, usize)], limit: usize) -> Result<LaneSearch, StoreError> {
    let mut search = LaneSearch::default();
    let mut left = limit;
    for (lane, room) in lanes {
        let wanted = (*room).min(left).min(LANE_STEP_MAX);
        if wanted == 0 {
            search.is_cut = true;
            break;
        }
        let found = LANE.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
        let open = found.map(|(number, gate)| (number.lane, Gate::from(gate).admission()));
        let (number, conditions) = match open {
            Some((number, Admission::All)) => (number, LANE_ROWS),
            Some((number, Admission::TestsOnly)) => (number, LANE_TESTS),
            Some((_, Admission::Nothing)) | None => {
                search.closed.push(lane.clone());
                continue;
            }
        };
        let limit = i64::try_from(wanted).unwrap_or(i64::MAX);
        let rows = db.query("queue", &rows_where(conditions), params![number, limit])?;
        let rows = rows.iter().map(Claimable::read).collect::<Result<Vec<_>, _>>()?;
        left = left.saturating_sub(rows.len());
        search.lanes.push(LaneRows { lane: lane.clone(), wanted, rows });
    }
    search.is_cut |= left == 0;
    Ok(search)
}

pub(super) fn search_due(db: Db<'_>, now: Timestamp, limit: i64) -> Result<Vec<Claimable>, StoreError> {
    db.query("queue", &rows_where(DUE_ROWS), params![now, limit])?.iter().map(Claimable::read).collect()
}

pub(super) fn mark(db: Db<'_>, mark: Mark<'_>, ids: &[DeliveryId]) -> Result<(), StoreError> {
    let mut statement = db.prepare(match mark {
        Mark::Claimed(_) => CLAIM,
        Mark::Parked => PARK,
        Mark::Unclaimed(_) => UNCLAIM,
        Mark::Suspect(..) => SUSPECT,
    })?;
    for id in ids {
        match mark {
            Mark::Claimed(token) => statement.execute(params![token, *id])?,
            Mark::Parked => statement.execute(params![*id])?,
            Mark::Unclaimed(token) => statement.execute(params![*id, token])?,
            Mark::Suspect(suspicion, token) => statement.execute(params![suspicion, *id, token])?,
        };
    }
    Ok(())
}

pub(super) fn read_payloads(db: Db<'_>, places: &[i64]) -> Result<Vec<Row>, StoreError> {
    let sql = select::<SealedPayload<'_>>(PAYLOAD);
    let mut payloads = Vec::with_capacity(places.len());
    for place in places {
        payloads.extend(db.find("events", &sql, params![*place])?);
    }
    Ok(payloads)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let fixed = [CLAIM, PARK, UNCLAIM, SUSPECT].map(str::to_owned).into_iter();
    let rows = [LANE_ROWS, LANE_TESTS, DUE_ROWS].map(rows_where);
    fixed.chain(rows).chain([LANE.sql(), select::<SealedPayload<'_>>(PAYLOAD)]).collect()
}
