//! `GET /v1/replays`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::ReplayAnswer;
use crate::answer::List;
use crate::query::Query;

/// List the replays that run, of every endpoint
///
/// The earliest first. A consumer's key sees its own account's. Those that have ended are in the list of their endpoint.
#[utoipa::path(
    get, path = "/v1/replays", operation_id = "replays.running", tag = "replays",
    params(
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of replays.", body = List<ReplayAnswer>,
        example = json!(List::sample(ReplayAnswer::sample()))))
)]
pub(super) async fn running(
    State(api): State<Api>,
    Caller(actor): Caller,
    query: Query,
) -> Result<Json<List<ReplayAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    let page = query.only_page(api.app.limits())?;
    let found = api.app.list_running_replays(&scope, page).await?;
    Ok(Json(List::of(found, |replay| ReplayAnswer::show(&replay))))
}
