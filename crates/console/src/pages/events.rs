//! An account's log of events, and one event with what became of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use bellwire_app::{AccountAccess, DeliveryFilter, Operation};
use bellwire_domain::EventType;
use bellwire_store::{Event, EventQuery};

use super::rows::DeliveryRow;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::{When, count, pretty};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    layout: Layout,
    account: String,
    /// Types to choose from, and whether each is chosen.
    types: Vec<(String, bool)>,
    rows: Vec<EventRow>,
    next: Option<String>,
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
    payload: Option<String>,
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
    let page = query.page();
    // The log is read in its order; the first page shows its end.
    let newest = i64::from(page.limit);
    let after_seq = if page.after.is_none() && chosen.is_empty() { (access.account().last_seq - newest).max(0) } else { 0 };
    let wanted = EventQuery { after_seq, event_type: EventType::try_new(chosen).ok(), ..EventQuery::default() };
    let found = app.list_events(&access, wanted, None, page).await?;
    let mut rows: Vec<EventRow> = found.items.iter().map(|event| row(event, now)).collect();
    rows.reverse();
    let events = app.account_events(&access).unwrap_or_default();
    let types = events.iter().map(|event| (event.event_type.to_string(), event.event_type.as_str() == chosen)).collect();
    let next = query.next(found.next.as_ref());
    let layout = Layout::of_account(&console, &visitor, &access, Area::Events, "Events", &query);
    html(&EventsPage { layout: layout.with_call(&format!("/v1/accounts/{account}/events")), account, types, rows, next })
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    access: &AccountAccess,
    (id, shows_payload, query): (&str, bool, &Query),
) -> Result<Response, Refusal> {
    let app = console.app();
    let event = app.get_event(access, id).await?;
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
        payload: shows_payload.then(|| pretty(&event.data)),
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
    let access = console.app().open_account(&visitor.actor, Operation::EventRead, &account).await?;
    page(&console, &visitor, &access, (&event, true, &query)).await
}
