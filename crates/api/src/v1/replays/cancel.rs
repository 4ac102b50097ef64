//! `DELETE /v1/accounts/{account}/endpoints/{endpoint}/replays/{replay}`

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_domain::ReplayState;
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::Problem;

use super::ReplayAnswer;

/// Stop a replay
///
/// The deliveries it has created stay. A replay that has ended does not change; the answer says how it ended.
#[utoipa::path(
    delete, path = "/v1/accounts/{account}/endpoints/{endpoint}/replays/{replay}", operation_id = "replays.cancel",
    tag = "replays",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
        ("replay" = String, Path, description = "The replay's id."),
    ),
    responses((status = 200, description = "The replay, as it ended.", body = ReplayAnswer, example = json!(ReplayAnswer {
        state: ReplayState::Cancelled.as_str(), ended_at: Some("2025-01-15T10:30:01.000000Z".to_owned()), ..ReplayAnswer::sample()
    })))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint, replay)): Params<(String, String, String)>,
) -> Result<Json<ReplayAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::DeliveryRetry, &account).await?;
    Ok(Json(ReplayAnswer::show(&api.app.cancel_replay(&access, &endpoint, &replay).await?)))
}
