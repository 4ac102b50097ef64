//! `DELETE /v1/bulk/retries/{bulk_retry}`

use axum::Json;
use axum::extract::{Path, State};
use bellwire_http::Api;
use bellwire_http::extract::Caller;
use bellwire_http::problem::Problem;

use super::BulkRetryAnswer;

/// Stop a retry of many deliveries
///
/// What it has made due stays due. One that has ended does not change; the answer says how it ended.
#[utoipa::path(
    delete, path = "/v1/bulk/retries/{bulk_retry}", operation_id = "bulk_retries.cancel", tag = "bulk retries",
    params(("bulk_retry" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It, as it ended.", body = BulkRetryAnswer, example = json!(BulkRetryAnswer::sample())),
        (status = 404, description = "There is no such bulk retry."),
    )
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(bulk_retry): Path<String>,
) -> Result<Json<BulkRetryAnswer>, Problem> {
    Ok(Json(BulkRetryAnswer::show(&api.app.cancel_bulk_retry(&actor, &bulk_retry).await?)))
}
