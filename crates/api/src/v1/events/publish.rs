//! `POST /v1/accounts/{account}/events`: the hot path.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::{EventInput, Fault, Operation};
use bellwire_store::EventReceipt;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::Receipt;
use crate::Api;
use crate::body::Fields;
use crate::extract::{Caller, JsonBody, Params};
use crate::problem::Problem;

/// An event.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct EventPublish {
    /// Its type, from the contract's catalogue.
    r#type: String,
    /// What is delivered, kept byte for byte.
    data: serde_json::Value,
    /// An id of your choice: publishing it again changes nothing. Left out, one is drawn.
    id: Option<String>,
    /// When it happened (RFC 3339); left out: now.
    occurred_at: Option<String>,
    /// Whom it is about, for erasure later.
    subjects: Option<Vec<String>>,
    /// When the event exists: send it again to every endpoint that matches now.
    redeliver: Option<bool>,
}

/// Several events, all published or none.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) struct EventBatch {
    /// The events, in order.
    events: Vec<EventPublish>,
}

/// One event or several.
#[derive(ToSchema)]
#[schema(as = EventPublishBody)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the body, which is read field by field")]
pub(super) enum Publication {
    One(EventPublish),
    Several(EventBatch),
}

/// What became of several events, in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct Receipts {
    /// One for each.
    items: Vec<Receipt>,
}

/// One answer or several.
#[derive(ToSchema)]
#[schema(as = EventPublishAnswer)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the answer, which is written as one or the other")]
pub(super) enum PublicationAnswer {
    One(Receipt),
    Several(Receipts),
}

/// Publish an event, or several: all or none
///
/// When this answers, the event and all its deliveries are stored. The same id with the same content again answers 200 and
/// the same, and makes no new deliveries unless `redeliver` is true; with other content it is refused with 409.
#[utoipa::path(
    post, path = "/v1/accounts/{account}/events", operation_id = "events.publish", tag = "events",
    params(("account" = String, Path, description = "The account's id.")),
    request_body(content = Publication, examples(
        ("one" = (summary = "One event", value = json!({
            "type": "difference.created", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } }))),
        ("several" = (summary = "Several events, all or none", value = json!({ "events": [
            { "type": "difference.created", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } },
            { "type": "difference.resolved", "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } },
        ] }))),
    )),
    responses(
        (status = 200, description = "All of them were stored already: the same answer as then.", body = PublicationAnswer,
            example = json!({ "id": "01946a2e-7c40-7000-8000-00000000000b", "seq": 41, "deliveries": 2 })),
        (status = 201, description = "Stored, with their deliveries.", body = PublicationAnswer,
            example = json!({ "id": "01946a2e-7c40-7000-8000-00000000000b", "seq": 41, "deliveries": 2 })),
    )
)]
pub(super) async fn publish(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::EventPublish, &account).await?;
    let body = body.read().await?;
    let (fields, list) = Fields::read_with_list(&body, "events", api.app.limits().batch_events_max)?;
    let Some(list) = list else {
        let (input, faults) = read_event(&body, fields);
        let input = valid(input, faults)?;
        let receipts = api.app.publish(&access, std::slice::from_ref(&input)).await?;
        let shown: Vec<Receipt> = receipts.iter().map(Receipt::show).collect();
        return Ok((status(&receipts), Json(shown.into_iter().next())).into_response());
    };
    let inputs = read_batch(&body, fields, list)?;
    let receipts = api.app.publish(&access, &inputs).await?;
    let answer = Receipts { items: receipts.iter().map(Receipt::show).collect() };
    Ok((status(&receipts), Json(answer)).into_response())
}

/// 201 when anything is new.
fn status(receipts: &[EventReceipt]) -> StatusCode {
    if receipts.iter().any(|receipt| receipt.created) { StatusCode::CREATED } else { StatusCode::OK }
}

fn valid<T>(value: Option<T>, faults: Vec<Fault>) -> Result<T, Problem> {
    value.filter(|_| faults.is_empty()).ok_or_else(|| Problem::invalid(faults))
}

fn read_batch<'a>(body: &Bytes, fields: Fields<'a>, list: Vec<Fields<'a>>) -> Result<Vec<EventInput<'a>>, Problem> {
    fields.finish()?;
    if list.is_empty() {
        return Err(Problem::invalid(vec![Fault::new("/events", "must have at least one event")]));
    }
    let mut inputs = Vec::with_capacity(list.len());
    let mut faults = Vec::new();
    for event in list {
        let (input, wrong) = read_event(body, event);
        faults.extend(wrong);
        inputs.extend(input);
    }
    valid(Some(inputs), faults)
}

/// One event of this body, and what is wrong with it.
fn read_event<'a>(body: &Bytes, mut fields: Fields<'a>) -> (Option<EventInput<'a>>, Vec<Fault>) {
    let event_type = fields.required_text("type");
    let data = fields.required_raw("data");
    let input = data.map(|data| EventInput {
        pointer: fields.pointer().to_owned(),
        event_type,
        data: body.slice_ref(data.get().as_bytes()),
        id: fields.text("id"),
        occurred_at: fields.instant("occurred_at"),
        subjects: fields.texts("subjects").unwrap_or_default(),
        redeliver: fields.flag("redeliver").unwrap_or(false),
    });
    if input.is_none() {
        for known in ["id", "occurred_at", "subjects", "redeliver"] {
            fields.raw(known); // of no use now, but not unknown either
        }
    }
    (input, fields.end())
}
