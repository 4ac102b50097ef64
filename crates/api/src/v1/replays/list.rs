//! `GET /v1/accounts/{account}/endpoints/{endpoint}/replays`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ReplayAnswer;
use crate::answer::List;
use crate::query::Query;

/// List an endpoint's replays, newest first
#[utoipa::path(
    get, path = "/v1/accounts/{account}/endpoints/{endpoint}/replays", operation_id = "replays.list", tag = "replays",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of replays.", body = List<ReplayAnswer>,
        example = json!(List::sample(ReplayAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    query: Query,
) -> Result<Json<List<ReplayAnswer>>, Problem> {
    let access = api.app.open_account(&actor, Operation::DeliveryRead, &account).await?;
    let page = query.only_page(api.app.limits())?;
    let replays = api.app.list_replays(&access, &endpoint, page).await?;
    Ok(Json(List::of(replays, |replay| ReplayAnswer::show(&replay))))
}
