//! `GET /v1/accounts/{account}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::{AccountAnswer, DeletionAnswer};

/// Read an account
#[utoipa::path(
    get, path = "/v1/accounts/{account}", operation_id = "accounts.get", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    responses((status = 200, description = "The account.", body = AccountAnswer, example = json!(AccountAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
) -> Result<Json<AccountAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::AccountRead, &id).await?;
    let secret = api.app.read_account_secret(&access).await?;
    let deleting = api.app.find_deletion(&access).await?;
    let answer = AccountAnswer::show(api.app.get_account(&access)).with_secret(secret.as_ref());
    Ok(Json(AccountAnswer { deleting: deleting.as_ref().map(DeletionAnswer::show), ..answer }))
}
