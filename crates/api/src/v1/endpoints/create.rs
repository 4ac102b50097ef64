//! `POST /v1/accounts/{account}/endpoints`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bellwire_app::{EndpointInput, Operation};
use utoipa::ToSchema;

use super::{EndpointAnswer, HeaderList, owned};
use crate::Api;
use crate::body::Fields;
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct EndpointCreate {
    /// Where deliveries go.
    url: String,
    /// A name for people.
    name: Option<String>,
    /// Its secret, where the contract lets it have one. Left out, one is drawn if the contract says so.
    secret: Option<String>,
    /// The event types it wants, where the contract gives a choice. Left out: all.
    events: Option<Vec<String>>,
    /// Whether it starts enabled. Left out: as the contract says.
    enabled: Option<bool>,
    /// Headers of its own, where the contract lets it have some.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    headers: Option<HeaderList>,
    /// Requests in flight at once that it takes. Left out: as many as the operator gives every endpoint.
    #[schema(minimum = 1, maximum = 10_000)]
    in_flight_max: Option<u32>,
    /// Requests in a span of time that it takes, such as `10/s`, `600/m` or `1000/h`. Left out: any number.
    rate_limit: Option<String>,
}

/// Register an endpoint
///
/// The secret is in this answer and never again.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints", operation_id = "endpoints.create", tag = "endpoints",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = EndpointCreate,
        example = json!({ "url": "https://clinic.example/hooks", "name": "Intake", "secret": "a secret that nobody can guess" })),
    responses((status = 201, description = "The endpoint.", body = EndpointAnswer, example = json!({
        "id": "01946a2e-7c40-7000-8000-000000000001", "account": "clinic-7", "url": "https://clinic.example/hooks",
        "name": "Intake", "events": ["difference.created"], "enabled": true, "health": "active", "headers": {},
        "in_flight_max": null, "rate_limit": null,
        "created_at": "2025-01-15T10:30:00.000000Z", "updated_at": "2025-01-15T10:30:00.000000Z",
        "secret": "a secret that nobody can guess" })))
)]
pub(super) async fn create(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<EndpointAnswer>), Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read().await?;
    let mut fields = Fields::read(&body)?;
    let input = EndpointInput {
        url: fields.required_text("url").into_owned(),
        name: fields.text("name").map(Into::into),
        secret: fields.text("secret").map(owned),
        events: fields.texts("events"),
        enabled: fields.flag("enabled"),
        headers: fields.text_members("headers").unwrap_or_default(),
        in_flight_max: fields.whole("in_flight_max"),
        rate_limit: fields.text("rate_limit").map(Into::into),
    };
    fields.finish()?;
    let (endpoint, secret) = api.app.create_endpoint(&access, input).await?;
    let answer = EndpointAnswer::show(&api.app, &access, endpoint).with_secret(secret.as_ref());
    Ok((StatusCode::CREATED, Json(answer)))
}
