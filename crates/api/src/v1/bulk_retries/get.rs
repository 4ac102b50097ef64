//! `GET /v1/bulk/retries/{bulk_retry}`

use axum::Json;
use axum::extract::{Path, State};
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::BulkRetryAnswer;

/// Get a retry of many deliveries, and its progress
#[utoipa::path(
    get, path = "/v1/bulk/retries/{bulk_retry}", operation_id = "bulk_retries.get", tag = "bulk retries",
    params(("bulk_retry" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It, as it stands.", body = BulkRetryAnswer, example = json!(BulkRetryAnswer::sample())),
        (status = 404, description = "There is no such bulk retry."),
    )
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(bulk_retry): Path<String>,
) -> Result<Json<BulkRetryAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    Ok(Json(BulkRetryAnswer::show(&api.app.get_bulk_retry(&scope, &bulk_retry).await?)))
}
