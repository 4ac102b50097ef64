//! `PUT /v1/accounts/{account}/resources/{kind}/{id}`

use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use bellwire_app::{Operation, ResourceInput};
use bellwire_domain::EventType;
use bellwire_http::Api;
use bellwire_http::body::Fields;
use bellwire_http::extract::{Caller, JsonBody, Params};
use bellwire_http::problem::Problem;
use bellwire_store::EventReceipt;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::etag;
use super::precondition::precondition;

/// The result of putting a resource.
#[derive(Serialize, ToSchema)]
#[schema(as = ResourcePutAnswer)]
pub(super) struct PutAnswer {
    /// Its kind.
    kind: String,
    /// Its id.
    id: String,
    /// Its state.
    state: String,
    /// Starts at 1 and grows by one with each change.
    version: i64,
    /// The events that this change caused.
    events: Vec<CausedEvent>,
}

/// An event that a change caused.
#[derive(Serialize, ToSchema)]
struct CausedEvent {
    /// Its id.
    id: String,
    /// Its type.
    r#type: String,
    /// Its place in the account's log.
    seq: i64,
}

impl PutAnswer {
    fn sample() -> Self {
        let event = CausedEvent {
            id: "01946a2e-7c40-7000-8000-00000000000a".to_owned(),
            r#type: "difference.created".to_owned(),
            seq: 41,
        };
        Self {
            kind: "difference".to_owned(),
            id: "eb73184b-ae3c-4411-aa82-3c3bd877cf78".to_owned(),
            state: "processing".to_owned(),
            version: 1,
            events: vec![event],
        }
    }
}

/// Put a resource's new state; the contract says which events that causes
///
/// The document, its events and all their deliveries are stored together, or not at all. A change that the contract does not
/// allow is refused with 409. Putting the same document again changes nothing and causes nothing.
#[utoipa::path(
    put, path = "/v1/accounts/{account}/resources/{kind}/{id}", operation_id = "resources.put", tag = "resources",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("kind" = String, Path, description = "A kind of resource of the account's contract."),
        ("id" = String, Path, description = "The resource's id."),
        ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#,
            description = "Only if the resource has one of these versions (its `ETag`s); `*`: any version."),
        ("If-None-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#,
            description = "Only if the resource has none of these versions; `*`: only if it does not exist yet."),
    ),
    request_body(content = BTreeMap<String, serde_json::Value>, description = "The whole document, kept byte for byte.",
        example = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78", "status": "processing" })),
    responses(
        (status = 200, description = "Changed, or the same as before.", body = PutAnswer,
            headers(("etag" = String, description = "The version.")), example = json!(PutAnswer::sample())),
        (status = 201, description = "Stored for the first time.", body = PutAnswer,
            headers(("etag" = String, description = "The version.")), example = json!(PutAnswer::sample())),
        (status = 409, description = "The contract does not allow the change or is not loaded, or an event of it exists with other content."),
        (status = 412, description = "What is stored is not what `If-Match` or `If-None-Match` asks for."),
        (status = 429, description = "Too many deliveries of the account are waiting, or it is asked for too often."),
    )
)]
pub(super) async fn put(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params((account, kind, id)): Params<(String, String, String)>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let access = api.app.open_account(&actor, Operation::ResourcePut, &account).await?;
    let precondition = precondition(&headers)?;
    let body = body.read(actor.identity.as_str()).await?;
    drop(Fields::read(&body)?); // an object; what is in it is the contract's matter
    // Copied on purpose: a slice would keep the connection's whole read buffer in memory until the last delivery ends.
    let document = Bytes::copy_from_slice(&body);
    let input = ResourceInput { kind: &kind, id: &id, document, precondition };
    let answer = api.app.put_resource(&access, input).await?;
    let status = if answer.created { StatusCode::CREATED } else { StatusCode::OK };
    let event = |(receipt, event_type): (EventReceipt, EventType)| CausedEvent {
        id: receipt.id.to_string(),
        r#type: event_type.to_string(),
        seq: receipt.seq,
    };
    let tag = etag(answer.version);
    let events = answer.events.into_iter().map(event).collect();
    Ok((status, [(ETAG, tag)], Json(PutAnswer { kind, id, state: answer.state, version: answer.version, events })))
}
