//! Why an endpoint is not sent to, or fails, in a few words for its owner.

use bellwire_domain::HealthStatus;
use bellwire_store::{Endpoint, Incident, IncidentQuery, PageRequest};

use crate::{AccountAccess, App, AppError};

/// Incidents of an endpoint that are looked at, the latest first.
const LOOK: u32 = 20;

impl App {
    /// Why an endpoint is not sent to, or fails; `None`: it is sent to and does not, or nothing is known.
    pub async fn endpoint_trouble(&self, access: &AccountAccess, endpoint: &Endpoint) -> Result<Option<String>, AppError> {
        match endpoint.health.status {
            HealthStatus::Active if endpoint.enabled => Ok(None),
            HealthStatus::Pending => {
                let stands = self.endpoint_activation(access, endpoint).await?;
                Ok(stands.and_then(|stands| stands.failure).map(|failure| format!("the handshake failed: {failure}")))
            }
            HealthStatus::Expired => Ok(Some("its time is over".to_owned())),
            HealthStatus::Active | HealthStatus::Unhealthy | HealthStatus::Failed => {
                let query = IncidentQuery {
                    account_id: Some(access.account().id.clone()),
                    endpoint_id: Some(endpoint.id.clone()),
                    state: None,
                };
                let latest = self.records().list_incidents(query, PageRequest { limit: LOOK, after: None }).await?.items;
                Ok(latest.into_iter().find(|incident| incident.course.resolved_at.is_none()).map(|incident| told(&incident)))
            }
        }
    }
}

fn told(incident: &Incident) -> String {
    let cause = &incident.course.failures.cause;
    match cause.status {
        Some(status) => format!("requests to it are answered with {status}"),
        None => format!("requests to it fail: {}", cause.outcome.replace('_', " ")),
    }
}
