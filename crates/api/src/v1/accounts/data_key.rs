//! `POST /v1/accounts/{account}/data-key`

use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

/// Renew an account's data key
///
/// What is stored from then on is sealed by a new key. What was stored before stays readable, sealed by the older one. Keys renew
/// themselves long before they have sealed too much. Where nodes share a database, this takes some seconds: all of them learn of the new
/// key before one uses it.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/data-key", operation_id = "accounts.renew_data_key", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    responses(
        (status = 204, description = "Renewed."),
        (status = 409, description = "It has had 256 keys, which is the limit, or is being deleted."),
    )
)]
pub(super) async fn renew(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
) -> Result<StatusCode, Problem> {
    let access = api.app.open_account(&actor, Operation::AccountManage, &account).await?;
    api.app.renew_data_key(&access).await?;
    Ok(StatusCode::NO_CONTENT)
}
