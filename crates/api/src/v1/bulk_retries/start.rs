//! `POST /v1/bulk/retries`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody};
use bellwire_http::problem::Problem;

use super::BulkRetryAnswer;
use super::filter::FilterMembers;
use crate::answer::PreviewAnswer;

body! {
    pub(super) struct BulkRetryStart<'a> {
        /// Which deliveries: the filters of `GET /v1/deliveries`, by name. `state` is `failed` unless it says `cancelled` or
        /// `pending`.
        filter: FilterMembers,
        /// Why, for whoever reads it later. It may be left out of a preview.
        reason: Option<Cow<'a, str>> as reason,
        /// Only count them.
        preview: Option<bool>,
    }
}

/// Send many deliveries again
///
/// Those that the filter names now: one that is made, or that ends, after this is left alone. It runs in the background, in small
/// steps, from the latest delivery to the earliest, at the pace of its accounts' replays. With `preview`, nothing is sent: the answer
/// says how many deliveries there are. An account may have so many running at once, and the operator so many over all accounts.
#[utoipa::path(
    post, path = "/v1/bulk/retries", operation_id = "bulk_retries.start", tag = "bulk retries",
    request_body(content = BulkRetryStart, example = json!({
        "filter": { "state": "failed", "outcome": "tls", "since": "2025-01-15T00:00:00Z" }, "reason": "their certificate is renewed"
    })),
    responses((status = 200, description = "How many there are: a preview.", body = PreviewAnswer,
            example = json!(PreviewAnswer::sample())),
        (status = 202, description = "It has started.", body = BulkRetryAnswer, example = json!(BulkRetryAnswer::sample())),
        (status = 404, description = "There is no such account."),
        (status = 409, description = "As many are running as may."),
    )
)]
pub(super) async fn start(State(api): State<Api>, Caller(actor): Caller, body: JsonBody) -> Result<Response, Problem> {
    let body = body.read(actor.identity.as_str()).await?;
    let BulkRetryStart { filter, reason, preview } = body::read(&body)?;
    let filter = filter.read(actor.account.as_ref())?;
    if preview == Some(true) {
        let matched = api.app.preview_bulk_retry(&actor, filter).await?;
        return Ok(Json(PreviewAnswer::show(matched)).into_response());
    }
    let started = api.app.start_bulk_retry(&actor, filter, reason.as_deref()).await?;
    Ok((StatusCode::ACCEPTED, Json(BulkRetryAnswer::show(&started))).into_response())
}
