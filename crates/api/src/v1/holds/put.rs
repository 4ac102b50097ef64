//! `PUT /v1/accounts/{account}/holds/{subject}`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use bellwire_app::Operation;
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;

use super::HoldAnswer;

body! {
    pub(super) struct HoldPut<'a> {
        /// Why, for whoever reads it later.
        reason: Cow<'a, str> as reason,
    }
}

/// Put a subject under a hold
///
/// While it stands, erasures of the subject are refused, and retention passes over what is about it. Where one stands already, it gets
/// this reason.
#[utoipa::path(
    put, path = "/v1/accounts/{account}/holds/{subject}", operation_id = "holds.put", tag = "holds",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("subject" = String, Path, description = "The subject, as events name it."),
    ),
    request_body(content = HoldPut, example = json!({ "reason": "Doe v. Clinic, 25-cv-0147" })),
    responses((status = 200, description = "The hold, which stands.", body = HoldAnswer, example = json!(HoldAnswer::sample())))
)]
pub(super) async fn put(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, subject)): Params<(String, String)>,
    body: JsonBody,
) -> Result<Json<HoldAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::SubjectManage, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let HoldPut { reason } = body::read(&body)?;
    Ok(Json(HoldAnswer::show(api.app.put_hold(&actor, &access, &subject, &reason).await?)))
}
