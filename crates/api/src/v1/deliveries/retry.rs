//! `POST /v1/deliveries/{delivery}/retry`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::{AttemptAnswer, DeliveryAnswer};

/// Make a delivery due now, whether it waits or has ended
#[utoipa::path(
    post, path = "/v1/deliveries/{delivery}/retry", operation_id = "deliveries.retry", tag = "deliveries",
    params(("delivery" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The delivery.", body = DeliveryAnswer,
        example = json!(DeliveryAnswer { attempts: vec![AttemptAnswer::sample()], ..DeliveryAnswer::sample() })),
        (status = 409, description = "It is in flight, or its endpoint was deleted."),
    )
)]
pub(super) async fn retry(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
) -> Result<Json<DeliveryAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::DeliveryRetry)?;
    let (delivery, attempts) = api.app.retry_delivery(&scope, &id).await?;
    Ok(Json(DeliveryAnswer::show(&delivery).with_attempts(&attempts)))
}
