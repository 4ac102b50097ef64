//! `PATCH /v1/accounts/{account}/endpoints/{endpoint}`

use axum::Json;
use axum::extract::State;
use bellwire_app::{EndpointPatch, Operation};
use utoipa::ToSchema;

use super::{EndpointAnswer, HeaderList};
use crate::Api;
use crate::body::Fields;
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct EndpointUpdate {
    /// Where deliveries go.
    url: Option<String>,
    /// A name for people; null removes it.
    name: Option<String>,
    /// The event types it wants; null: all.
    events: Option<Vec<String>>,
    /// Whether new events make deliveries for it.
    enabled: Option<bool>,
    /// Headers of its own, all of them.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    headers: Option<HeaderList>,
    /// Requests in flight at once that it takes; null: as many as the operator gives every endpoint.
    #[schema(minimum = 1, maximum = 10_000)]
    in_flight_max: Option<u32>,
    /// Requests in a span of time that it takes, such as `10/s`, `600/m` or `1000/h`; null: any number.
    rate_limit: Option<String>,
}

/// Change an endpoint
///
/// What is left out stays as it is.
#[utoipa::path(
    patch, path = "/v1/accounts/{account}/endpoints/{endpoint}", operation_id = "endpoints.update", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = EndpointUpdate, example = json!({ "url": "https://clinic.example/hooks/v2", "name": null, "rate_limit": "10/s" })),
    responses((status = 200, description = "The endpoint.", body = EndpointAnswer, example = json!({
        "id": "01946a2e-7c40-7000-8000-000000000001", "account": "clinic-7", "url": "https://clinic.example/hooks/v2",
        "name": null, "events": ["difference.created"], "enabled": true, "health": "active", "headers": {},
        "in_flight_max": null, "rate_limit": "10/s",
        "created_at": "2025-01-15T10:30:00.000000Z", "updated_at": "2025-01-16T08:00:00.000000Z" })))
)]
pub(super) async fn update(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<Json<EndpointAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read().await?;
    let mut fields = Fields::read(&body)?;
    let patch = EndpointPatch {
        url: fields.text("url").map(Into::into),
        name: fields.nullable_text("name"),
        events: fields.nullable_texts("events"),
        enabled: fields.flag("enabled"),
        headers: fields.text_members("headers"),
        in_flight_max: fields.nullable_whole("in_flight_max"),
        rate_limit: fields.nullable_text("rate_limit"),
    };
    fields.finish()?;
    let endpoint = api.app.update_endpoint(&access, &endpoint, patch).await?;
    Ok(Json(EndpointAnswer::show(&api.app, &access, endpoint)))
}
