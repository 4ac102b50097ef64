//! `DELETE /v1/keys/{key}`

use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

/// Revoke an API key at once
#[utoipa::path(
    delete, path = "/v1/keys/{key}", operation_id = "keys.delete", tag = "keys",
    params(("key" = String, Path, description = "The key's id.")),
    responses((status = 204, description = "The key no longer works."),
        (status = 409, description = "It is the last admin key that works."),
    )
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(key): Params<String>,
) -> Result<StatusCode, Problem> {
    let scope = api.app.permit(&actor, Operation::KeyManage)?;
    api.app.delete_key(&scope, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
