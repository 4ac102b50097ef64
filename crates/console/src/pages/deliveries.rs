//! Deliveries, with filters that all stand in the address.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwire_app::{BULK_RETRY_STATES, Operation};
use bellwire_store::Page;

use super::filter::{FIELDS, Field, Texts, sentence};
use super::rows::DeliveryRow;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    layout: Layout,
    sees_all: bool,
    fields: Vec<Field>,
    active: Vec<Active>,
    rows: Vec<DeliveryRow>,
    next: Option<String>,
    is_first: bool,
    /// Why nothing is shown.
    is_wrong: bool,
    /// Where all that these filters name are sent again.
    retry: Option<String>,
}

/// A filter that is in force.
struct Active {
    label: &'static str,
    value: String,
    /// The address without it.
    without: String,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let texts = Texts::read(|name| query.get(name), now);
    let (found, wrong) = match texts.filter().and_then(|filter| filter.asked_by(visitor.actor.account.as_ref())) {
        Ok(filter) => (app.list_deliveries(&scope, filter, query.page()).await?, None),
        Err(wrong) => (Page::default(), Some(wrong)),
    };
    let layout = Layout::of_visitor(&console, &visitor, Area::Deliveries, "Deliveries", &query).await?;
    let is_shown = |name: &str| name != "account" || visitor.sees_all();
    let given = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let shown = FIELDS.into_iter().filter(|(name, ..)| is_shown(name));
    let active = shown.clone().filter(|(name, ..)| query.get(name).is_some());
    let is_retried = |state: &str| BULK_RETRY_STATES.iter().any(|known| known.as_str() == state);
    let may_retry = wrong.is_none()
        && !found.items.is_empty()
        && texts.get("state").is_none_or(is_retried)
        && app.permit(&visitor.actor, Operation::DeliveryRetry).is_ok();
    let page = DeliveriesPage {
        layout: layout.with_call(&texts.address("/v1/deliveries")),
        retry: may_retry.then(|| texts.address("/console/bulk-retries/new")),
        sees_all: visitor.sees_all(),
        active: active.map(|(name, label, ..)| Active { label, value: given(name), without: query.with(name, None) }).collect(),
        fields: shown
            .map(|(name, label, words, hint)| {
                let wrong = wrong.as_ref().filter(|wrong| wrong.name == name).map(sentence);
                Field { name, label, value: given(name), words, hint, wrong }
            })
            .collect(),
        rows: DeliveryRow::all(&found.items, now),
        next: query.next(found.next.as_ref()),
        is_first: query.get("after").is_none(),
        is_wrong: wrong.is_some(),
    };
    let answer = html(&page)?;
    Ok(if wrong.is_some() { (StatusCode::UNPROCESSABLE_ENTITY, answer).into_response() } else { answer })
}
