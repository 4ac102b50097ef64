//! `GET /v1/accounts/{account}/erasures/{erasure}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ErasureAnswer;

/// Read an erasure and its progress
#[utoipa::path(
    get, path = "/v1/accounts/{account}/erasures/{erasure}", operation_id = "erasures.get", tag = "erasures",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("erasure" = String, Path, description = "The erasure's id."),
    ),
    responses((status = 200, description = "The erasure.", body = ErasureAnswer, example = json!(ErasureAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, erasure)): Params<(String, String)>,
) -> Result<Json<ErasureAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::DisclosureRead, &account).await?;
    Ok(Json(ErasureAnswer::show(&api.app.get_erasure(&access, &erasure).await?)))
}
