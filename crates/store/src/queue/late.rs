//! Outcomes of deliveries that were cancelled while their request was in flight.
//!
//! Disabling or deleting an endpoint ends what waits for it, and what is in flight as well. Its receiver may get that request
//! nevertheless, and the record has to say so. The attempt is written beside the delivery's end, unless one is there already; and
//! a delivery that did arrive is delivered.

use bellwire_domain::{DeliveryState, Timestamp};

use super::outcome::SealedOutcome;
use crate::StoreError;
use crate::rows::attempt::AttemptResult;
use crate::sql::{ColumnGroup, Db, Param, params};

/// The result's columns first, then what else is set, then what has to be found.
fn update() -> String {
    let mut columns = Vec::new();
    AttemptResult::columns(&mut columns);
    let set: Vec<String> = columns.iter().enumerate().map(|(index, (name, _))| format!("{name} = ${}", index + 1)).collect();
    let next = |offset: usize| columns.len() + offset;
    format!(
        "UPDATE deliveries SET {set}, attempts = attempts + 1, ended_at = ${ended_at}, state = ${state} \
         WHERE id = ${id} AND attempts = ${attempts} AND state = ${cancelled} AND outcome IS NULL",
        set = set.join(", "),
        ended_at = next(1),
        state = next(2),
        id = next(3),
        attempts = next(4),
        cancelled = next(5),
    )
}

/// Records the outcome of a delivery that is not held any more. `false`: it was not cancelled, and the outcome is lost.
pub(crate) fn record_late(db: Db<'_>, sealed: &SealedOutcome<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let cancelled = DeliveryState::Cancelled.as_str();
    let state = match sealed.ended_as() {
        Some(DeliveryState::Delivered) => DeliveryState::Delivered.as_str(),
        _ => cancelled,
    };
    let delivery = &sealed.outcome.delivery;
    let mut cells: Vec<Param<'_>> = Vec::new();
    sealed.result().bind(&mut cells);
    cells.extend_from_slice(params![now, state, delivery.id, delivery.attempts, cancelled]);
    let is_recorded = db.execute(&update(), &cells)? > 0;
    if is_recorded {
        db.execute(DROP_ANSWER, params![delivery.id])?;
    }
    Ok(is_recorded)
}

/// What was answered goes with the event's data, if that has gone meanwhile.
const DROP_ANSWER: &str = "UPDATE deliveries SET response_sealed = NULL WHERE id = $1 AND response_sealed IS NOT NULL \
     AND EXISTS (SELECT 1 FROM events e WHERE e.place = deliveries.event AND e.payload_length < 0)";

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![update(), DROP_ANSWER.to_owned()]
}
