//! `GET /v1/bulk/retries`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::BulkRetryAnswer;
use crate::answer::List;
use crate::query::Query;

/// List retries of many deliveries, newest first
///
/// A consumer's key sees its own account's.
#[utoipa::path(
    get, path = "/v1/bulk/retries", operation_id = "bulk_retries.list", tag = "bulk retries",
    params(
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<String>, Query, description = "The `next` of the previous page."),
    ),
    responses((status = 200, description = "A page of them.", body = List<BulkRetryAnswer>,
        example = json!(List::sample(BulkRetryAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    query: Query,
) -> Result<Json<List<BulkRetryAnswer>>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    let page = query.only_page(api.app.limits())?;
    let found = api.app.list_bulk_retries(&scope, page).await?;
    Ok(Json(List::of(found, |found| BulkRetryAnswer::show(&found))))
}
