//! `POST /v1/accounts/{account}/endpoints/{endpoint}/test`

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use bellwire_app::Operation;

use crate::Api;
use crate::allowance::Shown;
use crate::extract::{Caller, Params};
use crate::problem::Problem;
use crate::v1::events::Receipt;

/// Send the contract's test event to this endpoint only
///
/// It also goes to a disabled endpoint, and appears in the account's log like any event. An account may have so many sent in a
/// minute; `RateLimit` in the answer says how many are left.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/test", operation_id = "endpoints.test", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    responses((status = 201, description = "The test event is on its way.", body = Receipt, example = json!(Receipt::sample())),
        (status = 409, description = "The contract has no test event, or is not loaded."),
    )
)]
pub(super) async fn test(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    Extension(shown): Extension<Shown>,
) -> Result<(StatusCode, Json<Receipt>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let (receipt, left) = api.app.test_endpoint(&access, &endpoint).await?;
    shown.add(left);
    Ok((StatusCode::CREATED, Json(Receipt::show(&receipt))))
}
