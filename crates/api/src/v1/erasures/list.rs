//! `GET /v1/accounts/{account}/erasures`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ErasureAnswer;
use crate::answer::List;
use crate::query::Query;

/// List an account's erasures, the latest first
#[utoipa::path(
    get, path = "/v1/accounts/{account}/erasures", operation_id = "erasures.list", tag = "erasures",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of erasures.", body = List<ErasureAnswer>,
        example = json!(List::sample(ErasureAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    query: Query,
) -> Result<Json<List<ErasureAnswer>>, Problem> {
    let access = api.app.open_account(&actor, Operation::DisclosureRead, &account).await?;
    let page = query.only_page(api.app.limits())?;
    let found = api.app.list_erasures(&access, page).await?;
    Ok(Json(List::of(found, |erasure| ErasureAnswer::show(&erasure))))
}
