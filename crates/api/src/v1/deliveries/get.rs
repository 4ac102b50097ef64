//! `GET /v1/deliveries/{delivery}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;

use super::DeliveryAnswer;
use crate::Api;
use crate::extract::{Caller, Params};
use crate::problem::Problem;

/// Read a delivery with its attempts
#[utoipa::path(
    get, path = "/v1/deliveries/{delivery}", operation_id = "deliveries.get", tag = "deliveries",
    params(("delivery" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The delivery.", body = DeliveryAnswer, example = json!({
        "id": "dlv_04jx8mzxw8e2s", "account": "clinic-7", "event": "01946a2e-7c40-7000-8000-00000000000b",
        "event_type": "difference.created", "endpoint": "01946a2e-7c40-7000-8000-000000000001", "number": 7,
        "state": "pending", "due_at": "2025-01-15T10:31:00.000000Z", "created_at": "2025-01-15T10:30:00.000000Z",
        "ended_at": null, "attempt_count": 1,
        "attempts": [{ "number": 1, "started_at": "2025-01-15T10:30:00.012000Z", "duration_ms": 85, "outcome": "response",
            "status": 503, "detail": null, "response": "try later" }] })))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
) -> Result<Json<DeliveryAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRead)?;
    let (delivery, attempts) = api.app.get_delivery(&scope, &id).await?;
    Ok(Json(DeliveryAnswer::show(&delivery).with_attempts(&attempts)))
}
