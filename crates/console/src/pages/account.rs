//! An account's page, which is the portal's home: its endpoints, and how they are.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use bellwire_app::{App, DeliveryFilter, Operation, Scope};
use bellwire_contract::{ConsoleWords, Registrar};
use bellwire_domain::{EndpointId, Role, Timestamp};
use bellwire_store::{Endpoint, PageRequest, STANDING_WAITING_MAX};

use crate::figures::Day;
use crate::layout::{Area, Layout, html, words};
use crate::query::Query;
use crate::show::{Badge, When, count, counted, health_badge, span, state_badge};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    layout: Layout,
    words: ConsoleWords,
    account: String,
    name: String,
    contract: String,
    /// The version of it that the account is pinned to.
    version: Option<String>,
    sandbox: bool,
    sees_all: bool,
    /// Whether this visitor may add an endpoint.
    may_add: bool,
    /// Why not, when nothing but the contract forbids it.
    ask: Option<String>,
    rows: Vec<EndpointRow>,
    next: Option<String>,
}

struct EndpointRow {
    id: String,
    label: String,
    url: String,
    enabled: bool,
    badge: Badge,
    trouble: Option<String>,
    last: Option<(Badge, When)>,
    day: Day,
    waiting: String,
    sent: String,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(account): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::EndpointRead, &account).await?;
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let now = app.clock().now();
    let found = app.list_endpoints(&access, query.page()).await?;
    let ids = found.items.iter().map(|endpoint| endpoint.id.clone()).collect();
    let ids: Vec<EndpointId> = ids;
    let waiting = app.live_deliveries(&access, ids.clone()).await?;
    let days = app.endpoint_days(&access, ids).await?;
    let mut rows = Vec::with_capacity(found.items.len());
    for ((endpoint, day), waiting) in found.items.iter().zip(&days).zip(waiting) {
        rows.push(row(app, &scope, endpoint, (Day::new(day, now), waiting), now).await?);
    }
    let words = words(&access);
    let may_change = app.permit(&visitor.actor, Operation::EndpointChange).is_ok();
    let by_operator = access.contract().is_ok_and(|contract| contract.subscription().register == Registrar::Operator);
    let may_add = may_change && (visitor.actor.role == Role::Admin || !by_operator);
    let platform = access.contract().map(|contract| contract.title().to_owned()).unwrap_or_default();
    let ask = (by_operator && !visitor.sees_all()).then(|| format!("Ask your {platform} representative to add or change a URL."));
    let section = words.section.clone();
    let layout = Layout::of_account(&console, &visitor, &access, Area::Webhooks, &section, &query);
    let next = query.next(found.next.as_ref());
    let account = access.account();
    html(&AccountPage {
        layout: layout.with_call(&format!("/v1/accounts/{}/endpoints", account.id)),
        words,
        account: account.id.to_string(),
        name: account.name.clone().unwrap_or_default(),
        contract: account.contract.clone(),
        version: account.contract_version.clone(),
        sandbox: account.sandbox,
        sees_all: visitor.sees_all(),
        may_add,
        ask,
        rows,
        next,
    })
}

/// An endpoint's row. Its figures are looked up for the rows of this page only.
async fn row(
    app: &App,
    scope: &Scope,
    endpoint: &Endpoint,
    (day, waiting): (Day, i64),
    now: Timestamp,
) -> Result<EndpointRow, Refusal> {
    let (account, id) = (endpoint.account_id.to_string(), endpoint.id.to_string());
    let filter = DeliveryFilter { account: Some(&account), endpoint: Some(&id), ..DeliveryFilter::default() };
    let last = app.list_deliveries(scope, filter, PageRequest { limit: 1, after: None }).await?;
    let last = last.items.first().map(|last| {
        let at = last.ended_at.unwrap_or(last.created_at);
        (state_badge(last.state, last.attempts), When::new(at, now))
    });
    Ok(EndpointRow {
        label: label(endpoint),
        url: endpoint.url.clone(),
        enabled: endpoint.enabled,
        badge: health_badge(endpoint.enabled, endpoint.health.status),
        trouble: trouble(endpoint, now),
        last,
        day,
        waiting: counted(waiting, STANDING_WAITING_MAX),
        sent: count(endpoint.last_number),
        id,
    })
}

/// What an endpoint is called: by its name, or else its URL.
pub(super) fn label(endpoint: &Endpoint) -> String {
    endpoint.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| endpoint.url.clone())
}

/// What is wrong with an endpoint, in words.
pub(super) fn trouble(endpoint: &Endpoint, now: Timestamp) -> Option<String> {
    let health = &endpoint.health;
    let since = health.failing_since.or(health.unhealthy_since)?;
    let failures = health.consecutive_failures;
    let times = if failures == 1 { "the last attempt failed".to_owned() } else { format!("{failures} attempts in a row failed") };
    let again = health.resumes_at.map(|at| format!("; it goes on by itself in {}", span(at.since(now)))).unwrap_or_default();
    Some(format!("Failing for {}: {times}{again}", span(now.since(since))))
}
