//! `GET /v1/accounts/{account}/endpoints/{endpoint}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::EndpointAnswer;

/// Read an endpoint
#[utoipa::path(
    get, path = "/v1/accounts/{account}/endpoints/{endpoint}", operation_id = "endpoints.get", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    responses((status = 200, description = "The endpoint.", body = EndpointAnswer, example = json!(EndpointAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
) -> Result<Json<EndpointAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointRead, &account).await?;
    let endpoint = api.app.get_endpoint(&access, &endpoint).await?;
    let secret = api.app.read_endpoint_secret(&access, &endpoint).await?;
    Ok(Json(EndpointAnswer::show_whole(&api.app, &access, endpoint).await?.with_secret(secret.as_ref())))
}
