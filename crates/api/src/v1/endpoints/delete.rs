//! `DELETE /v1/accounts/{account}/endpoints/{endpoint}`

use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

/// Delete an endpoint and cancel its waiting deliveries
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/endpoints/{endpoint}", operation_id = "endpoints.delete", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    responses((status = 204, description = "Deleted."),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
) -> Result<StatusCode, Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    api.app.delete_endpoint(&access, &endpoint).await?;
    Ok(StatusCode::NO_CONTENT)
}
