//! Ending what waits for an endpoint that is disabled or gone.

use bellwire_domain::{DeliveryState, Timestamp};

use crate::StoreError;
use crate::rows::account;
use crate::rows::lane::{self, LaneKey};
use crate::sql::{Db, Insert, params};

/// Deliveries that are ended by one statement.
const STEP: i64 = 1_000;

/// Where a step ends: at the id of the first delivery after it, if there is one.
const STEP_END: &str = "SELECT id FROM queue WHERE lane = $1 AND lane > 0 ORDER BY id LIMIT 1 OFFSET $2";
const DELETE: &str = "DELETE FROM queue WHERE lane = $1 AND lane > 0 AND id < $2";

/// Moves live deliveries into the history, without an attempt that ended them: those of `rest`. Its first cells are the account's
/// number, the state, and now.
pub(crate) fn end_without_attempt(rest: &str) -> String {
    let columns = [
        ("id", "id"),
        ("account", "CAST($1 AS BIGINT)"),
        ("lane", "lane"),
        ("number", "number"),
        ("event", "event"),
        ("state", "CAST($2 AS TEXT)"),
        ("attempts", "attempts"),
        ("created_at", "created_at"),
        ("ended_at", "CAST($3 AS BIGINT)"),
        ("origin", "origin"),
    ];
    Insert::copy("deliveries", &columns, rest)
}

fn move_step() -> String {
    end_without_attempt("FROM queue WHERE lane = $4 AND lane > 0 AND id < $5")
}

/// Ends every delivery that waits for an endpoint, held ones too: their outcomes will find no row. Returns how many.
pub(crate) fn cancel_waiting(db: Db<'_>, lane: &LaneKey, now: Timestamp) -> Result<usize, StoreError> {
    let Some(refs) = lane::find(db, lane)? else { return Ok(0) };
    let (move_step, cancelled_as) = (move_step(), DeliveryState::Cancelled.as_str());
    let mut cancelled = 0;
    loop {
        let after = db.find("queue", STEP_END, params![refs.lane, STEP])?.map(|row| row.value("id")).transpose()?;
        let end: i64 = after.unwrap_or(i64::MAX);
        cancelled += db.execute(&move_step, params![refs.account, cancelled_as, now, refs.lane, end])?;
        db.execute(DELETE, params![refs.lane, end])?;
        if after.is_none() {
            account::add_pending(db, &lane.account_id, -i64::try_from(cancelled).unwrap_or(i64::MAX))?;
            return Ok(cancelled);
        }
    }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![STEP_END.to_owned(), DELETE.to_owned(), move_step()]
}
