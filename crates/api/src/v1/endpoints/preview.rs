//! `POST /v1/accounts/{account}/endpoints/{endpoint}/preview`

use axum::Json;
use axum::extract::State;
use bellwire_app::{Operation, PreviewInput, PreviewedEvent};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::body::Change;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

body! {
    pub(super) struct EndpointPreview {
        /// The event types to try; null: all. As the endpoint has them, unless given.
        events: Change<Vec<String>> as event_types,
        /// Options of its contract to try, by name, as in an update. As the endpoint has them, unless given.
        options: Change<Map<String, Value>>,
    }
}

/// What an endpoint would get.
#[derive(Serialize, ToSchema)]
#[schema(as = EndpointPreviewAnswer)]
pub(super) struct Preview {
    /// How many events were looked at: the last ones of the account, up to 50.
    looked_at: usize,
    /// How many of them would go to the endpoint.
    matching: usize,
    /// All of them, newest first.
    items: Vec<Previewed>,
}

/// One of the events.
#[derive(Serialize, ToSchema)]
struct Previewed {
    /// The event's id.
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    event_type: String,
    /// When it happened.
    occurred_at: String,
    /// Whether it would go to the endpoint.
    matches: bool,
}

impl Preview {
    fn show(events: Vec<PreviewedEvent>) -> Self {
        let matching = events.iter().filter(|event| event.matches).count();
        let item = |event: PreviewedEvent| Previewed {
            id: event.id.to_string(),
            event_type: event.event_type.to_string(),
            occurred_at: event.occurred_at.to_string(),
            matches: event.matches,
        };
        Self { looked_at: events.len(), matching, items: events.into_iter().map(item).collect() }
    }

    fn sample() -> Self {
        let item = Previewed {
            id: "evt_01jhmy3k5r8v0c2n4q6t8w0y2a".to_owned(),
            event_type: "order.shipped".to_owned(),
            occurred_at: "2025-01-15T10:30:00Z".to_owned(),
            matches: true,
        };
        Self { looked_at: 1, matching: 1, items: vec![item] }
    }
}

/// Try an endpoint's choice on recent events
///
/// Says which of the account's last events would go to the endpoint: by their types, and by the filter of its contract with the options
/// that it has or that are given here. Nothing is changed and nothing is sent.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/endpoints/{endpoint}/preview", operation_id = "endpoints.preview", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = EndpointPreview, example = json!({})),
    responses((status = 200, description = "The events.", body = Preview, example = json!(Preview::sample())),
        (status = 409, description = "The contract of the account is not loaded."),
    )
)]
pub(super) async fn preview(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<Json<Preview>, Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let EndpointPreview { events, options } = body::read(&body)?;
    let wanted = PreviewInput { events: events.into_option(), options: options.into_option() };
    Ok(Json(Preview::show(api.app.preview_endpoint(&access, &endpoint, wanted).await?)))
}
