//! An account's log of events, and one event with what became of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use bellwire_app::{AccountAccess, DeliveryFilter, Operation};
use bellwire_domain::EventType;
use bellwire_store::{Event, EventQuery, Page, PageRequest};

use super::audit::typed;
use super::filter::Field;
use super::rows::DeliveryRow;
use crate::layout::{Area, Layout, html};
use crate::query::{Query, ROWS};
use crate::show::{When, count, gone, pretty};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    layout: Layout,
    account: String,
    /// Types to choose from, and whether each is chosen.
    types: Vec<(String, bool)>,
    /// The time.
    fields: [Field; 2],
    is_filtered: bool,
    rows: Vec<EventRow>,
    next: Option<String>,
    /// Whether the log is shown from its beginning.
    is_by_type: bool,
}

struct EventRow {
    id: String,
    seq: String,
    event_type: String,
    is_test: bool,
    deliveries: String,
    occurred: When,
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    layout: Layout,
    account: String,
    row: EventRow,
    accepted: When,
    /// The payload, for who asked for it.
    /// Whether payloads are shown to who asks.
    may_read: bool,
    payload: Option<String>,
    /// Why there is none any more.
    removed: Option<&'static str>,
    rows: Vec<DeliveryRow>,
    is_waiting: bool,
}

fn row(event: &Event, now: bellwire_domain::Timestamp) -> EventRow {
    EventRow {
        id: event.id.to_string(),
        seq: count(event.seq),
        event_type: event.event_type.to_string(),
        is_test: event.is_test,
        deliveries: count(event.deliveries),
        occurred: When::new(event.occurred_at, now),
    }
}

/// The part of the log that the address asks for, by when events were accepted.
struct Range {
    /// The last `seq` before it.
    before: i64,
    /// The last `seq` of it.
    last: i64,
}

/// The log is read in its order, and shown from its end: so many rows after this `seq`.
struct End {
    after_seq: i64,
    rows: u32,
}

impl End {
    /// Those before the `seq` that the address names, or the last ones.
    fn of(query: &Query, range: &Range) -> Self {
        let before = query.get("before").and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
        let last = range.last.min(before - 1).max(range.before);
        let after_seq = (last - i64::from(ROWS)).max(range.before);
        Self { after_seq, rows: u32::try_from(last - after_seq).unwrap_or(ROWS) }
    }
}

pub(super) async fn list(
    State(console): State<Console>,
    visitor: Visitor,
    Path(account): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::EventRead, &account).await?;
    let now = app.clock().now();
    let chosen = query.get("type").unwrap_or_default();
    let event_type = EventType::try_new(chosen).ok();
    let (since, wrong_since) = typed(query.get("since"), now);
    let (until, wrong_until) = typed(query.get("until"), now);
    let is_wrong = wrong_since.is_some() || wrong_until.is_some();
    let range = Range {
        before: if let Some(since) = since { app.last_seq_before(&access, since).await? } else { 0 },
        last: if let Some(until) = until { app.last_seq_before(&access, until).await? } else { app.last_seq(&access).await? },
    };
    let from_its_end = event_type.is_none().then(|| End::of(&query, &range));
    let (after_seq, mut page) = match &from_its_end {
        Some(end) => (end.after_seq, PageRequest { limit: end.rows, after: None }),
        None => (range.before, query.page()),
    };
    if is_wrong {
        page.limit = 0;
    }
    let wanted = EventQuery { after_seq, event_type, ..EventQuery::default() };
    let found = if page.limit == 0 { Page::default() } else { app.list_event_heads(&access, wanted, None, page).await? };
    let older = from_its_end.filter(|end| end.after_seq > range.before && !found.items.is_empty());
    let is_over = found.items.last().is_none_or(|event| event.seq >= range.last);
    let shown = found.items.iter().filter(|event| event.seq <= range.last);
    let mut rows: Vec<EventRow> = shown.map(|event| row(event, now)).collect();
    rows.reverse();
    let events = app.account_events(&access).unwrap_or_default();
    let types = events.iter().map(|event| (event.event_type.to_string(), event.event_type.as_str() == chosen)).collect();
    let next = match older {
        Some(end) => Some(query.with("before", Some(&(end.after_seq + 1).to_string()))),
        None => query.next(found.next.as_ref()).filter(|_| !chosen.is_empty() && !is_over),
    };
    let field = |name, label, hint, wrong| {
        let value = query.get(name).unwrap_or_default().to_owned();
        Field { name, label, value, words: &[], hint, wrong }
    };
    let layout = Layout::of_account(&console, &visitor, &access, Area::Events, "Events", &query);
    html(&EventsPage {
        layout: layout.with_call(&format!("/v1/accounts/{account}/events")),
        is_by_type: !chosen.is_empty(),
        fields: [
            field("since", "Since", "24h or 2026-01-31", wrong_since),
            field("until", "Until", "1h or 2026-01-31", wrong_until),
        ],
        is_filtered: ["type", "since", "until"].iter().any(|name| query.get(name).is_some()),
        account,
        types,
        rows,
        next,
    })
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    access: &AccountAccess,
    (id, shows_payload, query): (&str, bool, &Query),
) -> Result<Response, Refusal> {
    let app = console.app();
    let event = if shows_payload { app.get_event(access, id).await? } else { app.get_event_head(access, id).await? };
    let now = app.clock().now();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let account = access.account().id.to_string();
    let filter = DeliveryFilter { account: Some(&account), event: Some(id), ..DeliveryFilter::default() };
    let found = app.list_deliveries(&scope, filter, query.page()).await?;
    let layout = Layout::of_account(console, visitor, access, Area::Events, id, query);
    let is_waiting = found.items.iter().any(|delivery| delivery.ended_at.is_none());
    html(&EventPage {
        layout: layout.with_call(&format!("/v1/deliveries?account={account}&event={id}")),
        account,
        row: row(&event, now),
        accepted: When::new(event.created_at, now),
        may_read: access.shows_contents(),
        removed: event.removed.map(gone),
        payload: (shows_payload && event.removed.is_none()).then(|| pretty(&event.data)),
        rows: DeliveryRow::all(&found.items, now),
        is_waiting,
    })
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, event)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Refusal> {
    let access = console.app().open_account(&visitor.actor, Operation::EventRead, &account).await?;
    page(&console, &visitor, &access, (&event, false, &query)).await
}

pub(super) async fn show_payload(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, event)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Refusal> {
    let access = console.app().open_account(&visitor.actor, Operation::PayloadRead, &account).await?;
    page(&console, &visitor, &access, (&event, true, &query)).await
}
