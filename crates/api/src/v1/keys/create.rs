//! `POST /v1/keys`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{KeyInput, Operation};
use bellwire_domain::Timestamp;
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody};
use bellwire_http::problem::Problem;

use super::KeyAnswer;

body! {
    pub(super) struct KeyCreate<'a> {
        /// What the key may do: `admin` everything, `publisher` events and resources, `consumer` its account, `auditor` the audit
        /// log.
        role: Cow<'a, str> as role,
        /// The account of a consumer's key.
        account: Option<Cow<'a, str>> as id,
        /// When it stops working (RFC 3339); by default, never.
        expires: Option<Timestamp>,
        /// What people call it.
        name: Option<String> as name,
        /// Narrows a publisher's key to these accounts.
        accounts: Option<Vec<String>> as key_accounts,
        /// Narrows a publisher's key to accounts under this contract.
        contract: Option<Cow<'a, str>>,
        /// Whether a publisher's key only posts, and reads no documents.
        write_only: Option<bool>,
    }
}

/// Create an API key
///
/// The key itself is in this answer and never shown again; only its digest is stored.
#[utoipa::path(
    post, path = "/v1/keys", operation_id = "keys.create", tag = "keys",
    request_body(content = KeyCreate, example = json!({ "role": "consumer", "account": "clinic-7", "name": "Intake" })),
    responses((status = 201, description = "The key.", body = KeyAnswer,
        example = json!(KeyAnswer { key: Some("bwk_5f0c…".to_owned()), ..KeyAnswer::sample() })))
)]
pub(super) async fn create(
    State(api): State<Api>,
    Caller(actor): Caller,
    body: JsonBody,
) -> Result<(StatusCode, Json<KeyAnswer>), Problem> {
    let scope = api.app.permit(&actor, Operation::KeyManage)?;
    let body = body.read(actor.identity.as_str()).await?;
    let KeyCreate { role, account, expires: expires_at, name, accounts, contract, write_only } = body::read(&body)?;
    let input = KeyInput {
        role: &role,
        account: account.as_deref(),
        expires_at,
        name,
        accounts: accounts.unwrap_or_default(),
        contract: contract.as_deref(),
        write_only: write_only.unwrap_or(false),
    };
    let made = api.app.create_key(&scope, input).await?;
    let key = KeyAnswer { key: Some(made.text.expose().clone()), ..KeyAnswer::show(&made.key) };
    Ok((StatusCode::CREATED, Json(key)))
}
