//! `GET /v1/accounts/{account}/endpoints`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::EndpointAnswer;
use crate::answer::List;
use crate::query::Query;

/// List an account's endpoints
#[utoipa::path(
    get, path = "/v1/accounts/{account}/endpoints", operation_id = "endpoints.list", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of endpoints.", body = List<EndpointAnswer>,
        example = json!(List::sample(EndpointAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    query: Query,
) -> Result<Json<List<EndpointAnswer>>, Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointRead, &account).await?;
    let page = query.only_page(api.app.limits())?;
    let endpoints = api.app.list_endpoints(&access, page).await?;
    Ok(Json(List::of(endpoints, |endpoint| EndpointAnswer::show(&api.app, &access, endpoint))))
}
