//! Adding and changing an endpoint, in the words of its contract.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use bellwire_app::{AccountAccess, App, AppError, EndpointInput, EndpointPatch, Operation, ShownSecret};
use bellwire_contract::{ConsoleWords, Contract, EventChoice, SecretSource};
use bellwire_domain::{EventFilter, Secret};
use bellwire_store::Endpoint;
use serde_json::{Map, Value};

use super::account::label;
use super::credentials::{self, CredentialField};
use super::lease::{self, LeaseField};
use super::options::{self, Control, OptionField};
use super::privacy::{AnswersField, PayloadField, Privacy};
use crate::form::Form;
use crate::layout::{Area, Layout, html, words};
use crate::query::Query;
use crate::refusal::{fault_of, kind, sentence};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "endpoint_form.html")]
struct EndpointFormPage {
    layout: Layout,
    words: ConsoleWords,
    heading: String,
    /// Where the form goes, and where Cancel leads.
    action: String,
    back: String,
    is_new: bool,
    url: String,
    name: String,
    rate_limit: String,
    https_only: bool,
    secret: SecretField,
    events: EventsField,
    payload: Option<PayloadField>,
    answers: Option<AnswersField>,
    options: Vec<OptionField>,
    credentials: Vec<CredentialField>,
    lease: Option<LeaseField>,
    wrong: Wrong,
}

/// Whether and how a secret is asked for.
enum SecretField {
    /// The consumer types one.
    Typed { is_required: bool },
    /// It is drawn when the endpoint is added, or belongs to the account.
    None,
}

/// Whether and how events are chosen.
enum EventsField {
    /// Every endpoint gets every event.
    All,
    /// Boxes to check.
    Boxes(Vec<EventBox>),
    /// Types to write, one a line: the catalogue lists none.
    Lines(String),
}

struct EventBox {
    event_type: String,
    title: String,
    description: String,
    is_checked: bool,
}

#[derive(Default)]
struct Wrong {
    url: Option<String>,
    name: Option<String>,
    secret: Option<String>,
    events: Option<String>,
    rate_limit: Option<String>,
    payload: Option<String>,
    lease: Option<String>,
    /// What belongs to no field.
    other: Option<String>,
}

impl Wrong {
    fn new(error: &AppError) -> Self {
        let AppError::Invalid(faults) = error else { return Self { other: Some(sentence(error)), ..Self::default() } };
        let known = [
            "/url",
            "/name",
            "/secret",
            "/events",
            "/rate_limit",
            "/payload",
            "/options/",
            "/credentials/",
            "/expires_at",
            "/lease",
        ];
        let rest: Vec<_> = faults.iter().filter(|fault| !known.iter().any(|field| fault.pointer.starts_with(field))).collect();
        let other: Vec<&str> = rest.iter().map(|fault| fault.detail.as_str()).collect();
        let of = |field| fault_of(faults, field);
        Self {
            url: of("/url"),
            name: of("/name"),
            secret: of("/secret"),
            events: of("/events"),
            rate_limit: of("/rate_limit"),
            payload: of("/payload"),
            lease: of("/expires_at").or_else(|| of("/lease")),
            other: (!other.is_empty()).then(|| other.join("; ")),
        }
    }
}

/// The values that a form begins with.
struct Values {
    url: String,
    name: String,
    rate_limit: String,
    /// The types chosen; `None`: nothing was chosen yet.
    chosen: Option<Vec<String>>,
    privacy: Privacy,
    lease: String,
    options: Map<String, Value>,
}

impl Values {
    fn typed(contract: &Contract, form: &Form) -> Self {
        let text = |name| form.text(name).unwrap_or_default().to_owned();
        Self {
            url: text("url"),
            name: text("name"),
            rate_limit: text("rate_limit"),
            chosen: Some(chosen(form)),
            privacy: Privacy::typed(form),
            lease: lease::typed(form),
            options: options::typed(contract, form).unwrap_or_default(),
        }
    }

    fn stored(app: &App, access: &AccountAccess, endpoint: &Endpoint) -> Self {
        let chosen = match &endpoint.filter {
            EventFilter::All if app.account_events(access).is_ok_and(|events| events.is_empty()) => Vec::new(),
            EventFilter::All | EventFilter::Only(_) => app.endpoint_events(access, endpoint),
        };
        Self {
            url: endpoint.url.clone(),
            name: endpoint.name.clone().unwrap_or_default(),
            rate_limit: endpoint.rate_limit.map(|limit| limit.to_string()).unwrap_or_default(),
            chosen: Some(chosen),
            privacy: Privacy::stored(endpoint),
            lease: lease::stored(endpoint),
            options: endpoint.options.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        }
    }
}

