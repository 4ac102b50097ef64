//! `POST /v1/accounts/{account}/erasures`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;

use super::ErasureAnswer;

body! {
    pub(super) struct ErasureStart<'a> {
        /// About whom, as events name them.
        subject: Cow<'a, str> as subject,
        /// Why, for whoever reads it later.
        reason: Cow<'a, str> as reason,
    }
}

/// Erase what is about somebody
///
/// Payloads, answers, and documents of resources about the subject are removed, and live deliveries of such events are cancelled; nothing
/// of it can be sent again. What was sent, when and to whom stays, without contents. It runs in the background, in small steps; it is
/// `done` when what was removed has been overwritten too. What is published about the subject afterwards is not part of it.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/erasures", operation_id = "erasures.start", tag = "erasures",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = ErasureStart,
        example = json!({ "subject": "patient:123", "reason": "asked for by the patient" })),
    responses((status = 202, description = "It has started.", body = ErasureAnswer, example = json!(ErasureAnswer::sample())),
        (status = 409, description = "The subject is under a hold, or as many erasures are running as may."),
    )
)]
pub(super) async fn start(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::SubjectManage, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let ErasureStart { subject, reason } = body::read(&body)?;
    let started = api.app.start_erasure(&actor, &access, &subject, &reason).await?;
    Ok((StatusCode::ACCEPTED, Json(ErasureAnswer::show(&started))).into_response())
}
