//! `POST /v1/accounts/{account}/endpoints/{endpoint}/secrets`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{Operation, SecretInput};
use bellwire_domain::Secret;
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;

use super::EndpointAnswer;

body! {
    pub(super) struct SecretRotate<'a> {
        /// The new secret; by default, one is generated if the contract says so.
        secret: Option<Secret<String>>,
        /// How long the old secret signs together with the new one, such as `0s`, `30m` or `24h`; by default, `24h`.
        overlap: Option<Cow<'a, str>> as duration,
    }
}

/// Give an endpoint a new secret
///
/// Until the overlap ends, both sign. The new secret is in this answer and never shown again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/secrets", operation_id = "endpoints.rotate", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = Option<SecretRotate>, example = json!({ "secret": "another secret to guess", "overlap": "24h" })),
    responses((status = 201, description = "The endpoint with its new secret.", body = EndpointAnswer,
        example = json!(EndpointAnswer {
            secret: Some("another secret to guess".to_owned()), ..EndpointAnswer::sample() })),
        (status = 409, description = "The account has the secret, so many are active as may be, or the contract is not loaded."),
    )
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<(StatusCode, Json<EndpointAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read_or_empty(actor.identity.as_str()).await?;
    let SecretRotate { secret, overlap } = body::read(&body)?;
    let input = SecretInput { secret, overlap: overlap.as_deref() };
    let (endpoint, secret) = api.app.rotate_secret(&access, &endpoint, input).await?;
    let answer = EndpointAnswer::show(&api.app, &access, endpoint).with_secret(secret.as_ref());
    Ok((StatusCode::CREATED, Json(answer)))
}
