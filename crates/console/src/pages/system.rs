//! What runs: its version, its store and who shares it, what waits, how long what is kept, and the limits.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use bellwire_app::{Limits, SeenSystem};
use bellwire_domain::{RateLimit, RetentionPeriods, Timestamp};
use bellwire_store::{COUNTED_MAX, Node};

use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::{When, count, counted, size};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

/// What it is called, and its value.
type Fact = (&'static str, String);

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    layout: Layout,
    version: &'static str,
    kind: &'static str,
    schema: i64,
    size: String,
    works: bool,
    contracts: usize,
    nodes: Vec<NodeRow>,
    seen: Option<SeenRows>,
    retention: Vec<Fact>,
    limits: Vec<Fact>,
}

struct NodeRow {
    slot: i64,
    since: When,
    is_this: bool,
}

/// What was last seen of the store and the lanes.
struct SeenRows {
    at: When,
    oldest: Option<When>,
    deliveries: Vec<Fact>,
    endpoints: Vec<Fact>,
    records: String,
}

pub(super) async fn show(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let answer = app.system(&visitor.actor).await?;
    let now = app.clock().now();
    html(&SystemPage {
        layout: Layout::of_operator(&console, &visitor, Area::System, "System", &query).with_call("/v1/system"),
        version: env!("CARGO_PKG_VERSION"),
        kind: if answer.store.kind == "sqlite" { "SQLite" } else { "PostgreSQL" },
        schema: answer.store.schema,
        size: size(answer.store.bytes),
        works: app.check().await.is_ok(),
        contracts: app.contracts().defaults().count(),
        nodes: answer.store.nodes.iter().map(|node| node_row(node, now)).collect(),
        seen: answer.seen.as_ref().map(|seen| seen_rows(seen, now)),
        retention: retention(answer.retention),
        limits: limits(app.limits()),
    })
}

const fn node_row(node: &Node, now: Timestamp) -> NodeRow {
    NodeRow { slot: node.slot, since: When::new(node.registered_at, now), is_this: node.is_this }
}

fn seen_rows(seen: &SeenSystem, now: Timestamp) -> SeenRows {
    let live = |number: u32| counted(number.into(), COUNTED_MAX.into());
    let store = &seen.store;
    let endpoints = store.endpoints.as_ref().map(|found| {
        let of = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
        let by_health = found.by_health.iter().map(|(health, number)| (*health, of(*number)));
        by_health.chain([("disabled", of(found.disabled))]).collect()
    });
    SeenRows {
        at: When::new(seen.at, now),
        oldest: seen.oldest_due().map(|at| When::new(at, now)),
        deliveries: vec![
            ("in memory", live(seen.held)),
            ("waiting for room", live(store.waiting)),
            ("waiting for their next attempt", live(store.scheduled)),
            ("waiting for an earlier one", live(store.in_order)),
        ],
        endpoints: endpoints.unwrap_or_default(),
        records: count(store.audit_head),
    }
}

fn retention(periods: RetentionPeriods) -> Vec<Fact> {
    let RetentionPeriods { history, payloads, answers, disclosures } = periods;
    let days = |period: Option<Duration>| {
        period.map_or_else(|| "for ever".to_owned(), |period| format!("{} days", period.as_secs() / (24 * 60 * 60)))
    };
    vec![
        ("Events, deliveries, attempts", days(history)),
        ("Payloads", days(payloads)),
        ("Answers", days(answers)),
        ("Disclosures", days(disclosures)),
    ]
}

fn limits(limits: &Limits) -> Vec<Fact> {
    let rate = |limit: Option<RateLimit>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    vec![
        ("Endpoints of an account", count(limits.endpoints_per_account_max.into())),
        ("Running replays of an account", count(limits.account_replays_running_max.into())),
        ("Test events of an account", limits.tests_per_account.to_string()),
        ("Requests of a key", rate(limits.requests_per_key)),
        ("Requests of a consumer's key", rate(limits.requests_per_consumer_key)),
    ]
}
