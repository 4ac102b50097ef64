//! What runs: version, contracts, limits.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bellwire_app::Operation;

use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    layout: Layout,
    version: &'static str,
    store_works: bool,
    contracts: usize,
    /// Limits, in words.
    limits: Vec<(&'static str, String)>,
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    app.permit(&visitor.actor, Operation::KeyManage)?;
    let limits = app.limits();
    let rate = |limit: Option<bellwire_domain::RateLimit>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    html(&SystemPage {
        layout: Layout::of_operator(&console, &visitor, Area::System, "System", &query),
        version: env!("CARGO_PKG_VERSION"),
        store_works: app.check().await.is_ok(),
        contracts: app.contracts().defaults().count(),
        limits: vec![
            ("Endpoints of an account", limits.endpoints_per_account_max.to_string()),
            ("Running replays of an account", limits.account_replays_running_max.to_string()),
            ("Test events of an account", limits.tests_per_account.to_string()),
            ("Requests of a key", rate(limits.requests_per_key)),
            ("Requests of a consumer's key", rate(limits.requests_per_consumer_key)),
        ],
    })
}
