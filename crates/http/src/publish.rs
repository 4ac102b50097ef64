//! `POST /v1/accounts/{account}/events`: the hot path, and the receipt that it answers with.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::{EventInput, Fault, Operation};
use bellwire_domain::Timestamp;
use bellwire_store::EventReceipt;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{Array, ArrayBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::body;
use crate::body::{Fields, rules};
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

/// The route.
pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(publish))
}

/// The member of a batch that holds its events.
const LIST: &str = "events";

body! {
    /// An event.
    struct EventPublish<'a> {
        /// Its type, from the contract's catalogue.
        r#type: Cow<'a, str> as event_type,
        /// What is delivered, kept byte for byte.
        data: &'a RawValue,
        /// An id of your choice; publishing it again changes nothing. By default, one is generated.
        id: Option<Cow<'a, str>> as id,
        /// When it happened (RFC 3339); by default, now.
        occurred_at: Option<Timestamp>,
        /// Whom it is about, for later erasure.
        subjects: Option<Vec<String>> as subjects,
        /// If the event already exists, send it again to every endpoint that matches now.
        redeliver: Option<bool>,
    }
}

/// Several events; all are published, or none.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct EventBatch<'a> {
    /// The events, in order.
    #[schema(schema_with = batch)]
    events: Vec<EventPublish<'a>>,
}

/// The list of a batch.
fn batch() -> Array {
    let max = rules::LIMITS.batch_events_max;
    let events = ArrayBuilder::new().items(Ref::from_schema_name("EventPublish"));
    events.description(Some("The events, in order.")).min_items(Some(1)).max_items(Some(max)).build()
}

/// One event or several.
#[derive(ToSchema)]
#[serde(untagged)]
enum EventPublishBody<'a> {
    One(EventPublish<'a>),
    Several(EventBatch<'a>),
}

/// The result of publishing an event.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    /// The event's id.
    id: String,
    /// Its place in the account's log.
    seq: i64,
    /// How many deliveries it created when it was first published.
    deliveries: i64,
}

impl Receipt {
    /// An example, for the documentation.
    pub fn sample() -> Self {
        Self { id: "01946a2e-7c40-7000-8000-00000000000b".to_owned(), seq: 41, deliveries: 2 }
    }

    /// The receipt of a use-case.
    pub fn show(receipt: &EventReceipt) -> Self {
        Self { id: receipt.id.to_string(), seq: receipt.seq, deliveries: receipt.deliveries }
    }
}

/// The results of publishing several events, in order.
#[derive(Serialize, ToSchema)]
struct Receipts {
    /// One per event.
    items: Vec<Receipt>,
}

/// One answer or several.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum EventPublishAnswer {
    One(Receipt),
    Several(Receipts),
}

/// Publish an event, or several: all or none
///
/// Once this answers, the event and all its deliveries are stored. The same id with the same content gets the same answer again,
/// with status 200, and creates no new deliveries unless `redeliver` is true. With different content it is refused with 409.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/events", operation_id = "events.publish", tag = "events",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = EventPublishBody, examples(
        ("one" = (summary = "One event", value = json!({
            "type": "difference.created", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } }))),
        ("several" = (summary = "Several events, all or none", value = json!({ "events": [
            { "type": "difference.created", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } },
            { "type": "difference.resolved", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } },
        ] }))),
    )),
    responses(
        (status = 200, description = "Already stored: the same answer as before.", body = EventPublishAnswer,
            example = json!(EventPublishAnswer::One(Receipt::sample()))),
        (status = 201, description = "Stored, with their deliveries.", body = EventPublishAnswer,
            example = json!(EventPublishAnswer::One(Receipt::sample()))),
        (status = 409, description = "An event of this id has other content, or the contract is not loaded."),
        (status = 429, description = "Too many deliveries of the account are waiting, or it is asked for too often."),
    )
)]
async fn publish(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::EventPublish, &account).await?;
    let bytes = body.read(actor.identity.as_str()).await?;
    let (answer, receipts) = match EventPublishBody::read(&bytes, api.app.limits().batch_events_max)? {
        EventPublishBody::One(event) => {
            let receipts = api.app.publish(&access, &[event.into_input(&bytes, String::new())]).await?;
            (receipts.first().map(Receipt::show).map(EventPublishAnswer::One), receipts)
        }
        EventPublishBody::Several(EventBatch { events }) => {
            let places = (0..events.len()).map(|index| format!("/{LIST}/{index}"));
            let inputs: Vec<_> = events.into_iter().zip(places).map(|(event, place)| event.into_input(&bytes, place)).collect();
            let receipts = api.app.publish(&access, &inputs).await?;
            let items = receipts.iter().map(Receipt::show).collect();
            (Some(EventPublishAnswer::Several(Receipts { items })), receipts)
        }
    };
    let is_new = receipts.iter().any(|receipt| receipt.created);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(answer)).into_response())
}

impl<'a> EventPublishBody<'a> {
    fn read(bytes: &'a [u8], events_max: usize) -> Result<Self, Problem> {
        let (fields, list) = Fields::read_with_list(bytes, LIST, events_max)?;
        let Some(list) = list else {
            return body::whole(body::read_fields(fields)).map(Self::One);
        };
        body::whole((Some(()), fields.end(&[LIST])))?;
        if list.is_empty() {
            return Err(Problem::invalid(vec![Fault::new(format!("/{LIST}"), "must have at least one event")]));
        }
        let mut events = Vec::with_capacity(list.len());
        let mut faults = Vec::new();
        for (event, wrong) in list.into_iter().map(body::read_fields) {
            faults.extend(wrong);
            events.extend(event);
        }
        body::whole((Some(EventBatch { events }), faults)).map(Self::Several)
    }
}

impl<'a> EventPublish<'a> {
    /// For the use-case. `bytes` is the body that contains it.
    fn into_input(self, bytes: &Bytes, pointer: String) -> EventInput<'a> {
        EventInput {
            pointer,
            event_type: self.r#type,
            data: bytes.slice_ref(self.data.get().as_bytes()),
            id: self.id,
            occurred_at: self.occurred_at,
            subjects: self.subjects.unwrap_or_default(),
            redeliver: self.redeliver.unwrap_or(false),
        }
    }
}