/// The types chosen in a form: checked boxes, or lines.
fn chosen(form: &Form) -> Vec<String> {
    let lines = form.raw("event_lines").unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    form.all("events").map(str::to_owned).chain(lines.map(str::to_owned)).collect()
}

/// What the use-case is asked for: `None`, all, where nothing can be chosen or no line was written.
fn wanted(access: &AccountAccess, form: &Form) -> Result<Option<Vec<String>>, AppError> {
    let contract = access.contract()?;
    let chosen = chosen(form);
    let is_open = contract.events().is_empty() && chosen.is_empty();
    Ok((contract.subscription().events == EventChoice::Choose && !is_open).then_some(chosen))
}

fn page(
    console: &Console,
    visitor: &Visitor,
    access: &AccountAccess,
    (endpoint, values, query): (Option<&Endpoint>, Values, &Query),
) -> Result<EndpointFormPage, Refusal> {
    let words = words(access);
    let contract = access.contract()?;
    let home = format!("/console/accounts/{}", access.account().id);
    let heading = endpoint.map_or_else(|| words.add.clone(), |endpoint| format!("Change {}", label(endpoint)));
    let subscription = contract.subscription();
    let secret = match subscription.secret.from {
        SecretSource::Consumer if endpoint.is_none() => SecretField::Typed { is_required: subscription.secret.required },
        SecretSource::Consumer | SecretSource::Generated | SecretSource::Account | SecretSource::Contract => SecretField::None,
    };
    let back = endpoint.map_or_else(|| home.clone(), |endpoint| format!("{home}/webhooks/{}", endpoint.id));
    Ok(EndpointFormPage {
        layout: Layout::of_account(console, visitor, access, Area::Webhooks, &heading, query),
        heading,
        action: endpoint.map_or_else(|| format!("{home}/webhooks"), |endpoint| format!("{home}/webhooks/{}", endpoint.id)),
        back,
        is_new: endpoint.is_none(),
        https_only: subscription.url == bellwire_domain::UrlPolicy::Https,
        payload: PayloadField::new(contract, &values.privacy),
        answers: AnswersField::new(contract, &values.privacy),
        options: options::fields(contract, &values.options),
        credentials: credentials::fields(contract, endpoint),
        lease: LeaseField::new(contract, values.lease),
        events: events_field(console.app(), access, values.chosen.as_deref())?,
        url: values.url,
        name: values.name,
        rate_limit: values.rate_limit,
        secret,
        words,
        wrong: Wrong::default(),
    })
}

fn events_field(app: &App, access: &AccountAccess, chosen: Option<&[String]>) -> Result<EventsField, Refusal> {
    if access.contract()?.subscription().events == EventChoice::All {
        return Ok(EventsField::All);
    }
    let events = app.account_events(access)?;
    if events.is_empty() {
        return Ok(EventsField::Lines(chosen.unwrap_or_default().join("\n")));
    }
    let event_box = |event: &&bellwire_contract::EventDefinition| {
        let event_type = event.event_type.to_string();
        EventBox {
            title: if event.title.is_empty() { event_type.clone() } else { event.title.clone() },
            description: event.description.clone().unwrap_or_default(),
            is_checked: chosen.map_or(event.enabled_by_default, |chosen| chosen.contains(&event_type)),
            event_type,
        }
    };
    Ok(EventsField::Boxes(events.iter().map(event_box).collect()))
}

pub(super) async fn new(
    State(console): State<Console>,
    visitor: Visitor,
    Path(account): Path<String>,
    query: Query,
) -> Result<Response, Refusal> {
    let access = console.app().open_account(&visitor.actor, Operation::EndpointChange, &account).await?;
    let values = Values {
        url: String::new(),
        name: String::new(),
        rate_limit: String::new(),
        chosen: None,
        privacy: Privacy::default(),
        lease: String::new(),
        options: Map::new(),
    };
    html(&page(&console, &visitor, &access, (None, values, &query))?)
}

#[derive(Template)]
#[template(path = "secret.html")]
pub(super) struct SecretPage {
    pub(super) layout: Layout,
    pub(super) heading: String,
    pub(super) field: String,
    pub(super) secret: String,
    pub(super) text: String,
    pub(super) back: String,
}

/// What is shown of a secret: what it is, its text, and what to do with it.
pub(super) fn told(secret: &ShownSecret, word: String) -> (String, String, &'static str) {
    match (secret.text(), secret.key()) {
        (None, Some(key)) => {
            let text = "Give it to your receiver, which verifies with it. The private key is shown to nobody.";
            ("Public key".to_owned(), key.pem.clone(), text)
        }
        (text, key) => {
            let once = match key {
                None => "Copy it into your receiver now: it is shown this once.",
                Some(_) => {
                    "Copy it into your receiver now: it is shown this once. Requests are signed with a key of the platform as well, whose \
                     public half stays on the webhook's page."
                }
            };
            (word, text.map(|secret| secret.expose().clone()).unwrap_or_default(), once)
        }
    }
}

