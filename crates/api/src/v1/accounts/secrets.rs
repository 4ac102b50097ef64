//! `POST /v1/accounts/{account}/secrets`

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

use super::AccountAnswer;

body! {
    pub(super) struct AccountSecretRotate<'a> {
        /// The new secret; by default, one is generated.
        secret: Option<Secret<String>>,
        /// How long the old secret stays valid, such as `0s`, `30m` or `24h`; by default, `24h`.
        overlap: Option<Cow<'a, str>> as duration,
    }
}

/// Give an account a new secret
///
/// For contracts with one secret per account. Until the overlap ends, both are valid; the contract says which of them a request
/// carries. The new secret is in this answer and never shown again, unless the contract allows reading it.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/secrets", operation_id = "accounts.rotate", tag = "accounts",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = Option<AccountSecretRotate>, example = json!({ "secret": "another secret to guess", "overlap": "24h" })),
    responses((status = 201, description = "The account with its new secret.", body = AccountAnswer,
        example = json!(AccountAnswer {
            contract: "novamed".to_owned(), secret: Some("another secret to guess".to_owned()), ..AccountAnswer::sample() })),
        (status = 409, description = "The endpoints have the secrets, so many are active as may be, or the contract is not loaded."),
    )
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<AccountAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read_or_empty(actor.identity.as_str()).await?;
    let AccountSecretRotate { secret, overlap } = body::read(&body)?;
    let input = SecretInput { secret, overlap: overlap.as_deref() };
    let (account, secret) = api.app.rotate_account_secret(&access, input).await?;
    Ok((StatusCode::CREATED, Json(AccountAnswer::show(&account).with_secret(secret.as_ref()))))
}
