//! Sending many deliveries again: a preview of what a filter names, and how far a retry of them has come.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{AppError, Fault, Operation, WrongFilter};
use bellwire_domain::{DeliveryState, ReplayState, Timestamp};
use bellwire_store::{BulkRetry, Matched};

use super::filter::{Texts, sentence};
use crate::form::Form;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::{Badge, When, count, replay_badge};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "bulk_retry_new.html")]
struct NewPage {
    layout: Layout,
    /// Name, label and text of each filter, as they are kept, and as people read them.
    filters: Vec<(&'static str, &'static str, String, String)>,
    matched: String,
    is_one: bool,
    is_none: bool,
}

#[derive(Template)]
#[template(path = "bulk_retry.html")]
struct BulkRetryPage {
    layout: Layout,
    row: BulkRetryRow,
    filters: Vec<(&'static str, String)>,
    /// Where its deliveries are shown.
    deliveries: String,
    may_cancel: bool,
}

/// A retry of many deliveries in a list.
pub(super) struct BulkRetryRow {
    pub(super) id: String,
    pub(super) badge: Badge,
    pub(super) reason: String,
    pub(super) by: String,
    pub(super) matched: String,
    pub(super) retried: String,
    pub(super) skipped: String,
    /// Of what was counted, for the bar.
    pub(super) done: i64,
    pub(super) max: i64,
    pub(super) is_running: bool,
    pub(super) created: When,
    pub(super) ended: Option<When>,
}

impl BulkRetryRow {
    pub(super) fn new(found: &BulkRetry, now: Timestamp) -> Self {
        let is_running = found.state == ReplayState::Running;
        let done = found.retried + found.skipped;
        Self {
            id: found.id.to_string(),
            badge: replay_badge(found.state),
            reason: found.reason.clone(),
            by: found.asked_by.clone(),
            matched: at_least(found.matched),
            retried: count(found.retried),
            skipped: count(found.skipped),
            done,
            max: found.matched.count.max(done).max(1),
            is_running,
            created: When::new(found.created_at, now),
            ended: found.ended_at.map(|at| When::new(at, now)),
        }
    }
}

/// A count, or that there are more than were counted.
pub(super) fn at_least(matched: Matched) -> String {
    let count = count(matched.count);
    if matched.is_exact { count } else { format!("{count}+") }
}

/// A filter that means nothing, as a fault of the form.
fn wrong(filter: &WrongFilter) -> AppError {
    AppError::Invalid(vec![Fault::new(format!("/filter/{}", filter.name), sentence(filter))])
}

/// What would be sent again. The filters are fixed from here on: relative times are instants now, and nothing later is included.
pub(super) async fn preview(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    app.permit(&visitor.actor, Operation::DeliveryRetry)?;
    let now = app.clock().now();
    let mut texts = Texts::read(|name| query.get(name), now);
    if texts.get("state").is_none() {
        texts = texts.with("state", DeliveryState::Failed.as_str().to_owned());
    }
    if texts.get("until").is_none() {
        texts = texts.with("until", now.to_string());
    }
    let filter = texts.filter().and_then(|filter| filter.asked_by(visitor.actor.account.as_ref()));
    let matched = app.preview_bulk_retry(&visitor.actor, filter.map_err(|filter| wrong(&filter))?).await?;
    html(&NewPage {
        layout: Layout::of_visitor(&console, &visitor, Area::Deliveries, "Retry deliveries", &query).await?,
        filters: texts.shown(),
        matched: at_least(matched),
        is_one: matched.count == 1,
        is_none: matched.count == 0 && matched.is_exact,
    })
}

pub(super) async fn start(State(console): State<Console>, visitor: Visitor, form: Form) -> Result<Response, Refusal> {
    let app = console.app();
    let texts = Texts::read(|name| form.text(name), app.clock().now());
    let filter = texts.filter().and_then(|filter| filter.asked_by(visitor.actor.account.as_ref()));
    let filter = filter.map_err(|filter| wrong(&filter))?;
    let started = app.start_bulk_retry(&visitor.actor, filter, form.text("reason")).await?;
    Ok(Redirect::to(&format!("/console/bulk-retries/{}", started.id)).into_response())
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let found = app.get_bulk_retry(&scope, &id).await?;
    let texts = Texts::of(&found.query);
    let row = BulkRetryRow::new(&found, app.clock().now());
    let may_cancel = row.is_running && app.permit(&visitor.actor, Operation::DeliveryRetry).is_ok();
    let layout = Layout::of_visitor(&console, &visitor, Area::Replays, "Retry", &query).await?;
    html(&BulkRetryPage {
        layout: layout.with_call(&format!("/v1/bulk/retries/{id}")),
        filters: texts.shown().into_iter().map(|(_, label, _, read)| (label, read)).collect(),
        deliveries: texts.address("/console/deliveries"),
        row,
        may_cancel,
    })
}

pub(super) async fn cancel(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let cancelled = console.app().cancel_bulk_retry(&visitor.actor, &id).await?;
    Ok(Redirect::to(&format!("/console/bulk-retries/{}?said=cancelled", cancelled.id)).into_response())
}
