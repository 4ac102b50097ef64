//! `DELETE /v1/accounts/{account}`

use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;

use crate::Api;
use crate::extract::{Caller, Params};
use crate::problem::Problem;

/// Delete an account and all that belongs to it: endpoints, events, deliveries, keys
#[utoipa::path(
    delete, path = "/v1/accounts/{account}", operation_id = "accounts.delete", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    responses((status = 204, description = "Deleted."))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
) -> Result<StatusCode, Problem> {
    let access = api.app.open_account(&actor, Operation::AccountManage, &id).await?;
    api.app.delete_account(&access).await?;
    Ok(StatusCode::NO_CONTENT)
}
