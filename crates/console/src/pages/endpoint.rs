//! An endpoint's page: how it is and why, what it got, and what can be done with it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use bellwire_app::{AccountAccess, App, DeliveryFilter, IncidentFilter, Operation, PreviewInput};
use bellwire_contract::{ConsoleWords, EventChoice, SecretSource};
use bellwire_domain::{HealthStatus, Timestamp, print_duration};
use bellwire_store::{Activation, Endpoint, PageRequest};

use super::account::{label, trouble};
use super::incidents::IncidentRow;
use super::rows::DeliveryRow;
use super::{options, privacy};
use crate::layout::{Area, Layout, html, words};
use crate::query::Query;
use crate::show::{Badge, When, count, health_badge, pretty, replay_badge};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "endpoint.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is a condition of the template")]
struct EndpointPage {
    layout: Layout,
    words: ConsoleWords,
    account: String,
    path: String,
    id: String,
    label: String,
    url: String,
    enabled: bool,
    badge: Badge,
    trouble: Option<String>,
    /// What its last attempts failed with: what happened, whose side it is on, what to do.
    why: Option<IncidentRow>,
    /// Whether nothing is sent until somebody resumes it.
    is_stopped: bool,
    /// Whether nothing is sent until its handshake has ended well.
    is_pending: bool,
    may_change: bool,
    may_retry: bool,
    events: Vec<String>,
    gets_all: bool,
    rate_limit: String,
    /// What of an event it is sent, where that can be chosen.
    sent: Option<String>,
    /// What it has chosen of its contract's options, and defaults.
    options: Vec<(String, String)>,
    /// How many of the last events its contract's filter lets through to it, and how many those are.
    preview: Option<(usize, usize)>,
    /// The names of the credentials that it has.
    credentials: Vec<String>,
    drops_answers: bool,
    /// When its lease ends.
    expires: Option<When>,
    created: When,
    changed: When,
    /// Types that a test event may have, each with its title and example.
    tests: Vec<TestType>,
    /// The public half of the platform's key, where one signs beside the secret.
    key: Option<String>,
    has_secret: bool,
    secret_is_typed: bool,
    /// When the secrets before the newest end.
    overlaps: Vec<When>,
    replays: Vec<ReplayRow>,
    rows: Vec<DeliveryRow>,
    next: Option<String>,
}

struct TestType {
    event_type: String,
    title: String,
    example: String,
}

struct ReplayRow {
    id: String,
    badge: Badge,
    started: When,
    examined: String,
    created: String,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::EndpointRead, &account).await?;
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    let endpoint = app.get_endpoint(&access, &id).await?;
    let now = app.clock().now();
    let filter = DeliveryFilter { account: Some(&account), endpoint: Some(&id), ..DeliveryFilter::default() };
    let found = app.list_deliveries(&scope, filter, query.page()).await?;
    let replays = app.list_replays(&access, &id, PageRequest { limit: 5, after: None }).await?;
    let may_change = app.open_account(&visitor.actor, Operation::EndpointChange, &account).await.is_ok();
    let from = access.contract().map(|contract| contract.subscription().secret.from);
    let label = label(&endpoint);
    let why = why(app, &visitor, &account, &endpoint).await?;
    let is_pending = endpoint.health.status == HealthStatus::Pending;
    let path = format!("/console/accounts/{account}/webhooks/{id}");
    let filters = access.contract().is_ok_and(|contract| contract.has_filter());
    html(&EndpointPage {
        layout: Layout::of_account(&console, &visitor, &access, Area::Webhooks, &label, &query)
            .with_call(&format!("/v1/accounts/{account}/endpoints/{id}")),
        words: words(&access),
        account: account.clone(),
        path,
        id,
        label,
        url: endpoint.url.clone(),
        enabled: endpoint.enabled,
        badge: health_badge(endpoint.enabled, endpoint.health.status),
        trouble: match app.endpoint_activation(&access, &endpoint).await? {
            Some(activation) if is_pending => Some(unanswered(&activation, now)),
            _ => trouble(&endpoint, now),
        },
        why,
        is_stopped: endpoint.health.status == HealthStatus::Failed,
        is_pending,
        may_change,
        may_retry: app.permit(&visitor.actor, Operation::DeliveryRetry).is_ok(),
        events: titles(app, &access, &endpoint),
        gets_all: access.contract().is_ok_and(|contract| contract.subscription().events == EventChoice::All),
        rate_limit: endpoint.rate_limit.map(|limit| limit.to_string()).unwrap_or_default(),
        sent: access.contract().ok().and_then(|contract| privacy::sent(contract, &endpoint)),
        options: options::chosen(app, &access, &endpoint),
        preview: if filters { Some(preview(app, &access, &endpoint).await?) } else { None },
        credentials: endpoint.credential_names(),
        drops_answers: !endpoint.keep_answers,
        expires: endpoint.expires_at.map(|end| When::new(end, now)),
        created: When::new(endpoint.created_at, now),
        changed: When::new(endpoint.updated_at, now),
        tests: test_types(app, &access),
        key: app.endpoint_key_beside(&access).await?.map(|key| key.pem),
        has_secret: from.as_ref().is_ok_and(|from| !matches!(from, SecretSource::Account | SecretSource::Contract)),
        secret_is_typed: from.as_ref().is_ok_and(|from| *from == SecretSource::Consumer),
        overlaps: app.secret_overlaps(&access, &endpoint).await?.into_iter().map(|end| When::new(end, now)).collect(),
        replays: replays.items.iter().map(|replay| replay_row(replay, now)).collect(),
        rows: DeliveryRow::all(&found.items, now),
        next: query.next(found.next.as_ref()),
    })
}

