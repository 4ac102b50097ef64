//! `GET /v1/accounts/{account}/clients`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ClientAnswer;
use crate::answer::List;
use crate::query::Query;

/// List the clients of an account
#[utoipa::path(
    get, path = "/v1/accounts/{account}/clients", operation_id = "clients.list", tag = "clients",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of clients.", body = List<ClientAnswer>,
        example = json!(List::sample(ClientAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    query: Query,
) -> Result<Json<List<ClientAnswer>>, Problem> {
    let access = api.app.open_account(&actor, Operation::ClientManage, &account).await?;
    let page = query.only_page(api.app.limits())?;
    Ok(Json(List::of(api.app.list_clients(&access, page).await?, |client| ClientAnswer::show(&client))))
}
