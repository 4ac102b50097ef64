//! `GET /v1/contracts/{contract}/keys` and `POST /v1/contracts/{contract}/keys`

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{ListedKey, Operation, SecretInput};
use bellwire_domain::Secret;
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::query::Query;

/// The public half of a key with which a contract signs for all of its accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = ContractKey)]
pub(super) struct KeyAnswer {
    /// The first 16 hexadecimal digits of the SHA-256 of its SPKI, which a contract may show as `key.id`.
    id: String,
    /// Which of the contract's it is, which a contract may show as `key.version`: 1 is the first.
    version: i64,
    /// The name of its algorithm in JOSE.
    algorithm: String,
    /// The key as PEM.
    pem: String,
    /// The key as a JSON Web Key.
    #[schema(value_type = Object)]
    jwk: Box<RawValue>,
    /// When it was made.
    created_at: String,
    /// The end of its overlap with a newer one; null: it is the newest.
    expires_at: Option<String>,
}

/// All that sign now.
#[derive(Serialize, ToSchema)]
#[schema(as = ContractKeys)]
pub(super) struct KeysAnswer {
    /// The newest first.
    items: Vec<KeyAnswer>,
}

body! {
    pub(super) struct ContractKeyRotate<'a> {
        /// The private key as PEM; by default, one is drawn.
        private_key: Option<Secret<String>>,
        /// How long the old key signs together with the new one, such as `0s`, `30m` or `24h`; by default, `24h`.
        overlap: Option<Cow<'a, str>> as duration,
    }
}

impl KeyAnswer {
    fn sample() -> Self {
        Self {
            id: "21fe31dfa154a261".to_owned(),
            version: 2,
            algorithm: "EdDSA".to_owned(),
            pem: "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n-----END PUBLIC KEY-----\n"
                .to_owned(),
            jwk: RawValue::from_string(
                r#"{"kty":"OKP","crv":"Ed25519","x":"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg","kid":"21fe31dfa154a261"}"#
                    .to_owned(),
            )
            .unwrap_or_default(),
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            expires_at: None,
        }
    }

    fn show(listed: ListedKey) -> Self {
        Self {
            id: listed.key.id,
            version: listed.version,
            algorithm: listed.key.algorithm.to_owned(),
            pem: listed.key.pem,
            jwk: RawValue::from_string(listed.key.jwk).unwrap_or_default(),
            created_at: listed.created_at.to_string(),
            expires_at: listed.expires_at.map(|end| end.to_string()),
        }
    }
}

/// List the keys of a contract
///
/// For contracts with `secret: { from: contract }`: the public halves of all keys that sign now. Others have none.
#[utoipa::path(
    get, path = "/v1/contracts/{contract}/keys", operation_id = "contracts.keys", tag = "contracts",
    params(
        ("contract" = String, Path, description = "The contract's name."),
        ("version" = Option<String>, Query, description = "Which version; without it the default, or the account's for its own key."),
    ),
    responses((status = 200, description = "The keys.", body = KeysAnswer,
        example = json!(KeysAnswer { items: vec![KeyAnswer::sample()] })))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(name): Params<String>,
    mut query: Query,
) -> Result<Json<KeysAnswer>, Problem> {
    let scope = api.app.permit(&actor, Operation::ContractRead)?;
    let version = query.text("version")?;
    query.finish()?;
    let found = api.app.get_contract(&scope, &name, version.as_deref()).await?;
    let keys = api.app.list_contract_keys(&found.contract).await?;
    Ok(Json(KeysAnswer { items: keys.into_iter().map(KeyAnswer::show).collect() }))
}

/// Give a contract a new key
///
/// For contracts with `secret: { from: contract }`, whose key signs for all accounts. Until the overlap ends, both are active, and the
/// contract says which of them sign. The private half is never shown.
#[utoipa::path(
    post, path = "/v1/contracts/{contract}/keys", operation_id = "contracts.rotate", tag = "contracts",
    params(
        ("contract" = String, Path, description = "The contract's name."),
        ("version" = Option<String>, Query, description = "Which version; without it the default."),
    ),
    request_body(content = Option<ContractKeyRotate>, example = json!({ "overlap": "24h" })),
    responses((status = 201, description = "The new key.", body = KeyAnswer, example = json!(KeyAnswer::sample())),
        (status = 409, description = "The contract has no keys of its own, or so many are active as may be."),
    )
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(name): Params<String>,
    mut query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<KeyAnswer>), Problem> {
    let scope = api.app.permit(&actor, Operation::ContractKeyRotate)?;
    let version = query.text("version")?;
    query.finish()?;
    let body = body.read_or_empty(actor.identity.as_str()).await?;
    let ContractKeyRotate { private_key, overlap } = body::read(&body)?;
    let found = api.app.get_contract(&scope, &name, version.as_deref()).await?;
    let input = SecretInput { secret: private_key, overlap: overlap.as_deref() };
    let key = api.app.rotate_contract_key(&scope, &found.contract, input).await?;
    Ok((StatusCode::CREATED, Json(KeyAnswer::show(key))))
}
