//! The queue's and the endpoints' side of recording on PostgreSQL: one statement each for a whole group.

use std::collections::HashSet;

use bellwire_domain::Decision;

use super::{HealthBook, Outcome, Sealed, read_endpoint_health};
use crate::StoreError;
use crate::driver::{Kind, Param, params};
use crate::handoff::LaneKey;
use crate::postgres::Session;

const TAKE: &str = "DELETE FROM queue q USING UNNEST($1::bigint[], $2::bigint[]) t (id, attempts) \
     WHERE q.id = t.id AND q.claim = $3 AND q.attempts = t.attempts RETURNING q.id, q.attempts";
const RESCHEDULE: &str = "UPDATE queue q SET attempts = t.attempts + 1, due_at = t.due_at, wake_at = t.due_at, claim = NULL \
     FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) t (id, attempts, due_at) \
     WHERE q.id = t.id AND q.claim = $4 AND q.attempts = t.attempts RETURNING q.id, q.attempts - 1";
const SELECT_HEALTH: &str = "SELECT p.id, p.health, p.consecutive_failures, p.failing_since, p.unhealthy_since, p.enabled, \
     p.account_id FROM UNNEST($1::text[], $2::text[]) t (account_id, id) \
     JOIN endpoints p ON p.account_id = t.account_id AND p.id = t.id";

/// Moves deliveries on in the queue; those that were held, each with the attempts before.
pub(super) fn apply(session: &Session, token: &str, outcomes: &[&Outcome]) -> Result<HashSet<(i64, i64)>, StoreError> {
    let (mut ended, mut again): (Vec<Param<'_>>, Vec<Param<'_>>) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        let (id, attempts) = (outcome.delivery.id, i64::from(outcome.delivery.attempts));
        match outcome.decision {
            Decision::Delivered | Decision::Failed { .. } => ended.extend_from_slice(params![id, attempts]),
            Decision::Retry { due_at } => again.extend_from_slice(params![id, attempts, due_at]),
        }
    }
    let mut rows = Vec::new();
    if !ended.is_empty() {
        rows.extend(session.query_set("queue", TAKE, (&[Kind::Int; 2], &ended), params![token])?);
    }
    if !again.is_empty() {
        rows.extend(session.query_set("queue", RESCHEDULE, (&[Kind::Int; 3], &again), params![token])?);
    }
    rows.iter().map(|row| Ok((row.int(0, "id")?, row.int(1, "attempts")?))).collect()
}

impl HealthBook {
    /// Reads the health of every endpoint that has an outcome.
    pub(super) fn load_set(&mut self, session: &Session, all: &[Sealed<'_>]) -> Result<(), StoreError> {
        let lanes: HashSet<LaneKey> = all.iter().map(|sealed| sealed.outcome.delivery.lane()).collect();
        let keys: Vec<Param<'_>> =
            lanes.iter().flat_map(|lane| [lane.account_id.as_str().into(), lane.endpoint_id.as_str().into()]).collect();
        let rows = session.query_set("endpoints", SELECT_HEALTH, (&[Kind::Text; 2], &keys), &[])?;
        for row in &rows {
            let lane = LaneKey { account_id: row.parsed(6, "account_id")?, endpoint_id: row.parsed(0, "id")? };
            self.endpoints.insert(lane, Some(read_endpoint_health(row)?));
        }
        for lane in lanes {
            self.endpoints.entry(lane).or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) const SET_STATEMENTS: [&str; 3] = [TAKE, RESCHEDULE, SELECT_HEALTH];
