//! Incidents: what fails, once for each cause, with what can be done about it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{App, AppError, IncidentFilter, Operation};
use bellwire_domain::incident::LEASE_ENDING;
use bellwire_domain::{DeliveryState, IncidentState, Timestamp};
use bellwire_store::{Incident, IncidentChange, PageRequest};

use super::account::label;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::show::{Badge, When, count, incident_badge};
use crate::texts;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    layout: Layout,
    sees_all: bool,
    may_change: bool,
    /// States to choose from: label, address, whether it is chosen.
    states: Vec<(&'static str, String, bool)>,
    rows: Vec<IncidentRow>,
    next: Option<String>,
}

/// An incident in a list.
pub(super) struct IncidentRow {
    pub(super) id: String,
    pub(super) badge: Badge,
    pub(super) account: String,
    pub(super) endpoint: String,
    /// What the endpoint is called.
    pub(super) label: String,
    /// The outcome or the status, in a word.
    pub(super) cause: String,
    pub(super) what: &'static str,
    pub(super) side: &'static str,
    pub(super) advice: &'static str,
    pub(super) failures: String,
    pub(super) first: When,
    pub(super) last: When,
    pub(super) delivery: Option<String>,
    /// The filters that name what has failed of it, and the reason of a retry.
    pub(super) affected: Vec<(&'static str, String)>,
    pub(super) is_open: bool,
    pub(super) is_resolved: bool,
    /// Who acknowledged or resolved it, and when.
    pub(super) by: Option<(&'static str, String, When)>,
}

pub(super) struct Incidents {
    pub(super) rows: Vec<IncidentRow>,
    pub(super) next: Option<String>,
}

impl IncidentRow {
    fn new(incident: &Incident, label: String, now: Timestamp) -> Self {
        let failures = &incident.course.failures;
        let cause = &failures.cause;
        let words = texts::words(&cause.outcome, cause.status, false);
        let state = incident.state();
        let who = |name: &Option<String>| name.clone().unwrap_or_else(|| "the next success".to_owned());
        let acknowledged = incident.course.acknowledged_at.map(|at| ("acknowledged", who(&incident.acknowledged_by), at));
        let resolved = incident.course.resolved_at.map(|at| ("resolved", who(&incident.resolved_by), at));
        Self {
            id: incident.id.to_string(),
            badge: incident_badge(state),
            account: incident.lane.account_id.to_string(),
            endpoint: incident.lane.endpoint_id.to_string(),
            label,
            cause: cause.status.map_or_else(|| cause.outcome.clone(), |status| status.to_string()),
            what: words.what,
            side: words.side.words(),
            advice: words.advice,
            failures: count(failures.count),
            first: When::new(failures.first_at, now),
            last: When::new(failures.last_at, now),
            delivery: (cause.outcome != LEASE_ENDING).then(|| failures.delivery.to_string()),
            affected: affected(incident),
            is_open: state == IncidentState::Open,
            is_resolved: state == IncidentState::Resolved,
            by: resolved.or(acknowledged).map(|(verb, who, at)| (verb, who, When::new(at, now))),
        }
    }

    /// A page of incidents.
    pub(super) async fn list(
        app: &App,
        visitor: &Visitor,
        filter: IncidentFilter<'_>,
        page: PageRequest,
    ) -> Result<Incidents, Refusal> {
        let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
        let now = app.clock().now();
        let found = app.list_incidents(&scope, filter, page).await?;
        let mut rows = Vec::with_capacity(found.items.len());
        for incident in &found.items {
            rows.push(Self::new(incident, called(app, visitor, incident).await, now));
        }
        Ok(Incidents { rows, next: found.next })
    }
}

/// What the endpoint of an incident is called: it may be gone by now.
async fn called(app: &App, visitor: &Visitor, incident: &Incident) -> String {
    let (account, endpoint) = (incident.lane.account_id.as_str(), incident.lane.endpoint_id.as_str());
    match app.open_account(&visitor.actor, Operation::EndpointRead, account).await {
        Ok(access) => app.get_endpoint(&access, endpoint).await.map_or_else(|_| endpoint.to_owned(), |found| label(&found)),
        Err(_) => endpoint.to_owned(),
    }
}

/// What has failed of an incident. Deliveries are made before they fail, and may be retried for weeks before they do.
fn affected(incident: &Incident) -> Vec<(&'static str, String)> {
    let cause = &incident.course.failures.cause;
    let mut named = vec![
        ("account", incident.lane.account_id.to_string()),
        ("endpoint", incident.lane.endpoint_id.to_string()),
        ("state", DeliveryState::Failed.to_string()),
        ("outcome", cause.outcome.clone()),
    ];
    named.extend(cause.status.map(|status| ("status", status.to_string())));
    named.extend([
        ("since", incident.course.failures.first_at.minus(AROUND).to_string()),
        ("reason", format!("incident {}", incident.id)),
    ]);
    named
}

/// How long before an incident's first failure what failed of it may have been made.
const AROUND: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let state =
        match query.get("state").unwrap_or(IncidentState::Open.as_str()) {
            "all" => None,
            word => Some(IncidentState::parse(word).ok_or_else(|| {
                AppError::invalid("/state", format!("a state is one of all, {}", IncidentState::WORDS.join(", ")))
            })?),
        };
    let filter = IncidentFilter { account: query.get("account"), endpoint: query.get("endpoint"), state };
    let found = IncidentRow::list(app, &visitor, filter, query.page()).await?;
    let choices = IncidentState::ALL.iter().copied().map(Some).chain([None]);
    let states = choices.map(|choice| {
        let word = choice.map_or("all", IncidentState::as_str);
        (word, query.with("state", Some(word)), choice == state)
    });
    let layout = Layout::of_visitor(&console, &visitor, Area::Incidents, "Incidents", &query).await?;
    let call = format!("/v1/incidents{}", state.map(|state| format!("?state={state}")).unwrap_or_default());
    html(&IncidentsPage {
        layout: layout.with_call(&call),
        sees_all: visitor.sees_all(),
        may_change: app.permit(&visitor.actor, Operation::IncidentChange).is_ok(),
        states: states.collect(),
        rows: found.rows,
        next: query.next(found.next.as_ref()),
    })
}

pub(super) async fn acknowledge(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    console.app().change_incident(&visitor.actor, &id, IncidentChange::Acknowledge).await?;
    Ok(Redirect::to("/console/incidents?state=acknowledged&said=acknowledged").into_response())
}

pub(super) async fn resolve(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    console.app().change_incident(&visitor.actor, &id, IncidentChange::Resolve).await?;
    Ok(Redirect::to("/console/incidents?state=resolved&said=resolved").into_response())
}
