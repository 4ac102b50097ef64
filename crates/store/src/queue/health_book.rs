//! The health of the endpoints of a group of outcomes: read once, changed by each outcome, written once.

use bellwire_domain::health::FailedThen;
use bellwire_domain::{Decision, Health, HealthStatus, Timestamp};
use foldhash::HashMap;

use super::cancel::cancel_waiting;
use super::context::WriteContext;
use super::outcome::{HealthChange, Outcome};
use crate::StoreError;
use crate::rows::endpoint::{EndpointName, HealthColumns};
use crate::rows::lane::LaneKey;
use crate::rows::operator_notice::OperatorNotice;
use crate::sql::{Db, Select, columns, params};

columns! {
    /// Whether an endpoint is enabled, and how many incidents it has.
    pub(crate) struct Switch of "endpoints" {
        enabled: bool = "p.enabled",
        incidents: u32 = "p.incidents",
    }
}

/// An endpoint with all that an outcome may change of it.
pub(crate) type EndpointState = (EndpointName, HealthColumns, Switch);

static SELECT_STATE: Select<EndpointState> = Select::new("FROM endpoints p WHERE p.account_id = $1 AND p.id = $2");
const UPDATE_HEALTH: &str = "UPDATE endpoints SET health = $1, consecutive_failures = $2, failing_since = $3, \
     unhealthy_since = $4, resumes_at = $5, enabled = $6, version = version + $7 WHERE account_id = $8 AND id = $9";

/// An endpoint's health, as it was and as it is.
struct EndpointHealth {
    before: Health,
    now: Health,
    was_enabled: bool,
    has_incidents: bool,
    /// Whether the endpoint is to be disabled and its waiting deliveries cancelled.
    disable: bool,
}

/// The health of the endpoints of a group.
#[derive(Default)]
pub(crate) struct HealthBook {
    /// `None`: the endpoint is gone.
    endpoints: HashMap<LaneKey, Option<EndpointHealth>>,
}

impl HealthBook {
    /// Keeps the state of an endpoint that was read with others.
    pub(crate) fn add(&mut self, (name, health, switch): EndpointState) {
        let before = health.into();
        let (was_enabled, has_incidents) = (switch.enabled, switch.incidents > 0);
        let health = EndpointHealth { before, now: before, was_enabled, has_incidents, disable: false };
        self.endpoints.insert(name.into(), Some(health));
    }

    /// Reads the state of an endpoint, unless it is known.
    pub(crate) fn load(&mut self, db: Db<'_>, lane: &LaneKey) -> Result<(), StoreError> {
        if self.endpoints.contains_key(lane) {
            return Ok(());
        }
        match SELECT_STATE.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])? {
            Some(state) => self.add(state),
            None => drop(self.endpoints.insert(lane.clone(), None)),
        }
        Ok(())
    }

    /// Changes an endpoint's health by an outcome.
    pub(crate) fn observe(&mut self, outcome: &Outcome) -> Option<HealthChange> {
        let lane = outcome.delivery.lane();
        let endpoint = self.endpoints.get_mut(&lane)?.as_mut()?;
        let policy = &outcome.health;
        let success = outcome.decision == Decision::Delivered;
        let ended_at = outcome.started_at.plus(outcome.duration);
        let from = endpoint.now.status;
        endpoint.now = endpoint.now.observe(policy, success, ended_at);
        let to = endpoint.now.status;
        let failed_now = from != to && to == HealthStatus::Failed;
        let disables = policy.failed.is_some_and(|(_, then)| then == FailedThen::Disable);
        endpoint.disable |= failed_now && disables || outcome.decision == Decision::Failed { endpoint_gone: true };
        (from != to).then_some(HealthChange { lane, from, to })
    }

    /// Whether an endpoint had unresolved incidents; `None`: it is gone.
    pub(crate) fn has_incidents(&self, outcome: &Outcome) -> Option<bool> {
        Some(self.endpoints.get(&outcome.delivery.lane())?.as_ref()?.has_incidents)
    }

    /// What the operator is told of the changes.
    pub(crate) fn notices(&self, context: &WriteContext, now: Timestamp) -> Vec<OperatorNotice> {
        let mut notices = Vec::new();
        for (lane, endpoint) in self.endpoints.iter().filter(|(lane, _)| context.tells_of(&lane.account_id)) {
            let Some(endpoint) = endpoint else { continue };
            let (from, to) = (endpoint.before.status, endpoint.now.status);
            let changed = (from != to).then_some(match to {
                HealthStatus::Active => Some("endpoint.recovered"),
                HealthStatus::Unhealthy => Some("endpoint.unhealthy"),
                HealthStatus::Failed => Some("endpoint.failed"),
                HealthStatus::Pending | HealthStatus::Expired => None,
            });
            let disabled = endpoint.disable.then_some("endpoint.disabled");
            for event_type in [changed.flatten(), disabled].into_iter().flatten() {
                let data = serde_json::json!({
                    "account": lane.account_id.as_str(),
                    "endpoint": lane.endpoint_id.as_str(),
                    "from": from.as_str(),
                    "to": to.as_str(),
                    "consecutive_failures": endpoint.now.consecutive_failures,
                    "failing_since": endpoint.now.failing_since.or(endpoint.before.failing_since).map(|at| at.to_string()),
                });
                notices.push(OperatorNotice::new(now, &*context.entropy, event_type, &data));
            }
        }
        notices
    }

    /// Writes what has changed; whether anything has.
    pub(crate) fn write(self, db: Db<'_>, now: Timestamp) -> Result<bool, StoreError> {
        let mut changed = false;
        for (lane, endpoint) in &self.endpoints {
            let Some(endpoint) = endpoint else { continue };
            if endpoint.before == endpoint.now && !endpoint.disable {
                continue;
            }
            changed = true;
            let is_visible = endpoint.before.status != endpoint.now.status || endpoint.disable;
            db.execute(
                UPDATE_HEALTH,
                params![
                    endpoint.now.status.as_str(),
                    endpoint.now.consecutive_failures,
                    endpoint.now.failing_since,
                    endpoint.now.unhealthy_since,
                    endpoint.now.resumes_at,
                    endpoint.was_enabled && !endpoint.disable,
                    is_visible,
                    lane.account_id.as_str(),
                    lane.endpoint_id.as_str(),
                ],
            )?;
            if endpoint.disable {
                cancel_waiting(db, lane, now)?;
            }
        }
        Ok(changed)
    }
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![SELECT_STATE.sql(), UPDATE_HEALTH.to_owned()]
}
