//! `GET /v1/accounts/{account}/events`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bellwire_app::{ArrivalInput, Operation};
use bellwire_domain::{DataRemoval, EventType};
use bellwire_http::Api;
use bellwire_http::extract::{Caller, Params};
use bellwire_http::problem::{Code, Problem};
use bellwire_store::{Event, EventQuery};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::answer::List;
use crate::query::Query;

/// An event of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventAnswer<'a> {
    /// Its id.
    id: &'a str,
    /// Its place in the account's log, without gaps.
    seq: i64,
    /// Its type.
    r#type: &'a str,
    /// When it happened.
    occurred_at: String,
    /// When it was accepted.
    created_at: String,
    /// Whether it is a test event.
    test: bool,
    /// How many deliveries it created when it was first published.
    deliveries: i64,
    /// The posted data, byte for byte; `null` where it was removed.
    #[schema(value_type = serde_json::Value)]
    data: &'a RawValue,
    /// Why the data is not there any more: `erased` or `expired`. Left out where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<&'static str>,
}

impl<'a> EventAnswer<'a> {
    pub(super) fn show(event: &'a Event) -> Result<Self, Problem> {
        let data = serde_json::from_slice(&event.data);
        Ok(Self {
            id: event.id.as_str(),
            seq: event.seq,
            r#type: event.event_type.as_str(),
            occurred_at: event.occurred_at.to_string(),
            created_at: event.created_at.to_string(),
            test: event.is_test,
            deliveries: event.deliveries,
            removed: event.removed.map(DataRemoval::as_str),
            data: data.map_err(|error| Problem::internal(&format!("the data of event {} is not JSON: {error}", event.seq)))?,
        })
    }
}

impl EventAnswer<'static> {
    pub(super) fn sample() -> Self {
        Self {
            id: "01946a2e-7c40-7000-8000-00000000000b",
            seq: 41,
            r#type: "difference.created",
            occurred_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            created_at: "2025-01-15T10:30:00.000000Z".to_owned(),
            test: false,
            deliveries: 2,
            data: serde_json::from_str(r#"{ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" }"#).unwrap_or(RawValue::NULL),
            removed: None,
        }
    }
}

/// Read an account's log in the order of `seq`
///
/// For polling, and for checking whether anything was missed: `seq` has no gaps, and `delivered=false` lists what was delivered
/// nowhere. Test events never count as missed. A page may have fewer items than `limit`, or none, and still have a `next`;
/// if `next` is null, the log has ended.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/events", operation_id = "events.list", tag = "events",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("limit" = Option<u32>, Query, description = "The most items to return."),
        ("after" = Option<i64>, Query, description = "Only events after this `seq`: the `next` of the previous page, or the last one seen."),
        ("type" = Option<String>, Query, description = "Only events of this type."),
        ("since" = Option<String>, Query, description = "Only events that happened at or after this instant."),
        ("until" = Option<String>, Query, description = "Only events that happened before this instant."),
        ("delivered" = Option<bool>, Query,
            description = "`false`: only events that have not been delivered; `true`: only those that have."),
        ("endpoint" = Option<String>, Query,
            description = "With `delivered`: to this endpoint, of the types it has chosen. By default, to any endpoint."),
    ),
    responses((status = 200, description = "A page of events.", body = List<EventAnswer>,
        example = json!(List::sample(EventAnswer::sample()))))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    let access = api.app.open_account(&actor, Operation::EventRead, &account).await?;
    let seq = |text: &str| text.parse::<i64>().ok().filter(|seq| *seq >= 0);
    let events = EventQuery {
        after_seq: query.parsed("after", "is not the `seq` of an event", seq)?.unwrap_or(0),
        event_type: query.parsed("type", "is not an event type", |text| EventType::try_new(text).ok())?,
        since: query.instant("since")?,
        until: query.instant("until")?,
        arrival: None,
    };
    let delivered = query.parsed("delivered", "is neither `true` nor `false`", |text| text.parse::<bool>().ok())?;
    let endpoint = query.text("endpoint")?;
    if endpoint.is_some() && delivered.is_none() {
        return Err(Problem::new(Code::InvalidQuery, "the query parameter `endpoint` goes with `delivered`"));
    }
    let arrival = delivered.map(|delivered| ArrivalInput { delivered, endpoint: endpoint.as_deref() });
    let page = query.only_page(api.app.limits())?;
    let page = api.app.list_events(&access, events, arrival, page).await?;
    let items = page.items.iter().map(EventAnswer::show).collect::<Result<_, _>>()?;
    // Written here, while the page is still there to borrow from.
    Ok(Json(List { items, next: page.next.clone() }).into_response())
}
