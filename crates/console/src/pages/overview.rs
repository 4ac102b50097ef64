//! The operator's first page: what is wrong, then how deliveries go.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{App, AppError, DeliveryFilter, FiguresInput, IncidentFilter, Operation, Scope};
use bellwire_domain::{DeliveryState, IncidentState, Timestamp};
use bellwire_store::PageRequest;

use super::incidents::IncidentRow;
use super::rows::DeliveryRow;
use crate::figures::{Charts, RANGES, Summary, spans_for};
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::When;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

/// Rows of each list.
const ROWS: u32 = 10;
/// From when on a delivery that is due is late enough to be shown.
const LATE: Duration = Duration::from_secs(5);
/// The time that is shown first.
const RANGE: &str = "24h";

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    layout: Layout,
    incidents: Vec<IncidentRow>,
    failed: Vec<DeliveryRow>,
    waiting: Vec<DeliveryRow>,
    latest: Vec<DeliveryRow>,
    /// The delivery that is late, and since when.
    late: Option<(String, When)>,
    /// Times to choose from: label, address, whether it is shown.
    ranges: Vec<(&'static str, String, bool)>,
    since: When,
    until: When,
    is_zoomed: bool,
    summary: Summary,
    charts: Charts,
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    if let Some(account) = &visitor.actor.account {
        return Ok(Redirect::to(&format!("/console/accounts/{account}")).into_response());
    }
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let incidents = IncidentRow::list(app, &visitor, unresolved(), page()).await?;
    let failed = deliveries(app, &scope, Some(DeliveryState::Failed), now).await?;
    let mut waiting = deliveries(app, &scope, Some(DeliveryState::Pending), now).await?;
    waiting.retain(|row| row.attempts > 0);
    let latest = deliveries(app, &scope, None, now).await?;
    let oldest = app.oldest_due_delivery(&scope).await?;
    let late = oldest.and_then(|oldest| Some((oldest.id.to_string(), oldest.due_at.filter(|due| now.since(*due) >= LATE)?)));
    let input = asked(&query, now)?;
    let figures = app.figures(&scope, input.clone()).await?;
    let is_zoomed = query.get("since").is_some();
    let chosen = query.get("range").unwrap_or(RANGE);
    let ranges = RANGES.iter().map(|(name, _, _)| (*name, format!("/console?range={name}"), !is_zoomed && *name == chosen));
    let call = format!("/v1/stats?by={}&since={}&until={}", figures.by, figures.since, figures.until);
    html(&OverviewPage {
        layout: Layout::of_operator(&console, &visitor, Area::Overview, "Overview", &query).with_call(&call),
        incidents: incidents.rows,
        failed,
        waiting,
        latest,
        late: late.map(|(id, due)| (id, When::new(due, now))),
        ranges: ranges.collect(),
        since: When::new(figures.since, now),
        until: When::new(figures.until, now),
        is_zoomed,
        summary: Summary::new(&figures.total),
        charts: Charts::new(&figures, now),
    })
}

const fn page() -> PageRequest {
    PageRequest { limit: ROWS, after: None }
}

fn unresolved() -> IncidentFilter<'static> {
    IncidentFilter { state: Some(IncidentState::Open), ..IncidentFilter::default() }
}

async fn deliveries(app: &App, scope: &Scope, state: Option<DeliveryState>, now: Timestamp) -> Result<Vec<DeliveryRow>, Refusal> {
    let found = app.list_deliveries(scope, DeliveryFilter { state, ..DeliveryFilter::default() }, page()).await?;
    Ok(DeliveryRow::all(&found.items, now))
}

/// The time that is asked for: one of those to choose from, or whatever was dragged over.
fn asked(query: &Query, now: Timestamp) -> Result<FiguresInput<'static>, AppError> {
    let instant = |name: &str| {
        let wrong = || AppError::invalid(format!("/{name}"), "is not an instant such as 2026-11-28T06:00:00Z");
        query.get(name).map(|text| Timestamp::parse_rfc3339(text).map_err(|_| wrong())).transpose()
    };
    let until = instant("until")?.unwrap_or(now);
    if let Some(since) = instant("since")? {
        let by = spans_for(until.since(since));
        return Ok(FiguresInput { since: Some(since), until: Some(until), by: Some(by), ..FiguresInput::default() });
    }
    let name = query.get("range").unwrap_or(RANGE);
    let found = RANGES.iter().find(|(known, _, _)| *known == name);
    let (_, length, by) = found.ok_or_else(|| AppError::invalid("/range", "is not one of 1h, 24h, 7d and 30d"))?;
    Ok(FiguresInput { since: Some(now.minus(*length)), by: Some(*by), ..FiguresInput::default() })
}
