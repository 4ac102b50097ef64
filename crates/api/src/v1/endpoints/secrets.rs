//! `POST /v1/accounts/{account}/endpoints/{endpoint}/secrets`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{Operation, SecretInput};
use utoipa::ToSchema;

use super::{EndpointAnswer, owned};
use crate::Api;
use crate::body::Fields;
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct SecretRotate {
    /// The new secret. Left out, one is drawn where the contract says so.
    secret: Option<String>,
    /// How long the old secret signs beside the new one, such as `0s`, `30m` or `24h`. Left out: `24h`.
    overlap: Option<String>,
}

/// Give an endpoint a new secret
///
/// Until the overlap ends both sign. The new secret is in this answer and never again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/secrets", operation_id = "endpoints.rotate", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = SecretRotate, example = json!({ "secret": "another secret to guess", "overlap": "24h" })),
    responses((status = 201, description = "The endpoint with its new secret.", body = EndpointAnswer, example = json!({
        "id": "01946a2e-7c40-7000-8000-000000000001", "account": "clinic-7", "url": "https://clinic.example/hooks",
        "name": "Intake", "events": ["difference.created"], "enabled": true, "health": "active", "headers": {},
        "in_flight_max": null, "rate_limit": null,
        "created_at": "2025-01-15T10:30:00.000000Z", "updated_at": "2025-01-16T08:00:00.000000Z",
        "secret": "another secret to guess" })))
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<(StatusCode, Json<EndpointAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read_or_empty().await?;
    let mut fields = Fields::read(&body)?;
    let (secret, overlap) = (fields.text("secret").map(owned), fields.text("overlap"));
    fields.finish()?;
    let input = SecretInput { secret, overlap: overlap.as_deref() };
    let (endpoint, secret) = api.app.rotate_secret(&access, &endpoint, input).await?;
    let answer = EndpointAnswer::show(&api.app, &access, endpoint).with_secret(Some(&secret));
    Ok((StatusCode::CREATED, Json(answer)))
}
