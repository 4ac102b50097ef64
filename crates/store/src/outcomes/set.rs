//! Recording on PostgreSQL: one statement for all deliveries of a group that end, one or two for those that go on.
//!
//! The statement that ends deliveries takes them from the queue where they are still held, and writes only those into the history
//! and the accounts' counts; it answers which they were, and the health of their endpoints.

use std::collections::HashSet;

use bellwire_domain::{Decision, Timestamp};

use super::health::{HealthBook, read_endpoint_health};
use super::{DELIVERY_COLUMNS, OutcomeStatements, RecordJob, Recorded, Recording, Sealed, ended_as, push_attempt, push_ended};
use crate::StoreError;
use crate::driver::{Db, Kind, Param, Row, params, unnest};
use crate::handoff::LaneKey;
use crate::postgres::{Bound, Session, Step};
use crate::writer::WriteContext;

const RESCHEDULE: &str = "WITH moved AS (UPDATE queue q SET attempts = t.attempts + 1, due_at = t.due_at, wake_at = t.due_at, \
     claim = NULL FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) t (id, attempts, due_at) \
     WHERE q.id = ANY(ARRAY[t.id]) AND q.claim = $4 AND q.attempts = t.attempts RETURNING q.id, t.attempts, q.lane) ";
/// What was held, and the health of its endpoints, each once.
const HELD: &str = "SELECT NULL::text, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::text, id, attempts \
     FROM moved UNION ALL SELECT p.id, p.health, p.consecutive_failures, p.failing_since, p.unhealthy_since, p.enabled, \
     p.account_id, NULL, NULL FROM (SELECT DISTINCT lane FROM moved) m JOIN endpoints p ON p.lane = ANY(ARRAY[m.lane])";

/// The outcomes that end deliveries: `$1` to `$16` are the history's columns, `$17` the token.
fn end() -> String {
    let names = DELIVERY_COLUMNS.map(|(name, _)| name);
    let rows = unnest(DELIVERY_COLUMNS.iter().map(|(_, kind)| *kind));
    format!(
        "WITH taken AS (DELETE FROM queue q USING {rows} t ({columns}) \
         WHERE q.id = ANY(ARRAY[t.id]) AND q.claim = $17 AND q.attempts = t.attempts - 1 RETURNING t.{own}), \
         ended AS (INSERT INTO deliveries ({columns}) SELECT {columns} FROM taken), \
         moved AS (SELECT id, attempts - 1 AS attempts, account, lane FROM taken), \
         counted AS (UPDATE accounts a SET pending = a.pending - c.found \
         FROM (SELECT account, COUNT(*) AS found FROM moved GROUP BY account) c WHERE a.ref = ANY(ARRAY[c.account])) {HELD}",
        columns = names.join(", "),
        own = names.join(", t."),
    )
}

/// Stores all outcomes of a group, whose accounts are locked already, and takes the `reads` that follow it on the same way: what
/// they answer.
pub(crate) fn record(
    session: &Session,
    context: &WriteContext,
    statements: &OutcomeStatements,
    jobs: &[RecordJob],
    reads: &[Bound<'_>],
) -> Result<(Recorded, Vec<Vec<Row>>), StoreError> {
    let (db, now) = (Db::Postgres(session), context.clock.now());
    let claimant = context.lease.current();
    let all: Vec<Sealed<'_>> = jobs.iter().flat_map(RecordJob::sealed).collect();
    // What was held under an earlier token may be held anew, and is another's outcome then.
    let is_own = |sealed: &&Sealed<'_>| sealed.outcome.delivery.epoch == claimant.epoch;
    let moves = moves(session, &claimant.token, all.iter().filter(is_own), now)?;
    let mut answers = session.pipeline(moves.iter().chain(reads).map(Step::Run))?;
    let mut read = answers.split_off(moves.len());
    let mut held = Held::default();
    answers.iter().try_for_each(|rows| held.keep(rows))?;
    let mut results = Vec::with_capacity(all.len());
    let mut earlier: Vec<Param<'_>> = Vec::new();
    for sealed in &all {
        if !(is_own(&sealed) && held.keys.remove(&key(sealed))) {
            results.push(Recording::Lost);
            continue;
        }
        if ended_as(&sealed.outcome.decision).is_none() {
            push_attempt(&mut earlier, sealed);
        }
        results.push(Recording::Stored(held.health.observe(db, sealed.outcome)?));
    }
    statements.earlier_attempts.run(db, &earlier)?;
    if held.health.write(db, now, statements)? && !reads.is_empty() {
        read = session.pipeline(reads.iter().map(Step::Run))?;
    }
    Ok((Recorded { results }, read))
}

/// The statements that move deliveries on in the queue.
fn moves<'s>(
    session: &Session,
    token: &'s str,
    outcomes: impl Iterator<Item = &'s Sealed<'s>>,
    now: Timestamp,
) -> Result<Vec<Bound<'s>>, StoreError> {
    let (mut ended, mut again): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
    let mut offered = HashSet::new();
    for sealed in outcomes {
        if !offered.insert(key(sealed)) {
            continue; // held twice, and the first outcome counts
        }
        match (ended_as(&sealed.outcome.decision), &sealed.outcome.decision) {
            (Some(state), _) => push_ended(&mut ended, sealed, state, now),
            (None, Decision::Retry { due_at }) => {
                again.extend_from_slice(params![
                    sealed.outcome.delivery.id,
                    i64::from(sealed.outcome.delivery.attempts),
                    *due_at
                ]);
            }
            (None, _) => {}
        }
    }
    let mut moves = Vec::with_capacity(2);
    if !ended.is_empty() {
        let kinds = DELIVERY_COLUMNS.map(|(_, kind)| kind);
        moves.push(session.bind("queue", &end(), &[(&kinds, &ended)], params![token])?);
    }
    if !again.is_empty() {
        let sql = format!("{RESCHEDULE}{HELD}");
        moves.push(session.bind("queue", &sql, &[(&[Kind::Int; 3], &again)], params![token])?);
    }
    Ok(moves)
}

/// A delivery, and the attempts before the one that is recorded.
fn key(sealed: &Sealed<'_>) -> (i64, i64) {
    (sealed.outcome.delivery.id.number(), i64::from(sealed.outcome.delivery.attempts))
}

/// The deliveries of a group that were held, and the health of their endpoints.
#[derive(Default)]
struct Held {
    keys: HashSet<(i64, i64)>,
    health: HealthBook,
}

impl Held {
    fn keep(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            if let Some(id) = row.find_int(7, "id")? {
                self.keys.insert((id, row.int(8, "attempts")?));
            } else {
                let lane = LaneKey { account_id: row.parsed(6, "account_id")?, endpoint_id: row.parsed(0, "id")? };
                self.health.endpoints.insert(lane, Some(read_endpoint_health(row)?));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) fn statements() -> [String; 2] {
    [end(), format!("{RESCHEDULE}{HELD}")]
}
