//! `GET /v1/deliveries/{delivery}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::{AttemptAnswer, DeliveryAnswer};

/// Read a delivery with its attempts
#[utoipa::path(
    get, path = "/v1/deliveries/{delivery}", operation_id = "deliveries.get", tag = "deliveries",
    params(("delivery" = String, Path, description = "The delivery's id.")),
    responses((status = 200, description = "The delivery.", body = DeliveryAnswer,
        example = json!(DeliveryAnswer { attempts: vec![AttemptAnswer::sample()], ..DeliveryAnswer::sample() })))
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
