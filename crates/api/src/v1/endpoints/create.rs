//! `POST /v1/accounts/{account}/endpoints`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{EndpointInput, Operation, PayloadInput};
use bellwire_domain::{Secret, Timestamp};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::body::{Change, InFlightMax};
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use serde_json::{Map, Value};

use super::EndpointAnswer;

body! {
    pub(super) struct EndpointCreate {
        /// Where deliveries go.
        url: String as url,
        /// A name for people.
        name: Option<String> as name,
        /// Its secret, if the contract allows one. By default, one is generated if the contract says so.
        secret: Option<Secret<String>>,
        /// The event types it wants, if the contract allows a choice; by default, all.
        events: Option<Vec<String>> as event_types,
        /// Whether it starts enabled; by default, as the contract says.
        enabled: Option<bool>,
        /// Its own headers, if the contract allows them.
        headers: Option<Vec<(String, String)>> as headers,
        /// How many requests may be in flight to it at once; by default, the contract's limit.
        in_flight_max: Option<InFlightMax> as in_flight_max,
        /// Its rate limit, such as `10/s`, `600/m` or `1000/h`; by default, the contract's, if any.
        rate_limit: Option<String> as rate_limit,
        /// How much of an event's data it is sent, if the contract allows a choice: `full`, `ids`, or a list of JSON pointers into the
        /// data; by default, what the contract gives.
        payload: Option<PayloadInput>,
        /// What it chooses of its contract's options, by name.
        options: Option<Map<String, Value>>,
        /// The credentials that its contract asks for, by name: texts, which are shown to nobody again.
        credentials: Option<Map<String, Value>>,
        /// Whether its answers are kept with its attempts, if the contract keeps answers; by default, they are.
        keep_answers: Option<bool>,
        /// When its lease ends, if the contract has leases; null: never, where it allows that. By default, as the contract says.
        expires_at: Change<Timestamp>,
    }
}

/// Register an endpoint
///
/// The secret is in this answer and never shown again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints", operation_id = "endpoints.create", tag = "endpoints",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = EndpointCreate,
        example = json!({ "url": "https://clinic.example/hooks", "name": "Intake", "secret": "a secret that nobody can guess" })),
    responses((status = 201, description = "The endpoint.", body = EndpointAnswer,
        example = json!(EndpointAnswer {
            secret: Some("a secret that nobody can guess".to_owned()), ..EndpointAnswer::sample() })),
        (status = 409, description = "The account has as many as it may, or is a sandbox without webhooks, or its contract is not loaded."),
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<EndpointAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let EndpointCreate {
        url,
        name,
        secret,
        events,
        enabled,
        headers,
        in_flight_max,
        rate_limit,
        payload,
        options,
        credentials,
        keep_answers,
        expires_at,
    } = body::read(&body)?;
    let input = EndpointInput {
        url,
        name,
        secret,
        events,
        enabled,
        headers: headers.unwrap_or_default(),
        in_flight_max: in_flight_max.map(|InFlightMax(max)| max),
        rate_limit,
        payload,
        options,
        credentials: credentials.map(Secret::new),
        keep_answers,
        expires_at: expires_at.into_option(),
        lease: None,
    };
    let (endpoint, secret) = api.app.create_endpoint(&access, input).await?;
    let answer = EndpointAnswer::show_whole(&api.app, &access, endpoint).await?.with_secret(secret.as_ref());
    Ok((StatusCode::CREATED, Json(answer)))
}
