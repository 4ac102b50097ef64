//! `POST /v1/accounts/{account}/endpoints/{endpoint}/replay`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::{Operation, ReplayInput};
use bellwire_domain::Timestamp;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use bellwire_http::{Api, allowance};

use super::ReplayAnswer;
use crate::answer::PreviewAnswer;

body! {
    pub(super) struct ReplayStart {
        /// Only events accepted at this instant or later (RFC 3339).
        since: Timestamp,
        /// Only events accepted before this instant; by default, all events so far.
        until: Option<Timestamp>,
        /// Which events to send again, by what became of them at this endpoint: `failed`, `cancelled`, `missed` (the endpoint
        /// wants them and never got a delivery, even from before it existed) or `delivered`. By default, `failed` and `missed`.
        states: Option<Vec<String>> as replay_cases,
        /// Only count what would be sent.
        preview: Option<bool>,
    }
}

/// Send again what failed or was missed
///
/// With `preview`, nothing is sent: the answer says how many deliveries there would be.
///
/// It runs in the background, in small steps, after what is due anyway. Each event is sent at most once, as a new delivery;
/// deliveries that are still waiting are left alone. An account and an endpoint may have so many running at once; `RateLimit` in
/// the answer says how many more there may be.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/replay", operation_id = "replays.start", tag = "replays",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = ReplayStart, example = json!({ "since": "2025-01-15T00:00:00Z", "states": ["failed", "missed"] })),
    responses((status = 200, description = "How many deliveries there would be: a preview.", body = PreviewAnswer,
            example = json!(PreviewAnswer::sample())),
        (status = 202, description = "The replay, which has started.", body = ReplayAnswer,
        headers(
            ("RateLimit-Policy" = String, description = "How many may run at once: `replays` of the account, `endpoint-replays` of the endpoint."),
            ("RateLimit" = String, description = "How many more of each may be started now."),
        ),
        example = json!(ReplayAnswer::sample())),
        (status = 409, description = "As many replays are running as may.",
            headers(
                ("RateLimit-Policy" = String, description = "The limit that is reached."),
                ("RateLimit" = String, description = "That nothing is left of it."),
            )),
    )
)]
pub(super) async fn start(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::DeliveryRetry, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let ReplayStart { since, until, states, preview } = body::read(&body)?;
    let input = ReplayInput { since, until, states };
    if preview == Some(true) {
        let matched = api.app.preview_replay(&access, &endpoint, &input).await?;
        return Ok(Json(PreviewAnswer::show(matched)).into_response());
    }
    let (replay, left) = api.app.start_replay(&access, &endpoint, &input).await?;
    left.into_iter().for_each(allowance::show);
    Ok((StatusCode::ACCEPTED, Json(ReplayAnswer::show(&replay))).into_response())
}
