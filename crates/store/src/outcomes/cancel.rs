//! Ending what waits for an endpoint that is disabled or gone.

use bellwire_domain::{DeliveryState, Timestamp};

use super::DELIVERY_COLUMNS;
use crate::driver::{BulkInsert, Column, Db, Kind, Param, params};
use crate::handoff::LaneKey;
use crate::{StoreError, accounts, lanes};

/// The columns of a delivery that no attempt has ended.
const CANCELLED_COLUMNS: [Column; 10] = {
    let [columns @ .., _, _, _, _, _, _] = DELIVERY_COLUMNS;
    columns
};

pub(super) const SELECT_QUEUED: &str = "SELECT id, number, event, attempts, created_at, origin FROM queue \
     WHERE lane = $1 AND lane > 0 ORDER BY id LIMIT 1000";
pub(super) const DELETE_QUEUED: &str = "DELETE FROM queue WHERE id = $1";
pub(super) const DELETE_QUEUED_SET: &str = "DELETE FROM queue WHERE id = ANY($1)";

/// Ends every delivery that waits for an endpoint, held ones too: their outcomes will find no row. Returns how many.
pub(crate) fn cancel_waiting(
    db: Db<'_>,
    cancelled_deliveries: &BulkInsert,
    lane: &LaneKey,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let Some(refs) = lanes::find(db, lane)? else { return Ok(0) };
    let mut cancelled = 0;
    loop {
        let rows = db.query("queue", SELECT_QUEUED, params![refs.lane])?;
        if rows.is_empty() {
            accounts::add_pending(db, &lane.account_id, -i64::try_from(cancelled).unwrap_or(i64::MAX))?;
            return Ok(cancelled);
        }
        let mut cells: Vec<Param<'_>> = Vec::with_capacity(rows.len() * CANCELLED_COLUMNS.len());
        for row in &rows {
            cells.extend_from_slice(params![
                row.delivery_id(0, "id")?,
                refs.account,
                refs.lane,
                row.int(1, "number")?,
                row.int(2, "event")?,
                DeliveryState::Cancelled.as_str(),
                row.int(3, "attempts")?,
                row.int(4, "created_at")?,
                now,
                row.find_text(5, "origin")?,
            ]);
        }
        cancelled_deliveries.run(db, &cells)?;
        let ids = rows.iter().map(|row| row.delivery_id(0, "id").map(Param::from)).collect::<Result<Vec<_>, _>>()?;
        match db {
            Db::Sqlite(_) => {
                let mut delete = db.prepare(DELETE_QUEUED)?;
                ids.into_iter().try_for_each(|id| delete.execute(&[id]).map(drop))?;
            }
            Db::Postgres(session) => drop(session.execute_set(DELETE_QUEUED_SET, &[(&[Kind::Int], &ids)], &[])?),
        }
        cancelled += rows.len();
    }
}

/// The insert of cancelled deliveries into the history, for other modules that end them.
pub(crate) fn cancelled_insert() -> BulkInsert {
    BulkInsert::new("deliveries", &CANCELLED_COLUMNS)
}
