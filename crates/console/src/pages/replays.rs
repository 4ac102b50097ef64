//! What is being sent again: replays that run, and retries of many deliveries; and how a replay begins.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use bellwire_app::{AppError, Operation, ReplayInput};
use bellwire_domain::Timestamp;
use bellwire_store::PageRequest;

use super::account::label;
use super::bulk_retries::{BulkRetryRow, at_least};
use super::endpoint_actions::{Place, back};
use crate::form::Form;
use crate::layout::{Area, Layout, html};
use crate::query::{Query, ROWS, instant};
use crate::show::{When, count};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "replays.html")]
struct ReplaysPage {
    layout: Layout,
    sees_all: bool,
    running: Vec<ReplayRow>,
    /// Whether more of them run than are shown.
    has_more: bool,
    rows: Vec<BulkRetryRow>,
    next: Option<String>,
}

/// A replay that runs.
struct ReplayRow {
    id: String,
    account: String,
    endpoint: String,
    examined: String,
    created: String,
    started: When,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let running = app.list_running_replays(&scope, PageRequest { limit: ROWS, after: None }).await?;
    let found = app.list_bulk_retries(&scope, query.page()).await?;
    html(&ReplaysPage {
        layout: Layout::of_visitor(&console, &visitor, Area::Replays, "Replays", &query).await?.with_call("/v1/bulk/retries"),
        sees_all: visitor.sees_all(),
        has_more: running.next.is_some(),
        running: running
            .items
            .iter()
            .map(|replay| ReplayRow {
                id: replay.id.to_string(),
                account: replay.lane.account_id.to_string(),
                endpoint: replay.lane.endpoint_id.to_string(),
                examined: count(replay.examined),
                created: count(replay.created),
                started: When::new(replay.created_at, now),
            })
            .collect(),
        rows: found.items.iter().map(|found| BulkRetryRow::new(found, now)).collect(),
        next: query.next(found.next.as_ref()),
    })
}

#[derive(Template)]
#[template(path = "replay_preview.html")]
struct PreviewPage {
    layout: Layout,
    back: String,
    label: String,
    since: String,
    /// The same as people read it.
    since_read: String,
    states: Vec<String>,
    matched: String,
    is_one: bool,
    is_none: bool,
}

/// What a replay would send. From here on its beginning is fixed.
pub(super) async fn preview(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::DeliveryRetry, &account).await?;
    let endpoint = app.get_endpoint(&access, &id).await?;
    let input = replay_input(query.get("since"), query.all("states"), app.clock().now())?;
    let (since, states) = (input.since.to_string(), input.states.clone().unwrap_or_default());
    let matched = app.preview_replay(&access, &id, &input).await?;
    html(&PreviewPage {
        layout: Layout::of_account(&console, &visitor, &access, Area::Webhooks, "Replay", &query),
        back: format!("/console/accounts/{account}/webhooks/{id}"),
        label: label(&endpoint),
        since,
        since_read: When::new(input.since, input.since).full(),
        states,
        is_one: matched.count == 1,
        is_none: matched.count == 0 && matched.is_exact,
        matched: at_least(matched),
    })
}

pub(super) async fn start(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
    form: Form,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::DeliveryRetry, &account).await?;
    let input = replay_input(form.text("since"), form.all("states"), app.clock().now())?;
    app.start_replay(&access, &id, &input).await?;
    Ok(back(&account, &id, "replaying"))
}

/// What a form or an address asks for: the events of the last day, unless it says otherwise.
fn replay_input<'t>(since: Option<&str>, states: impl Iterator<Item = &'t str>, now: Timestamp) -> Result<ReplayInput, AppError> {
    let wrong = || AppError::invalid("/since", "write a span such as `24h`, or an instant such as `2026-11-28T06:00:00Z`");
    let since = instant(since.unwrap_or("24h"), now).ok_or_else(wrong)?;
    let states: Vec<String> = states.map(str::to_owned).collect();
    Ok(ReplayInput { since, until: None, states: (!states.is_empty()).then_some(states) })
}
