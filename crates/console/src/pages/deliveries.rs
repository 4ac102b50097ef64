//! Deliveries, with filters that all stand in the address.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bellwire_app::{AppError, DeliveryFilter, Operation};
use bellwire_domain::DeliveryState;

use super::rows::DeliveryRow;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    layout: Layout,
    is_operator: bool,
    account: String,
    endpoint: String,
    event: String,
    /// States to choose from: label, address, whether it is chosen.
    states: Vec<(&'static str, String, bool)>,
    is_filtered: bool,
    rows: Vec<DeliveryRow>,
    next: Option<String>,
    is_first: bool,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let state = match query.get("state") {
        None => None,
        Some(word) => Some(
            DeliveryState::parse(word)
                .ok_or_else(|| AppError::invalid("/state", format!("a state is one of {}", DeliveryState::WORDS.join(", "))))?,
        ),
    };
    let own = visitor.actor.account.as_ref().map(ToString::to_string);
    let account = query.get("account").or(own.as_deref());
    let filter = DeliveryFilter { account, endpoint: query.get("endpoint"), event: query.get("event"), state };
    let found = app.list_deliveries(&scope, filter, query.page()).await?;
    let layout = Layout::of_visitor(&console, &visitor, Area::Deliveries, "Deliveries", &query).await?;
    let choices = std::iter::once(None).chain(DeliveryState::ALL.iter().copied().map(Some));
    let states = choices.map(|choice| {
        let word = choice.map(DeliveryState::as_str);
        (word.unwrap_or("all"), query.with("state", word), choice == state)
    });
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let call = query.with("", None).replace("/console/deliveries", "/v1/deliveries");
    html(&DeliveriesPage {
        layout: layout.with_call(&call),
        is_operator: visitor.is_operator(),
        account: text("account"),
        endpoint: text("endpoint"),
        event: text("event"),
        states: states.collect(),
        is_filtered: ["account", "endpoint", "event", "state"].iter().any(|name| query.get(name).is_some()),
        rows: DeliveryRow::all(&found.items, now),
        next: query.next(found.next.as_ref()),
        is_first: query.get("after").is_none(),
    })
}
