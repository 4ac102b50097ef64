//! `DELETE /v1/accounts/{account}`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::DeletionAnswer;

/// Delete an account and all that belongs to it: endpoints, events, deliveries, keys
#[utoipa::path(
    delete, path = "/v1/accounts/{account}", operation_id = "accounts.delete", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 202, description = "It has much: it is gone for its users, and what is left of it goes in the background. \
            Reading it says how far that is, until it is not found.", body = DeletionAnswer, example = json!(DeletionAnswer::sample())),
    )
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::AccountManage, &id).await?;
    Ok(match api.app.delete_account(&access).await? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(left) => (StatusCode::ACCEPTED, Json(DeletionAnswer::show(&left))).into_response(),
    })
}
