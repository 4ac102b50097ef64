//! `GET /v1/incidents/{incident}`

use axum::Json;
use axum::extract::{Path, State};
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::IncidentAnswer;

/// Get an incident
#[utoipa::path(
    get, path = "/v1/incidents/{incident}", operation_id = "incidents.get", tag = "incidents",
    params(("incident" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The incident.", body = IncidentAnswer, example = json!(IncidentAnswer::sample())),
        (status = 404, description = "There is no such incident."),
    )
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(incident): Path<String>,
) -> Result<Json<IncidentAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    Ok(Json(IncidentAnswer::show(&api.app.get_incident(&scope, &incident).await?)))
}
