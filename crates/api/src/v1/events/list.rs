//! `GET /v1/accounts/{account}/events`

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bellwire_app::{ArrivalInput, Operation};
use bellwire_domain::EventType;
use bellwire_store::{Event, EventQuery, Page};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::answer::List;
use crate::extract::{Caller, Params};
use crate::problem::{Code, Problem};
use crate::query::Query;

/// An event of the log.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "it describes the answer, which is written around the bytes of `data`")]
pub(super) struct EventAnswer {
    /// Its id.
    id: String,
    /// Its place in the account's log, without gaps.
    seq: i64,
    /// Its type.
    r#type: String,
    /// When it happened.
    occurred_at: String,
    /// When it was accepted.
    created_at: String,
    /// Whether it is a test event.
    test: bool,
    /// How many deliveries its first publication made.
    deliveries: i64,
    /// The posted data, byte for byte.
    data: serde_json::Value,
}

/// Everything of an event but its data.
#[derive(Serialize)]
struct Head<'a> {
    id: &'a str,
    seq: i64,
    r#type: &'a str,
    occurred_at: String,
    created_at: String,
    test: bool,
    deliveries: i64,
}

/// Read an account's log in the order of `seq`
///
/// For polling, and to see whether anything was missed: `seq` has no gaps, and `delivered=false` leaves what arrived nowhere.
/// Test events are nobody's to miss. A page may have fewer items than asked for, even none, while `next` leads on; without
/// `next` the log has ended.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/events", operation_id = "events.list", tag = "events",
    params(
        ("account" = String, Path, description = "The account's id."),
        ("limit" = Option<u32>, Query, description = "Items at most."),
        ("after" = Option<i64>, Query, description = "Only events after this `seq`: the `next` of an earlier page, or the last one seen."),
        ("type" = Option<String>, Query, description = "Only events of this type."),
        ("since" = Option<String>, Query, description = "Only events that happened at or after this instant."),
        ("until" = Option<String>, Query, description = "Only events that happened before this instant."),
        ("delivered" = Option<bool>, Query,
            description = "`false`: only events of which no delivery has arrived; `true`: only those of which one has."),
        ("endpoint" = Option<String>, Query,
            description = "With `delivered`: at this endpoint, and of what it has chosen to get. Left out: at any."),
    ),
    responses((status = 200, description = "A page of events.", body = List<EventAnswer>, example = json!({
        "items": [{ "id": "01946a2e-7c40-7000-8000-00000000000b", "seq": 41, "type": "difference.created",
            "occurred_at": "2025-01-15T10:30:00.000000Z", "created_at": "2025-01-15T10:30:00.000000Z", "test": false,
            "deliveries": 2, "data": { "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" } }],
        "next": "41"
    })))
)]
pub(super) async fn list(
    State(api): State<Api>,
    Caller(actor): Caller,
    Params(account): Params<String>,
    mut query: Query,
) -> Result<impl IntoResponse, Problem> {
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
    Ok(([(CONTENT_TYPE, "application/json")], write(&page)))
}

/// The page, with the stored bytes of each `data` put in as they are.
fn write(page: &Page<Event>) -> Vec<u8> {
    let size: usize = page.items.iter().map(|event| event.data.len() + 320).sum();
    let mut out = Vec::with_capacity(size + 32);
    out.extend_from_slice(b"{\"items\":[");
    for (index, event) in page.items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let head = Head {
            id: event.id.as_str(),
            seq: event.seq,
            r#type: event.event_type.as_str(),
            occurred_at: event.occurred_at.to_string(),
            created_at: event.created_at.to_string(),
            test: event.is_test,
            deliveries: event.deliveries,
        };
        out.extend_from_slice(&serde_json::to_vec(&head).unwrap_or_default());
        out.pop(); // the closing brace
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(&event.data);
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"next\":");
    out.extend_from_slice(&serde_json::to_vec(&page.next).unwrap_or_default());
    out.push(b'}');
    out
}
