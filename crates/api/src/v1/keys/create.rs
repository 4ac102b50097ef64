//! `POST /v1/keys`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{KeyInput, Operation};
use utoipa::ToSchema;

use super::KeyAnswer;
use crate::Api;
use crate::body::Fields;
use crate::extract::{Caller, JsonBody};
use crate::problem::Problem;

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct KeyCreate {
    /// What the key may do: `admin` everything, `publisher` events, `consumer` its one account, `auditor` the audit log.
    role: String,
    /// The account of a consumer's key.
    account: Option<String>,
    /// When it stops working (RFC 3339); left out: never.
    expires: Option<String>,
}

/// Make an API key
///
/// The key's text is in this answer and never again: only its digest is stored.
#[utoipa::path(
    post, path = "/v1/keys", operation_id = "keys.create", tag = "keys",
    request_body(content = KeyCreate, example = json!({ "role": "consumer", "account": "clinic-7" })),
    responses((status = 201, description = "The key.", body = KeyAnswer, example = json!({
        "id": "key_01jhmqzxw8e2s0v9d1c3b5a7n9", "role": "consumer", "account": "clinic-7",
        "created_at": "2025-01-15T10:30:00.000000Z", "expires": null,
        "key": "bwk_5f0c…"
    })))
)]
pub(super) async fn create(
    State(api): State<Api>,
    Caller(actor): Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<KeyAnswer>), Problem> {
    let scope = api.app.permit(&actor, Operation::KeyManage)?;
    let body = body.read().await?;
    let mut fields = Fields::read(&body)?;
    let (role, account, expires_at) = (fields.required_text("role"), fields.text("account"), fields.instant("expires"));
    fields.finish()?;
    let made = api.app.create_key(&scope, KeyInput { role: &role, account: account.as_deref(), expires_at }).await?;
    let key = KeyAnswer { key: Some(made.text.expose().clone()), ..KeyAnswer::show(&made.key) };
    Ok((StatusCode::CREATED, Json(key)))
}
