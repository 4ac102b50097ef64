//! Recording what came of attempts, row by row.

use bellwire_domain::{AccountId, Decision};
use foldhash::HashMap;

use super::write::Inserts;
use crate::StoreError;
use crate::queue::context::WriteContext;
use crate::queue::health_book::HealthBook;
use crate::queue::incident_book::IncidentBook;
use crate::queue::late;
use crate::queue::order::OrderBook;
use crate::queue::outcome::{Outcome, RecordJob, Recording, SealedOutcome};
use crate::queue::rollup_book::RollupBook;
use crate::rows::{account, operator_notice};
use crate::sql::{ColumnGroup, Db, Param, Prepared, params};

const TAKE: &str = "DELETE FROM queue WHERE id = $1 AND claim = $2 AND attempts = $3";
const RESCHEDULE: &str = "UPDATE queue SET attempts = $1, due_at = $2, wake_at = $3, claim = NULL \
     WHERE id = $4 AND claim = $5 AND attempts = $6";

pub(super) fn record(
    db: Db<'_>,
    context: &WriteContext,
    inserts: &Inserts,
    jobs: &[RecordJob],
) -> Result<Vec<Recording>, StoreError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let (now, claimant) = (context.clock.now(), context.lease.current());
    let all: Vec<SealedOutcome<'_>> = jobs.iter().flat_map(RecordJob::sealed).collect();
    let (mut health, mut incidents) = (HealthBook::default(), IncidentBook::default());
    let mut rollups = RollupBook::new(now, &claimant);
    let mut notices = Vec::new();
    let mut recordings = Vec::with_capacity(all.len());
    let mut left: HashMap<&AccountId, i64> = HashMap::default();
    let (mut earlier, mut ended): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
    let mut disclosed: Vec<Param<'_>> = Vec::new();
    let mut order = OrderBook::default();
    let mut queue = Queue { take: db.prepare(TAKE)?, reschedule: db.prepare(RESCHEDULE)?, token: &claimant.token };
    for sealed in &all {
        sealed.disclose(&mut disclosed);
        if !queue.move_on(sealed.outcome)? {
            let is_stored = late::record_late(db, sealed, now)?;
            if is_stored {
                rollups.count(sealed.outcome, 1);
                notices.extend(sealed.late_notice(context, now));
            }
            recordings.push(if is_stored { Recording::Stored(None) } else { Recording::Lost });
            continue;
        }
        order.observe(sealed.outcome);
        let delivery = &sealed.outcome.delivery;
        match sealed.ended_as() {
            None => sealed.attempt_row().bind(&mut earlier),
            Some(state) => {
                sealed.ended_row(state, now).bind(&mut ended);
                *left.entry(&delivery.account_id).or_default() += 1;
            }
        }
        rollups.count(sealed.outcome, 1);
        notices.extend(sealed.notices(context, now));
        health.load(db, &delivery.lane())?;
        if let Some(has_incidents) = health.has_incidents(sealed.outcome) {
            incidents.observe(sealed.outcome, has_incidents);
        }
        recordings.push(Recording::Stored(health.observe(sealed.outcome)));
    }
    inserts.attempts.run(db, &earlier)?;
    inserts.deliveries.run(db, &ended)?;
    inserts.disclosures.run(db, &disclosed)?;
    rollups.write(db, &inserts.rollups)?;
    incidents.write(db, &*context.clock, &*context.entropy)?;
    for (account_id, count) in left {
        account::add_pending(db, account_id, -count)?;
    }
    order.write(db, now)?;
    notices.extend(health.notices(context, now));
    operator_notice::put(db, &notices)?;
    health.write(db, now)?;
    Ok(recordings)
}

/// The queue's side of recording.
struct Queue<'c> {
    take: Prepared<'c, 'c>,
    reschedule: Prepared<'c, 'c>,
    token: &'c str,
}

impl Queue<'_> {
    /// Moves a delivery on in the queue. `false`: it is not held any more.
    fn move_on(&mut self, outcome: &Outcome) -> Result<bool, StoreError> {
        let (id, attempts) = (outcome.delivery.id, outcome.delivery.attempts);
        let changed = match outcome.decision {
            Decision::Delivered | Decision::Failed { .. } => self.take.execute(params![id, self.token, attempts])?,
            Decision::Retry { due_at } => {
                self.reschedule.execute(params![attempts + 1, due_at, due_at, id, self.token, attempts])?
            }
        };
        Ok(changed > 0)
    }
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let [disclosing, _] = crate::rows::disclosure::Disclosing::new().texts();
    vec![TAKE.to_owned(), RESCHEDULE.to_owned(), disclosing]
}
