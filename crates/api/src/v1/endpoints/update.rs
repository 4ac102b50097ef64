//! `PATCH /v1/accounts/{account}/endpoints/{endpoint}`

use axum::Json;
use axum::extract::State;
use bellwire_app::{EndpointPatch, Operation, PayloadInput};
use bellwire_domain::{Secret, Timestamp};
use bellwire_http::Api;
use bellwire_http::body;
use bellwire_http::body::{Change, InFlightMax};
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use serde_json::{Map, Value};

use super::EndpointAnswer;

body! {
    pub(super) struct EndpointUpdate {
        /// Where deliveries go.
        url: Option<String> as url,
        /// A name for people; null removes it.
        name: Change<String> as name,
        /// The event types it wants; null: all.
        events: Change<Vec<String>> as event_types,
        /// Whether new events create deliveries for it.
        enabled: Option<bool>,
        /// Its own headers, replacing all of them.
        headers: Option<Vec<(String, String)>> as headers,
        /// How many requests may be in flight to it at once; null: the contract's limit.
        in_flight_max: Change<InFlightMax> as in_flight_max,
        /// Its rate limit, such as `10/s`, `600/m` or `1000/h`; null: the contract's, if any.
        rate_limit: Change<String> as rate_limit,
        /// How much of an event's data it is sent, if the contract allows a choice: `full`, `ids`, or a list of JSON pointers into the
        /// data; null: what the contract gives.
        payload: Change<PayloadInput>,
        /// Options of its contract that change, by name; null as the value of one takes its choice back, null in place of all takes all
        /// back.
        options: Change<Map<String, Value>>,
        /// Credentials that change, by name; null as the value of one removes it, null in place of all removes all.
        credentials: Change<Map<String, Value>>,
        /// Whether its answers are kept with its attempts, if the contract keeps answers.
        keep_answers: Option<bool>,
        /// When its lease ends, if the contract has leases: a later instant renews it. Null: never, where the contract allows that.
        expires_at: Change<Timestamp>,
    }
}

/// Change an endpoint
///
/// What is left out does not change.
#[utoipa::path(
    patch, path = "/v1/accounts/{account}/endpoints/{endpoint}", operation_id = "endpoints.update", tag = "endpoints",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("endpoint" = String, Path, description = "The endpoint's id."),
    ),
    request_body(content = EndpointUpdate, example = json!({ "url": "https://clinic.example/hooks/v2", "name": null, "rate_limit": "10/s" })),
    responses((status = 200, description = "The endpoint.", body = EndpointAnswer,
        example = json!(EndpointAnswer {
            url: "https://clinic.example/hooks/v2".to_owned(), name: None, ..EndpointAnswer::sample()
        })),
        (status = 409, description = "The contract of the account is not loaded, or its lease has ended and cannot be renewed."),
    )
)]
pub(super) async fn update(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, endpoint)): Params<(String, String)>,
    body: JsonBody,
) -> Result<Json<EndpointAnswer>, Problem> {
    let access = api.app.open_account(&actor, Operation::EndpointChange, &account).await?;
    let body = body.read(actor.identity.as_str()).await?;
    let EndpointUpdate {
        url,
        name,
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
    let patch = EndpointPatch {
        url,
        name: name.into_option(),
        events: events.into_option(),
        enabled,
        headers,
        in_flight_max: in_flight_max.into_option().map(|max| max.map(|InFlightMax(max)| max)),
        rate_limit: rate_limit.into_option(),
        payload: payload.into_option(),
        options: options.into_option(),
        credentials: credentials.into_option().map(|given| given.map(Secret::new)),
        keep_answers,
        expires_at: expires_at.into_option(),
        ..EndpointPatch::default()
    };
    let endpoint = api.app.update_endpoint(&access, &endpoint, patch).await?;
    Ok(Json(EndpointAnswer::show_whole(&api.app, &access, endpoint).await?))
}
