//! One delivery: its attempts in time, what each came to, in words, and what to do about it.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{AppError, Operation, ShownRequest};
use bellwire_domain::{DeliveryState, Timestamp, Trigger};
use bellwire_store::{Attempt, Delivery};

use super::account::label;
use super::rows::DeliveryRow;
use crate::bar::Bar;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::{Badge, When, gone, pretty, span};
use crate::texts::words;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    layout: Layout,
    row: DeliveryRow,
    event: String,
    endpoint_label: String,
    endpoint_url: String,
    ended: Option<When>,
    /// What is to be said of it before anything else.
    trouble: Option<Trouble>,
    attempts: Vec<AttemptRow>,
    /// The payload and the request, for who asked for them.
    /// Whether payloads are shown to who asks.
    may_read: bool,
    payload: Option<String>,
    request: Option<Request>,
    /// Why there is no request.
    no_request: Option<String>,
    may_retry: bool,
    is_waiting: bool,
}

struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: String,
    signed: Vec<Signed>,
    curl: String,
    is_shared: bool,
}

/// What a signature was computed over.
struct Signed {
    signature: String,
    /// `None`: the body.
    text: Option<String>,
    claims: Option<String>,
}

struct Trouble {
    what: &'static str,
    side: &'static str,
    advice: &'static str,
    detail: Option<String>,
}

struct AttemptRow {
    number: u32,
    /// Whether somebody asked for it.
    is_manual: bool,
    badge: Badge,
    started: When,
    took: String,
    /// How long it waited here before it started, if it was late and has no bar to say so.
    waited: Option<String>,
    /// Where its time went, if that was kept.
    bar: Option<Bar>,
    what: String,
    detail: Option<String>,
    response: Option<String>,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    page(&console, &visitor, &id, false, &query).await
}

pub(super) async fn show_payload(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    console.app().permit(&visitor.actor, Operation::PayloadRead)?;
    page(&console, &visitor, &id, true, &query).await
}

async fn page(console: &Console, visitor: &Visitor, id: &str, shows_payload: bool, query: &Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let (delivery, attempts) = app.get_delivery(&scope, id).await?;
    let account = delivery.account_id.as_str();
    let access = app.open_account(&visitor.actor, Operation::DeliveryRead, account).await?;
    let endpoint = app.get_endpoint(&access, delivery.endpoint_id.as_str()).await.ok(); // it may be gone by now
    let (mut payload, mut request, mut no_request) = (None, None, None);
    if shows_payload {
        let event = app.get_event(&access, delivery.event_id.as_str()).await?;
        payload = Some(event.removed.map_or_else(|| pretty(&event.data), |why| gone(why).to_owned()));
        match app.show_request(&access, &delivery, attempts.last(), &event).await {
            Ok(shown) => request = Some(request_of(shown)),
            Err(AppError::Conflict(reason)) => no_request = Some(reason.to_string()),
            Err(other) => return Err(other.into()),
        }
    }
    let now = app.clock().now();
    let rows = attempts.iter().map(|attempt| attempt_row(&delivery, attempt, now));
    let layout = Layout::of_account(console, visitor, &access, Area::Deliveries, &format!("Delivery {id}"), query);
    html(&DeliveryPage {
        layout: layout.with_call(&format!("/v1/deliveries/{id}")),
        event: delivery.event_id.to_string(),
        endpoint_label: endpoint.as_ref().map_or_else(|| "an endpoint that was deleted".to_owned(), label),
        endpoint_url: endpoint.map(|endpoint| endpoint.url).unwrap_or_default(),
        ended: delivery.ended_at.map(|at| When::new(at, now)),
        trouble: trouble(&delivery, attempts.last()),
        attempts: rows.rev().collect(),
        may_read: access.shows_contents(),
        payload,
        request,
        no_request,
        may_retry: app.permit(&visitor.actor, Operation::DeliveryRetry).is_ok(),
        is_waiting: delivery.state == DeliveryState::Pending,
        row: DeliveryRow::new(&delivery, now),
    })
}

fn request_of(shown: ShownRequest) -> Request {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut curl = format!("curl -X {} {}", shown.method, quoted(&shown.url));
    for (name, value) in &shown.headers {
        let _ = write!(curl, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    let _ = write!(curl, " \\\n  --data-raw {}", quoted(&shown.body));
    let signed = shown.signed.into_iter().map(|signed| Signed {
        signature: signed.signature,
        text: Some(signed.text).filter(|text| *text != shown.body),
        claims: signed.claims.map(|claims| pretty(claims.as_bytes())),
    });
    Request {
        line: format!("{} {}", shown.method, shown.url),
        signed: signed.collect(),
        headers: shown.headers,
        body: shown.body,
        curl,
        is_shared: shown.is_shared,
    }
}

/// Whether an attempt is the one that arrived.
fn is_success(delivery: &Delivery, attempt: &Attempt) -> bool {
    delivery.state == DeliveryState::Delivered && attempt.number == delivery.attempts
}

fn trouble(delivery: &Delivery, last: Option<&Attempt>) -> Option<Trouble> {
    let last = last.filter(|last| !is_success(delivery, last))?;
    let words = words(&last.outcome, last.status, false);
    Some(Trouble { what: words.what, side: words.side.words(), advice: words.advice, detail: last.detail.clone() })
}

fn attempt_row(delivery: &Delivery, attempt: &Attempt, now: Timestamp) -> AttemptRow {
    let arrived = is_success(delivery, attempt);
    let words = words(&attempt.outcome, attempt.status, arrived);
    let status = attempt.status.map(|status| format!(" ({status})")).unwrap_or_default();
    let late = attempt.waited().filter(|late| attempt.phases.is_none() && late.as_millis() > 0);
    AttemptRow {
        number: attempt.number,
        is_manual: attempt.trigger == Trigger::Manual,
        badge: if arrived { Badge { word: "arrived", tone: "good" } } else { Badge { word: "failed", tone: "bad" } },
        started: When::new(attempt.started_at, now),
        took: span(attempt.duration),
        waited: late.map(span),
        bar: attempt.phases.map(|phases| Bar::new(&phases, attempt.waited())),
        what: format!("{}{status}", words.what),
        detail: attempt.detail.clone(),
        response: attempt.response.as_deref().filter(|body| !body.is_empty()).map(pretty),
    }
}

pub(super) async fn retry(State(console): State<Console>, visitor: Visitor, Path(id): Path<String>) -> Result<Response, Refusal> {
    let scope = console.app().permit(&visitor.actor, Operation::DeliveryRetry)?;
    console.app().retry_delivery(&scope, &id).await?;
    Ok(Redirect::to(&format!("/console/deliveries/{id}?said=retried")).into_response())
}
