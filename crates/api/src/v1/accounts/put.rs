//! `PUT /v1/accounts/{account}`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{AccountInput, Operation};
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
pub(super) struct AccountPut {
    /// The name of its contract; fixed once the account exists.
    contract: String,
    /// A name for people.
    name: Option<String>,
    /// Under contracts that give an account the secret: that secret, which replaces an older one at once (to let both be good for a
    /// while, rotate it). Left out, it stays; a new account gets a generated one.
    secret: Option<String>,
    /// Whether it is for trying out.
    sandbox: Option<bool>,
    /// Event types granted beyond what the contract gives everyone.
    entitlements: Option<Vec<String>>,
}

/// Create or change an account
///
/// The body is the whole account: what is left out has its default, except the secret, which stays.
#[utoipa::path(
    put, path = "/v1/accounts/{account}", operation_id = "accounts.put", tag = "accounts",
    params(("account" = String, Path, description = "The account's id, chosen by you.")),
    request_body(content = AccountPut, example = json!({ "contract": "noyo", "name": "Clinic 7" })),
    responses(
        (status = 200, description = "Changed.", body = AccountAnswer, example = json!({
            "id": "clinic-7", "contract": "noyo", "name": "Clinic 7", "sandbox": false, "entitlements": [],
            "created_at": "2025-01-15T10:30:00.000000Z", "updated_at": "2025-01-16T08:00:00.000000Z" })),
        (status = 201, description = "Created.", body = AccountAnswer, example = json!({
            "id": "clinic-7", "contract": "noyo", "name": "Clinic 7", "sandbox": false, "entitlements": [],
            "created_at": "2025-01-15T10:30:00.000000Z", "updated_at": "2025-01-15T10:30:00.000000Z" })),
    )
)]
pub(super) async fn put(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<AccountAnswer>), Problem> {
    let scope = api.app.permit(&actor, Operation::AccountManage)?;
    let body = body.read().await?;
    let mut fields = Fields::read(&body)?;
    let contract = fields.required_text("contract");
    let input = AccountInput {
        id: &id,
        contract: &contract,
        name: fields.text("name").map(Into::into),
        secret: fields.text("secret").map(|text| Secret::new(text.into_owned())),
        sandbox: fields.flag("sandbox").unwrap_or(false),
        entitlements: fields.texts("entitlements").unwrap_or_default(),
    };
    fields.finish()?;
    let answer = api.app.put_account(&scope, input).await?;
    let status = if answer.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(AccountAnswer::show(&answer.account).with_secret(answer.secret.as_ref()))))
}
