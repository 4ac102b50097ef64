//! `DELETE /v1/accounts/{account}/endpoints/{endpoint}/replays/{replay}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;

use super::ReplayAnswer;
use crate::Api;
use crate::extract::{Caller, Params};
use crate::problem::Problem;

/// Stop a replay
///
/// What it has made already stays. One that has ended stays as it ended; the answer says how.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/endpoints/{endpoint}/replays/{replay}", operation_id = "replays.cancel",
    tag = "replays",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
        ("replay" = String, Path, description = "The replay's id."),
    ),
    responses((status = 200, description = "The replay as it ended.", body = ReplayAnswer, example = json!({
        "id": "rpl_01jhmw8z0000000000000000aa", "endpoint": "01946a2e-7c40-7000-8000-000000000001", "state": "cancelled",
        "since": "2025-01-15T00:00:00.000000Z", "until": null, "states": ["failed", "missed"], "examined": 500, "created": 2,
        "created_at": "2025-01-15T10:30:00.000000Z", "ended_at": "2025-01-15T10:30:01.000000Z" })))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint, replay)): Params<(String, String, String)>,
) -> Result<Json<ReplayAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::DeliveryRetry, &account).await?;
    Ok(Json(ReplayAnswer::show(&api.app.cancel_replay(&access, &endpoint, &replay).await?)))
}
