//! Incidents on the wire.

mod change;
mod get;
mod list;

use bellwire_domain::IncidentState;
use bellwire_domain::incident::LEASE_ENDING;
use bellwire_http::Api;
use bellwire_store::Incident;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list::list))
        .routes(routes!(get::get))
        .routes(routes!(change::acknowledge))
        .routes(routes!(change::resolve))
}

/// Failures of one endpoint for one cause.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
struct IncidentAnswer {
    /// Its id.
    id: String,
    /// The account.
    account: String,
    /// The endpoint that failed.
    endpoint: String,
    /// `open`, `acknowledged` or `resolved`.
    state: &'static str,
    /// What happened, in one word, as in an attempt; `lease_ending`: nothing failed, but the endpoint is about to expire.
    outcome: String,
    /// The HTTP status, if there was an answer.
    status: Option<u16>,
    /// How many attempts failed.
    failures: i64,
    /// When the first of them ended.
    first_at: String,
    /// When the last of them ended.
    last_at: String,
    /// The delivery of the last; null: it is about no delivery.
    last_delivery: Option<String>,
    /// When somebody acknowledged it.
    acknowledged_at: Option<String>,
    /// Who: the id of a key, or a name.
    acknowledged_by: Option<String>,
    /// When it was resolved.
    resolved_at: Option<String>,
    /// Who said so; null: the endpoint succeeded. `deletion`: the endpoint was deleted; `renewal`: it was renewed.
    resolved_by: Option<String>,
}

impl IncidentAnswer {
    fn sample() -> Self {
        Self {
            id: "inc_01jhmw8z0000000000000000aa".to_owned(),
            account: "clinic-7".to_owned(),
            endpoint: "01946a2e-7c40-7000-8000-000000000001".to_owned(),
            state: IncidentState::Open.as_str(),
            outcome: "response".to_owned(),
            status: Some(503),
            failures: 41,
            first_at: "2025-01-15T02:10:00.000000Z".to_owned(),
            last_at: "2025-01-15T06:58:12.000000Z".to_owned(),
            last_delivery: Some("dlv_04jx8mzxw8e2s".to_owned()),
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            resolved_by: None,
        }
    }

    fn show(incident: &Incident) -> Self {
        let course = &incident.course;
        Self {
            id: incident.id.to_string(),
            account: incident.lane.account_id.to_string(),
            endpoint: incident.lane.endpoint_id.to_string(),
            state: incident.state().as_str(),
            outcome: course.failures.cause.outcome.clone(),
            status: course.failures.cause.status,
            failures: course.failures.count,
            first_at: course.failures.first_at.to_string(),
            last_at: course.failures.last_at.to_string(),
            last_delivery: (course.failures.cause.outcome != LEASE_ENDING).then(|| course.failures.delivery.to_string()),
            acknowledged_at: course.acknowledged_at.map(|at| at.to_string()),
            acknowledged_by: incident.acknowledged_by.clone(),
            resolved_at: course.resolved_at.map(|at| at.to_string()),
            resolved_by: incident.resolved_by.clone(),
        }
    }
}