/// What an endpoint that fails was last seen to fail with.
async fn why(app: &App, visitor: &Visitor, account: &str, endpoint: &Endpoint) -> Result<Option<IncidentRow>, Refusal> {
    if endpoint.health.consecutive_failures == 0 {
        return Ok(None);
    }
    let filter = IncidentFilter { account: Some(account), endpoint: Some(endpoint.id.as_str()), state: None };
    let latest = IncidentRow::list(app, visitor, filter, PageRequest { limit: 1, after: None }).await?;
    Ok(latest.rows.into_iter().next().filter(|incident| !incident.is_resolved))
}

/// How many of the account's last events would go to an endpoint, and how many those are.
async fn preview(app: &App, access: &AccountAccess, endpoint: &Endpoint) -> Result<(usize, usize), Refusal> {
    let events = app.preview_endpoint(access, endpoint.id.as_str(), PreviewInput::default()).await?;
    Ok((events.iter().filter(|event| event.matches).count(), events.len()))
}

/// How the handshake of an endpoint stands that is pending.
fn unanswered(activation: &Activation, now: Timestamp) -> String {
    let again = match activation.due_at {
        Some(due) if due <= now => "; it is being tried".to_owned(),
        Some(due) => format!("; it is tried again in {}", print_duration(due.since(now))),
        None if activation.failure.is_some() => "; it is not tried again by itself".to_owned(),
        None => "; the receiver has to confirm it".to_owned(),
    };
    match &activation.failure {
        Some(failure) => format!("The handshake has failed ({failure}){again}"),
        None => format!("The handshake has not ended yet{again}"),
    }
}

fn replay_row(replay: &bellwire_store::Replay, now: bellwire_domain::Timestamp) -> ReplayRow {
    ReplayRow {
        id: replay.id.to_string(),
        badge: replay_badge(replay.state),
        started: When::new(replay.created_at, now),
        examined: count(replay.examined),
        created: count(replay.created),
    }
}

/// The titles of the events that an endpoint gets.
fn titles(app: &App, access: &AccountAccess, endpoint: &Endpoint) -> Vec<String> {
    let title = |event_type: String| {
        let event = access.contract().ok().and_then(|contract| contract.event(&event_type));
        event.map(|event| event.title.clone()).filter(|title| !title.is_empty()).unwrap_or(event_type)
    };
    app.endpoint_events(access, endpoint).into_iter().map(title).collect()
}

/// What may be sent to try an endpoint: the contract's test event, then its catalogue.
fn test_types(app: &App, access: &AccountAccess) -> Vec<TestType> {
    let own = access.contract().ok().and_then(|contract| contract.test_event());
    let own = own.map(|test| TestType {
        event_type: String::new(),
        title: if test.title.is_empty() { format!("Test event ({})", test.event_type) } else { test.title.clone() },
        example: pretty(test.data.get().as_bytes()),
    });
    let events = app.account_events(access).unwrap_or_default();
    let listed = events.into_iter().map(|event| TestType {
        event_type: event.event_type.to_string(),
        title: if event.title.is_empty() { event.event_type.to_string() } else { event.title.clone() },
        example: pretty(event.example.get().as_bytes()),
    });
    own.into_iter().chain(listed).collect()
}
