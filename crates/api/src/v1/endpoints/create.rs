//! `POST /v1/accounts/{account}/endpoints`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{EndpointInput, Operation};
use bellwire_domain::Secret;

use super::EndpointAnswer;
use crate::Api;
use crate::body::{self, InFlightMax, body};
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

body! {
    pub(super) struct EndpointCreate {
        /// Where deliveries go.
        url: String,
        /// A name for people.
        name: Option<String>,
        /// Its secret, where the contract lets it have one. Left out, one is drawn if the contract says so.
        secret: Option<Secret<String>>,
        /// The event types it wants, where the contract gives a choice. Left out: all.
        events: Option<Vec<String>>,
        /// Whether it starts enabled. Left out: as the contract says.
        enabled: Option<bool>,
        /// Headers of its own, where the contract lets it have some.
        headers: Option<Vec<(String, String)>>,
        /// Requests in flight at once that it takes. Left out: as many as the operator gives every endpoint.
        in_flight_max: Option<InFlightMax>,
        /// Requests in a span of time that it takes, such as `10/s`, `600/m` or `1000/h`. Left out: any number.
        rate_limit: Option<String>,
    }
}

/// Register an endpoint
///
/// The secret is in this answer and never again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints", operation_id = "endpoints.create", tag = "endpoints",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = EndpointCreate,
        example = json!({ "url": "https://clinic.example/hooks", "name": "Intake", "secret": "a secret that nobody can guess" })),
    responses((status = 201, description = "The endpoint.", body = EndpointAnswer,
        example = json!(EndpointAnswer { secret: Some("a secret that nobody can guess".to_owned()), ..EndpointAnswer::sample() })))
)]
pub(super) async fn create(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<EndpointAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read().await?;
    let EndpointCreate { url, name, secret, events, enabled, headers, in_flight_max, rate_limit } = body::read(&body)?;
    let input = EndpointInput {
        url,
        name,
        secret,
        events,
        enabled,
        headers: headers.unwrap_or_default(),
        in_flight_max: in_flight_max.map(|InFlightMax(max)| max),
        rate_limit,
    };
    let (endpoint, secret) = api.app.create_endpoint(&access, input).await?;
    let answer = EndpointAnswer::show(&api.app, &access, endpoint).with_secret(secret.as_ref());
    Ok((StatusCode::CREATED, Json(answer)))
}
