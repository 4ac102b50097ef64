//! `POST /v1/accounts/{account}/secrets`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{Operation, SecretInput};
use bellwire_domain::Secret;
use utoipa::ToSchema;

use super::AccountAnswer;
use crate::Api;
use crate::body::Fields;
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct AccountSecretRotate {
    /// The new secret. Left out, one is drawn.
    secret: Option<String>,
    /// How long the old secret is good beside the new one, such as `0s`, `30m` or `24h`. Left out: `24h`.
    overlap: Option<String>,
}

/// Give an account a new secret
///
/// For contracts that give an account one secret for all of its endpoints. Until the overlap ends both are good; which of them a
/// request carries the contract says. The new secret is in this answer and never again, unless the contract lets it be read.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/secrets", operation_id = "accounts.rotate", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = AccountSecretRotate, example = json!({ "secret": "another secret to guess", "overlap": "24h" })),
    responses((status = 201, description = "The account with its new secret.", body = AccountAnswer, example = json!({
        "id": "clinic-7", "contract": "novamed", "name": "Clinic 7", "sandbox": false, "entitlements": [],
        "created_at": "2025-01-15T10:30:00.000000Z", "updated_at": "2025-01-16T08:00:00.000000Z",
        "secret": "another secret to guess" })))
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<AccountAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read_or_empty().await?;
    let mut fields = Fields::read(&body)?;
    let secret = fields.text("secret").map(|text| Secret::new(text.into_owned()));
    let overlap = fields.text("overlap");
    fields.finish()?;
    let input = SecretInput { secret, overlap: overlap.as_deref() };
    let (account, secret) = api.app.rotate_account_secret(&access, input).await?;
    Ok((StatusCode::CREATED, Json(AccountAnswer::show(&account).with_secret(Some(&secret)))))
}