pub(super) async fn add(
    State(console): State<Console>,
    visitor: Visitor,
    Path(account): Path<String>,
    query: Query,
    form: Form,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::EndpointChange, &account).await?;
    let (expires_at, lease) = match lease::asked(access.contract()?, &form, None) {
        Ok(asked) => asked,
        Err(error) => return refused(&console, &visitor, &access, (None, &form, &query), &error),
    };
    let input = EndpointInput {
        url: form.text("url").unwrap_or_default().to_owned(),
        name: form.text("name").map(str::to_owned),
        secret: form.raw("secret").filter(|secret| !secret.is_empty()).map(|secret| Secret::new(secret.to_owned())),
        events: wanted(&access, &form)?,
        rate_limit: form.text("rate_limit").map(str::to_owned),
        payload: Privacy::payload(access.contract()?, &form),
        keep_answers: Privacy::keep_answers(access.contract()?, &form),
        options: options::typed(access.contract()?, &form)
            .map(|typed| typed.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        credentials: credentials::typed(access.contract()?, &form).map(Secret::new),
        expires_at,
        lease,
        ..EndpointInput::default()
    };
    let was_typed = input.secret.is_some();
    match app.create_endpoint(&access, input).await {
        Ok((endpoint, secret)) => {
            let path = format!("/console/accounts/{account}/webhooks/{}", endpoint.id);
            let Some(secret) = secret.filter(|secret| !was_typed || secret.text().is_none()) else {
                return Ok(Redirect::to(&format!("{path}?said=added")).into_response());
            };
            let (field, shown, text) = told(&secret, words(&access).fields.secret);
            html(&SecretPage {
                layout: Layout::of_account(&console, &visitor, &access, Area::Webhooks, "Added", &query),
                heading: format!("{} is added", label(&endpoint)),
                field,
                secret: shown,
                text: text.to_owned(),
                back: path,
            })
        }
        Err(error) => refused(&console, &visitor, &access, (None, &form, &query), &error),
    }
}

/// The form again, with what is wrong.
fn refused(
    console: &Console,
    visitor: &Visitor,
    access: &AccountAccess,
    (endpoint, form, query): (Option<&Endpoint>, &Form, &Query),
    error: &AppError,
) -> Result<Response, Refusal> {
    let mut page = page(console, visitor, access, (endpoint, Values::typed(access.contract()?, form), query))?;
    page.wrong = Wrong::new(error);
    if let AppError::Invalid(faults) = error {
        options::place(faults, &mut page.options);
        credentials::place(faults, &mut page.credentials);
    }
    let (status, _) = kind(error);
    let status = if status.is_server_error() { StatusCode::SERVICE_UNAVAILABLE } else { status };
    Ok((status, Html(page.render()?)).into_response())
}

pub(super) async fn edit(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::EndpointChange, &account).await?;
    let endpoint = app.get_endpoint(&access, &endpoint).await?;
    let values = Values::stored(app, &access, &endpoint);
    html(&page(&console, &visitor, &access, (Some(&endpoint), values, &query))?)
}

pub(super) async fn save(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Path<(String, String)>,
    query: Query,
    form: Form,
) -> Result<Response, Refusal> {
    let app = console.app();
    let access = app.open_account(&visitor.actor, Operation::EndpointChange, &account).await?;
    let endpoint = app.get_endpoint(&access, &id).await?;
    let chooses = access.contract()?.subscription().events == EventChoice::Choose;
    let (expires_at, lease) = match lease::asked(access.contract()?, &form, Some(&endpoint)) {
        Ok(asked) => asked,
        Err(error) => return refused(&console, &visitor, &access, (Some(&endpoint), &form, &query), &error),
    };
    let patch = EndpointPatch {
        url: Some(form.text("url").unwrap_or_default().to_owned()),
        name: Some(form.text("name").map(str::to_owned)),
        events: if chooses { Some(wanted(&access, &form)?) } else { None },
        rate_limit: Some(form.text("rate_limit").map(str::to_owned)),
        payload: Privacy::payload(access.contract()?, &form).map(Some),
        keep_answers: Privacy::keep_answers(access.contract()?, &form),
        options: options::typed(access.contract()?, &form).map(Some),
        credentials: credentials::typed(access.contract()?, &form).map(|given| Some(Secret::new(given))),
        expires_at,
        lease,
        ..EndpointPatch::default()
    };
    match app.update_endpoint(&access, &id, patch).await {
        Ok(_) => Ok(Redirect::to(&format!("/console/accounts/{account}/webhooks/{id}?said=saved")).into_response()),
        Err(error) => refused(&console, &visitor, &access, (Some(&endpoint), &form, &query), &error),
    }
}
