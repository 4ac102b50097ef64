//! `GET /v1/accounts/{account}/holds`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::HoldAnswer;
use crate::answer::List;
use crate::query::Query;

/// List the subjects of an account that are under a hold
#[utoipa::path(
    get, path = "/v1/accounts/{account}/holds", operation_id = "holds.list", tag = "holds",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of holds.", body = List<HoldAnswer>,
        example = json!(List::sample(HoldAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    query: Query,
) -> Result<Json<List<HoldAnswer>>, Problem> {
    let access = api.app.open_account(&actor, Operation::DisclosureRead, &account).await?;
    let page = query.only_page(api.app.limits())?;
    Ok(Json(List::of(api.app.list_holds(&access, page).await?, HoldAnswer::show)))
}
