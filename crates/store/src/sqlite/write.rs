//! Writing a plan, row by row.

use crate::StoreError;
use crate::queue::plan::Plan;
use crate::queue::rollup_book;
use crate::rows::attempt::AttemptRow;
use crate::rows::delivery::EndedRow;
use crate::rows::disclosure::Disclosing;
use crate::rows::endpoint::UPDATE_NUMBER;
use crate::rows::event::EventRow;
use crate::rows::operator_notice;
use crate::rows::queued::QueuedRow;
use crate::rows::subject::SubjectRow;
use crate::sql::{Db, Insert, params};

const UPDATE_COUNTERS: &str = "UPDATE accounts SET last_seq = $1, pending = $2 WHERE ref = $3";

/// The hot INSERTs, made once.
pub(crate) struct Inserts {
    events: Insert,
    subjects: Insert,
    queue: Insert,
    pub(super) deliveries: Insert,
    pub(super) attempts: Insert,
    pub(super) rollups: Insert,
    pub(super) disclosures: Disclosing,
}

impl Inserts {
    pub(crate) fn new() -> Self {
        Self {
            events: Insert::of::<EventRow<'_>>(),
            subjects: Insert::of::<SubjectRow<'_>>(),
            queue: Insert::of::<QueuedRow<'_>>(),
            deliveries: Insert::of::<EndedRow<'_>>(),
            attempts: Insert::of::<AttemptRow<'_>>(),
            rollups: rollup_book::counting(),
            disclosures: Disclosing::new(),
        }
    }
}

pub(super) fn write(db: Db<'_>, inserts: &Inserts, plan: &Plan<'_>) -> Result<(), StoreError> {
    inserts.events.run(db, &plan.event_cells())?;
    inserts.queue.run(db, &plan.queue_cells())?;
    for (account, log) in plan.changed_accounts() {
        db.execute(UPDATE_COUNTERS, params![log.last_seq, log.pending, account])?;
    }
    for (_, account_id, endpoint) in plan.changed_endpoints() {
        db.execute(UPDATE_NUMBER, params![endpoint.last_number, account_id.as_str(), endpoint.id.as_str()])?;
    }
    operator_notice::put(db, plan.notices())?;
    inserts.subjects.run(db, &plan.subject_cells())
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![UPDATE_COUNTERS.to_owned()]
}
