//! The operator's first page: what is wrong, then what happens.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{DeliveryFilter, Operation};
use bellwire_domain::DeliveryState;
use bellwire_store::PageRequest;

use super::rows::DeliveryRow;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

/// Rows of each list.
const ROWS: u32 = 10;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    layout: Layout,
    failed: Vec<DeliveryRow>,
    waiting: Vec<DeliveryRow>,
    latest: Vec<DeliveryRow>,
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    if let Some(account) = &visitor.actor.account {
        return Ok(Redirect::to(&format!("/console/accounts/{account}")).into_response());
    }
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let mut lists = Vec::new();
    for state in [Some(DeliveryState::Failed), Some(DeliveryState::Pending), None] {
        let page = PageRequest { limit: ROWS, after: None };
        let found = app.list_deliveries(&scope, DeliveryFilter { state, ..DeliveryFilter::default() }, page).await?;
        lists.push(DeliveryRow::all(&found.items, now));
    }
    let mut lists = lists.into_iter();
    let mut next = || lists.next().unwrap_or_default();
    let (failed, mut waiting, latest) = (next(), next(), next());
    waiting.retain(|row| row.attempts > 0);
    let layout =
        Layout::of_operator(&console, &visitor, Area::Overview, "Overview", &query).with_call("/v1/deliveries?state=failed");
    html(&OverviewPage { layout, failed, waiting, latest })
}
