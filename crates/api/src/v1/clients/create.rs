//! `POST /v1/accounts/{account}/clients`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{ClientInput, Operation};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use serde_json::{Map, Value};

use super::ClientAnswer;

body! {
    pub(super) struct ClientCreate {
        /// A name for people.
        name: Option<String> as name,
        /// Where the client publishes its public keys as a JSON Web Key Set; either this or `jwks`.
        jwks_url: Option<String> as url,
        /// Its public keys as a JSON Web Key Set, with an RSA key of 2048 bits or more, or one on P-384; either this or `jwks_url`.
        jwks: Option<Map<String, Value>>,
    }
}

/// Register a client of a published API
///
/// For contracts whose published API has `tokens`. The client signs assertions with its private key, and gets access tokens for them, with
/// which it acts as the account.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/clients", operation_id = "clients.create", tag = "clients",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = ClientCreate,
        example = json!({ "name": "Ward system", "jwks_url": "https://ehr.example/jwks.json" })),
    responses((status = 201, description = "The client.", body = ClientAnswer, example = json!(ClientAnswer::sample())),
        (status = 409, description = "The account has as many as it may."),
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<ClientAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::ClientManage, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let ClientCreate { name, jwks_url, jwks } = body::read(&body)?;
    let client = api.app.create_client(&access, ClientInput { name, jwks_url, jwks }).await?;
    Ok((StatusCode::CREATED, Json(ClientAnswer::show(&client))))
}
