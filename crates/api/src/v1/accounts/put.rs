//! `PUT /v1/accounts/{account}`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{AccountInput, Operation};
use bellwire_domain::{RetentionPeriods, Secret};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;

use super::AccountAnswer;

body! {
    pub(super) struct AccountPut<'a> {
        /// The name of its contract; fixed once the account exists.
        contract: Cow<'a, str>,
        /// The version of the contract, for good. If left out, the account follows the contract's default. Another one than before moves
        /// the account: what is rendered from then on is in that version.
        contract_version: Option<Cow<'a, str>>,
        /// A name for people.
        name: Option<String> as name,
        /// The account's secret, if the contract has secrets per account. It replaces an older one at once; to keep both valid
        /// for a while, rotate it. If left out, it stays; a new account gets a generated one.
        secret: Option<Secret<String>>,
        /// Whether it is a sandbox.
        sandbox: Option<bool>,
        /// Event types granted beyond what the contract gives everyone.
        entitlements: Option<Vec<String>> as entitlements,
        /// How many days what is the account's is kept, by class; a class that is left out is kept as long as everybody's.
        retention: Option<RetentionPeriods>,
    }
}

/// Create or change an account
///
/// The body is the whole account: what is left out gets its default, except the secret, which stays.
#[utoipa::path(
    put, path = "/v1/accounts/{account}", operation_id = "accounts.put", tag = "accounts",
    params(("account" = String, Path, description = "The account's id, chosen by you.")),
    request_body(content = AccountPut, example = json!({ "contract": "noyo", "name": "Clinic 7" })),
    responses(
        (status = 200, description = "Changed.", body = AccountAnswer, example = json!(AccountAnswer::sample())),
        (status = 201, description = "Created.", body = AccountAnswer, example = json!(AccountAnswer::sample())),
        (status = 409, description = "It exists under another contract, is being deleted, or its secrets are of no use in that version."),
    )
)]
pub(super) async fn put(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(id): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<AccountAnswer>), Problem> {
    let scope = api.app.permit(&actor, Operation::AccountManage)?;
    let body = body.read(actor.identity.as_str()).await?;
    let AccountPut { contract, contract_version, name, secret, sandbox, entitlements, retention } = body::read(&body)?;
    let input = AccountInput {
        id: &id,
        contract: &contract,
        contract_version: contract_version.as_deref(),
        name,
        secret,
        sandbox: sandbox.unwrap_or(false),
        entitlements: entitlements.unwrap_or_default(),
        retention: retention.unwrap_or_default(),
    };
    let answer = api.app.put_account(&scope, input).await?;
    let status = if answer.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(AccountAnswer::show(&answer.account).with_secret(answer.secret.as_ref()))))
}
