//! `POST /v1/incidents/{incident}/acknowledge` and `…/resolve`

use axum::Json;
use axum::extract::{Path, State};
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;
use bellwire_store::IncidentChange;

use super::IncidentAnswer;

/// Acknowledge an incident: somebody knows
///
/// It stays unresolved, and says who acknowledged it. Acknowledging it again changes nothing.
#[utoipa::path(
    post, path = "/v1/incidents/{incident}/acknowledge", operation_id = "incidents.acknowledge", tag = "incidents",
    params(("incident" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The incident.", body = IncidentAnswer, example = json!(IncidentAnswer::sample())),
        (status = 404, description = "There is no such incident."),
        (status = 409, description = "It is resolved."),
    )
)]
pub(super) async fn acknowledge(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(incident): Path<String>,
) -> Result<Json<IncidentAnswer>, Problem> {
    Ok(Json(IncidentAnswer::show(&api.app.change_incident(&actor, &incident, IncidentChange::Acknowledge).await?)))
}

/// Resolve an incident: it is over, whatever the endpoint does
///
/// The endpoint's next failure for the same cause opens it again. Resolving it again changes nothing.
#[utoipa::path(
    post, path = "/v1/incidents/{incident}/resolve", operation_id = "incidents.resolve", tag = "incidents",
    params(("incident" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The incident.", body = IncidentAnswer, example = json!(IncidentAnswer::sample())),
        (status = 404, description = "There is no such incident."),
    )
)]
pub(super) async fn resolve(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(incident): Path<String>,
) -> Result<Json<IncidentAnswer>, Problem> {
    Ok(Json(IncidentAnswer::show(&api.app.change_incident(&actor, &incident, IncidentChange::Resolve).await?)))
}
