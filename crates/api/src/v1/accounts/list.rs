//! `GET /v1/accounts`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::AccountAnswer;
use crate::answer::List;
use crate::query::Query;

/// List the accounts
#[utoipa::path(
    get, path = "/v1/accounts", operation_id = "accounts.list", tag = "accounts",
    params(
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of accounts.", body = List<AccountAnswer>,
        example = json!(List::sample(AccountAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    query: Query,
) -> Result<Json<List<AccountAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::AccountList)?;
    let page = query.only_page(api.app.limits())?;
    let accounts = api.app.list_accounts(&scope, page).await?;
    Ok(Json(List::of(accounts, |account| AccountAnswer::show(&account))))
}
