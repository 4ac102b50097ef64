//! The health of the endpoints of a group: read once, changed by each outcome, written once.

use bellwire_domain::health::FailedThen;
use bellwire_domain::{Decision, Health, HealthStatus, Timestamp};
use foldhash::HashMap;

use super::{HealthChange, Outcome, OutcomeStatements, cancel_waiting};
use crate::StoreError;
use crate::driver::{Db, Row, params};
use crate::handoff::LaneKey;

pub(super) const SELECT_HEALTH: &str = "SELECT id, health, consecutive_failures, failing_since, unhealthy_since, enabled \
     FROM endpoints WHERE account_id = $1 AND id = $2";
pub(super) const UPDATE_HEALTH: &str = "UPDATE endpoints SET health = $1, consecutive_failures = $2, failing_since = $3, \
     unhealthy_since = $4, enabled = $5, version = version + $6 WHERE account_id = $7 AND id = $8";

/// An endpoint's, as it was and as it is.
pub(super) struct EndpointHealth {
    before: Health,
    now: Health,
    was_enabled: bool,
    /// Set when the endpoint is to be disabled and its waiting deliveries cancelled.
    disable: bool,
}

/// The health of the endpoints of a group, read once and written once.
#[derive(Default)]
pub(super) struct HealthBook {
    pub(super) endpoints: HashMap<LaneKey, Option<EndpointHealth>>,
}

impl HealthBook {
    /// Changes it by an outcome.
    pub(super) fn observe(&mut self, db: Db<'_>, outcome: &Outcome) -> Result<Option<HealthChange>, StoreError> {
        let lane = outcome.delivery.lane();
        if !self.endpoints.contains_key(&lane) {
            let row = db.find("endpoints", SELECT_HEALTH, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
            let read = row.map(|row| read_endpoint_health(&row)).transpose()?;
            self.endpoints.insert(lane.clone(), read);
        }
        let Some(Some(endpoint)) = self.endpoints.get_mut(&lane) else { return Ok(None) };
        let policy = &outcome.health;
        let success = outcome.decision == Decision::Delivered;
        let ended_at = outcome.started_at.plus(outcome.duration);
        let from = endpoint.now.status;
        endpoint.now = endpoint.now.observe(policy, success, ended_at);
        let to = endpoint.now.status;
        let failed_now = from != to && to == HealthStatus::Failed;
        let disables = policy.failed.is_some_and(|(_, then)| then == FailedThen::Disable);
        endpoint.disable |= failed_now && disables || outcome.decision == Decision::Failed { endpoint_gone: true };
        Ok((from != to).then_some(HealthChange { lane, from, to }))
    }

    /// Writes what has changed; whether anything has.
    pub(super) fn write(self, db: Db<'_>, now: Timestamp, statements: &OutcomeStatements) -> Result<bool, StoreError> {
        let mut changed = false;
        for (lane, endpoint) in &self.endpoints {
            let Some(endpoint) = endpoint else { continue };
            if endpoint.before == endpoint.now && !endpoint.disable {
                continue;
            }
            changed = true;
            let visible = endpoint.before.status != endpoint.now.status || endpoint.disable;
            db.execute(
                UPDATE_HEALTH,
                params![
                    endpoint.now.status.as_str(),
                    endpoint.now.consecutive_failures,
                    endpoint.now.failing_since,
                    endpoint.now.unhealthy_since,
                    endpoint.was_enabled && !endpoint.disable,
                    visible,
                    lane.account_id.as_str(),
                    lane.endpoint_id.as_str(),
                ],
            )?;
            if endpoint.disable {
                cancel_waiting(db, &statements.cancelled, lane, now)?;
            }
        }
        Ok(changed)
    }
}

/// Reads a row of [`SELECT_HEALTH`].
pub(super) fn read_endpoint_health(row: &Row) -> Result<EndpointHealth, StoreError> {
    let health = read_health(row, 1)?;
    Ok(EndpointHealth { before: health, now: health, was_enabled: row.boolean(5, "enabled")?, disable: false })
}

/// Reads the four health columns from `first` on.
pub(crate) fn read_health(row: &Row, first: usize) -> Result<Health, StoreError> {
    Ok(Health {
        status: row.word(first, "health", HealthStatus::parse)?,
        consecutive_failures: row.narrow(first + 1, "consecutive_failures")?,
        failing_since: row.find_time(first + 2, "failing_since")?,
        unhealthy_since: row.find_time(first + 3, "unhealthy_since")?,
    })
}
