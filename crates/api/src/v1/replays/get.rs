//! `GET /v1/accounts/{account}/endpoints/{endpoint}/replays/{replay}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ReplayAnswer;

/// Read a replay and its progress
#[utoipa::path(
    get, path = "/v1/accounts/{account}/endpoints/{endpoint}/replays/{replay}", operation_id = "replays.get", tag = "replays",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
        ("replay" = String, Path, description = "The replay's id."),
    ),
    responses((status = 200, description = "The replay.", body = ReplayAnswer, example = json!(ReplayAnswer::sample())))
)]
pub(super) async fn get(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint, replay)): Params<(String, String, String)>,
) -> Result<Json<ReplayAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::DeliveryRead, &account).await?;
    Ok(Json(ReplayAnswer::show(&api.app.get_replay(&access, &endpoint, &replay).await?)))
}
