//! What each verb does, in terms of use-cases.

use std::time::Duration;

use bellwire_app::{
    AccountAccess, Actor, App, AppError, ChoicePatch, EndpointInput, EndpointPatch, Limits, Operation, PayloadInput, PutEndpoint,
    Resource, SecretInput, ShownSecret,
};
use bellwire_contract::{Contract, EndpointView, ErrorKind, Inputs, Passed, PublishedRoute, Verb};
use bellwire_domain::{EventType, Secret, Timestamp, parse_duration};
use bellwire_http::allowance;
use bellwire_store::{Endpoint, EventQuery, PageRequest, Precondition};

use super::if_match;
use super::refusal::Refusal;
use super::show::{account_view, key_view, show, show_delivery, show_event, show_resource, show_retried, show_test};
use crate::query;

/// The caller.
pub(super) enum Caller {
    /// The route is public.
    Anybody,
    /// The holder of one account's key.
    Consumer(AccountAccess),
    /// Somebody who may do this to any account, and must name one.
    Operator(Actor, Operation),
}

/// Carries out a route. The result goes into the answer.
pub(super) async fn act<'c>(
    app: &App,
    contract: &'c Contract,
    route: &PublishedRoute,
    caller: Caller,
    mut inputs: Inputs<'_>,
) -> Result<Passed<'c>, Refusal> {
    if matches!(route.verb(), Verb::ReadEventType | Verb::ListEventTypes) {
        return catalogue(contract, route, inputs);
    }
    if let (Verb::ListKeys, Caller::Anybody) = (route.verb(), &caller) {
        inputs.finish().map_err(|faults| Refusal::fields(&faults))?;
        let keys = app.list_contract_keys(contract).await.map_err(|error| Refusal::of(error, route))?;
        return Ok(Passed::Keys(None, keys.into_iter().map(key_view).collect()));
    }
    if route.verb() == Verb::ConfirmEndpoint {
        return confirm(app, contract, route, &caller, inputs).await;
    }
    let account = inputs.text("account.id");
    let asked = Asked::read(route.verb(), &mut inputs, app.limits());
    inputs.finish().map_err(|faults| Refusal::fields(&faults))?;
    let access = open(app, contract, route, caller, account.as_deref()).await?;
    asked.carry_out(app, &access, route).await.map_err(|error| Refusal::of(error, route))
}

/// Permission for the account that the request is about. A named account must be the caller's; whether another one exists is
/// not revealed.
async fn open(
    app: &App,
    contract: &Contract,
    route: &PublishedRoute,
    caller: Caller,
    named: Option<&str>,
) -> Result<AccountAccess, Refusal> {
    let not_found = || Refusal::of(AppError::NotFound(Resource::Account), route);
    match (caller, named) {
        (Caller::Consumer(access), None) => Ok(access),
        (Caller::Consumer(access), Some(named)) if access.account().id.as_str() == named => Ok(access),
        (Caller::Operator(actor, operation), Some(named)) => {
            let access = app.open_account(&actor, operation, named).await.map_err(|error| Refusal::of(error, route))?;
            if access.account().contract == contract.name() { Ok(access) } else { Err(not_found()) }
        }
        (Caller::Operator(..), None) => Err(Refusal::new(ErrorKind::Forbidden, "use the API key of an account")),
        (Caller::Consumer(_) | Caller::Anybody, _) => Err(not_found()),
    }
}

/// A receiver calls back. The token says which endpoint it is, so no key is needed.
async fn confirm<'c>(
    app: &App,
    contract: &Contract,
    route: &PublishedRoute,
    caller: &Caller,
    mut inputs: Inputs<'_>,
) -> Result<Passed<'c>, Refusal> {
    let token = inputs.text("endpoint.token").unwrap_or_default();
    inputs.finish().map_err(|faults| Refusal::fields(&faults))?;
    let own = match caller {
        Caller::Consumer(access) => Some(access),
        Caller::Anybody | Caller::Operator(..) => None,
    };
    let confirmed = app.confirm_endpoint(contract, own, &token).await;
    let (access, endpoint) = confirmed.map_err(|error| Refusal::of(error, route))?;
    Ok(Passed::Endpoint(account_view(&access), Box::new(show(app, &access, endpoint, None))))
}

fn catalogue<'c>(contract: &'c Contract, route: &PublishedRoute, mut inputs: Inputs<'_>) -> Result<Passed<'c>, Refusal> {
    let event_type = inputs.text("event.type");
    inputs.finish().map_err(|faults| Refusal::fields(&faults))?;
    if route.verb() == Verb::ListEventTypes {
        return Ok(Passed::EventTypes(contract.events().iter().collect()));
    }
    // The definition for any type is not a type itself.
    let listed = contract.event(&event_type.unwrap_or_default()).filter(|event| event.event_type.as_str() != "*");
    listed.map(Passed::EventType).ok_or_else(|| Refusal::new(ErrorKind::NotFound, "there is no such event type"))
}

/// An operation on an account.
enum Asked {
    Register(EndpointInput),
    Put(Box<PutEndpoint>),
    Read(String, Option<String>),
    List(PageRequest),
    Keys,
    Update(String, Box<EndpointPatch>),
    Delete(String, Precondition),
    Deliveries(String, (i64, i64), PageRequest),
    Rotate(String, Option<Secret<String>>, Option<String>),
    Test(String, Option<String>, Option<String>),
    Retry(String),
    Resource(String),
    Resources(PageRequest),
    Events(EventQuery, PageRequest),
}

impl Asked {
    fn read(verb: Verb, inputs: &mut Inputs<'_>, limits: &Limits) -> Self {
        match verb {
            Verb::RegisterEndpoint => {
                let secret = inputs.text("endpoint.secret").map(Secret::new);
                Self::Register(EndpointInput { secret, ..endpoint_patch(inputs).into() })
            }
            Verb::PutEndpoint => {
                let name = inputs.text("endpoint.name").unwrap_or_default();
                let secret = inputs.text("endpoint.secret").map(Secret::new);
                Self::Put(Box::new(PutEndpoint { name, secret, patch: endpoint_patch(inputs) }))
            }
            Verb::UpdateEndpoint => {
                let (activate, expected) = (inputs.flag("endpoint.activate"), expected(inputs));
                let choice = choice(inputs);
                let patch = EndpointPatch { activate: activate == Some(true), expected, choice, ..endpoint_patch(inputs) };
                Self::Update(endpoint_id(inputs), Box::new(patch))
            }
            Verb::RotateSecret => {
                let secret = inputs.text("endpoint.secret").map(Secret::new);
                let overlap = inputs.text("endpoint.overlap");
                Self::Rotate(endpoint_id(inputs), secret, overlap)
            }
            Verb::TestEndpoint => Self::Test(endpoint_id(inputs), inputs.text("event.type"), inputs.json("event.data")),
            Verb::RetryDelivery => Self::Retry(inputs.text("delivery.id").unwrap_or_default()),
            Verb::ReadEndpoint => Self::Read(endpoint_id(inputs), inputs.text("endpoint.has_event")),
            Verb::DeleteEndpoint => Self::Delete(endpoint_id(inputs), expected(inputs)),
            Verb::ReadResource => Self::Resource(inputs.text("resource.id").unwrap_or_default()),
            // Those about the catalogue concern no account, a token names its own, and both have been answered already.
            Verb::ListEndpoints | Verb::ConfirmEndpoint | Verb::ReadEventType | Verb::ListEventTypes => {
                Self::List(page(inputs, limits))
            }
            Verb::ListKeys => Self::Keys,
            Verb::ListResources => Self::Resources(page(inputs, limits)),
            Verb::ListDeliveries => {
                let since = number("delivery.since", inputs).unwrap_or(1);
                let until = number("delivery.until", inputs).unwrap_or(i64::MAX);
                Self::Deliveries(endpoint_id(inputs), (since, until), page(inputs, limits))
            }
            Verb::ListEvents => {
                let seq = |text: &str| text.parse::<i64>().ok().filter(|seq| *seq >= 0);
                let after = inputs.parsed("page.after", query::CURSOR_EXPECTED, seq);
                let query = EventQuery {
                    after_seq: after.unwrap_or(0),
                    event_type: inputs.parsed("event.type", "is not an event type", |text| EventType::try_new(text).ok()),
                    since: instant("event.since", inputs),
                    until: instant("event.until", inputs),
                    arrival: None,
                };
                Self::Events(query, page(inputs, limits))
            }
        }
    }

    async fn carry_out<'c>(self, app: &App, access: &AccountAccess, route: &PublishedRoute) -> Result<Passed<'c>, AppError> {
        let account = account_view(access);
        let (kind, shows_errors) = (route.kind().unwrap_or_default(), route.shows_errors());
        let view = async |endpoint: Endpoint, secret: Option<ShownSecret>| -> Result<Box<EndpointView>, AppError> {
            let error = if shows_errors { app.endpoint_trouble(access, &endpoint).await? } else { None };
            Ok(Box::new(EndpointView { error, ..show(app, access, endpoint, secret.as_ref()) }))
        };
        Ok(match self {
            Self::Register(input) => {
                let (endpoint, secret) = app.create_endpoint(access, input).await?;
                Passed::Endpoint(account, view(endpoint, secret).await?)
            }
            Self::Put(wanted) => {
                let (endpoint, secret) = app.put_endpoint(access, *wanted).await?;
                Passed::Endpoint(account, view(endpoint, secret).await?)
            }
            Self::Read(id, event) => {
                let endpoint = app.get_endpoint(access, &id).await?;
                if event.is_some_and(|event| !app.gets_event(access, &endpoint, &event)) {
                    return Err(AppError::NotFound(Resource::Choice));
                }
                let secret = app.read_endpoint_secret(access, &endpoint).await?;
                Passed::Endpoint(account, view(endpoint, secret).await?)
            }
            Self::List(page) => {
                let page = app.list_endpoints(access, page).await?;
                let mut items = Vec::with_capacity(page.items.len());
                for endpoint in page.items {
                    let secret = app.read_endpoint_secret(access, &endpoint).await?;
                    items.push(*view(endpoint, secret).await?);
                }
                Passed::Endpoints(account, items, page.next)
            }
            Self::Keys => {
                let keys = app.list_public_keys(access).await?;
                Passed::Keys(Some(account), keys.into_iter().map(key_view).collect())
            }
            Self::Update(id, patch) => {
                Passed::Endpoint(account, view(app.update_endpoint(access, &id, *patch).await?, None).await?)
            }
            Self::Delete(id, expected) => {
                let endpoint = app.get_endpoint(access, &id).await?;
                app.delete_expected_endpoint(access, &id, expected).await?;
                Passed::Endpoint(account, view(endpoint, None).await?)
            }
            Self::Rotate(id, secret, overlap) => {
                let input = SecretInput { secret, overlap: overlap.as_deref() };
                let (endpoint, secret) = app.rotate_secret(access, &id, input).await?;
                Passed::Endpoint(account, view(endpoint, secret).await?)
            }
            Self::Test(id, event_type, data) => {
                let input = access.test_event(event_type.map(Into::into), data.map(Into::into))?;
                let (receipt, left) = app.test_endpoint(access, &id, input).await?;
                allowance::show(left);
                let endpoint = app.get_endpoint(access, &id).await?;
                Passed::Tested(account, view(endpoint, None).await?, show_test(&receipt))
            }
            Self::Retry(id) => {
                let (delivery, attempts) = app.retry_account_delivery(access, &id).await?;
                Passed::Retried(account, Box::new(show_retried(&delivery, attempts)))
            }
            Self::Deliveries(id, numbers, page) => {
                let (endpoint, page) = app.list_numbered_deliveries(access, &id, numbers, page).await?;
                let items = page.items.into_iter().map(show_delivery).collect();
                Passed::Deliveries(account, view(endpoint, None).await?, items, page.next)
            }
            Self::Resource(id) => Passed::Resource(account, show_resource(kind, app.get_resource(access, kind, &id).await?)),
            Self::Resources(page) => {
                let page = app.list_resource_documents(access, kind, page).await?;
                let items = page.items.into_iter().map(|resource| show_resource(kind, resource)).collect();
                Passed::Resources(account, items, page.next)
            }
            Self::Events(query, page) => {
                let page = app.list_events(access, query, None, page).await?;
                Passed::Events(account, page.items.iter().map(show_event).collect(), page.next)
            }
        })
    }
}

/// What is asked for an endpoint.
fn endpoint_patch(inputs: &mut Inputs<'_>) -> EndpointPatch {
    EndpointPatch {
        url: inputs.text("endpoint.url"),
        name: inputs.or_null("endpoint.name", |inputs| inputs.text("endpoint.name")),
        events: inputs.texts("endpoint.events").map(Some),
        enabled: inputs.flag("endpoint.enabled"),
        headers: inputs.pairs("endpoint.headers"),
        payload: inputs.or_null("endpoint.payload", payload),
        rate_limit: inputs.or_null("endpoint.rate_limit", |inputs| inputs.text("endpoint.rate_limit")),
        options: inputs.object("endpoint.options").map(Some),
        credentials: inputs.object("endpoint.credentials").map(|given| Some(Secret::new(given))),
        expires_at: inputs.or_null("endpoint.expires_at", |inputs| instant("endpoint.expires_at", inputs)),
        lease: period("endpoint.lease", inputs),
        ..EndpointPatch::default()
    }
}

/// What is added to the events that it gets, and taken from them.
fn choice(inputs: &mut Inputs<'_>) -> ChoicePatch {
    ChoicePatch {
        add: inputs.texts("endpoint.add_events").unwrap_or_default(),
        remove: inputs.texts("endpoint.remove_events").unwrap_or_default(),
        must_change: inputs.flag("endpoint.must_change").unwrap_or(false),
    }
}

/// How much of an event's data it is to be sent: a word, or a list of pointers.
fn payload(inputs: &mut Inputs<'_>) -> Option<PayloadInput> {
    let chosen = inputs.text_or_texts("endpoint.payload")?;
    Some(chosen.map_or_else(PayloadInput::Fields, PayloadInput::Word))
}

/// What must hold of an endpoint's version.
fn expected(inputs: &mut Inputs<'_>) -> Precondition {
    inputs.parsed("endpoint.if_match", if_match::EXPECTED, if_match::read).unwrap_or_default()
}

/// A number of a delivery.
fn number(name: &'static str, inputs: &mut Inputs<'_>) -> Option<i64> {
    inputs.parsed(name, "must be a whole number, not below 0", |text| text.parse().ok().filter(|number| *number >= 0))
}

fn endpoint_id(inputs: &mut Inputs<'_>) -> String {
    inputs.text("endpoint.id").unwrap_or_default()
}

fn instant(name: &'static str, inputs: &mut Inputs<'_>) -> Option<Timestamp> {
    inputs.parsed(name, query::INSTANT_EXPECTED, query::instant)
}

/// A period: seconds, or with a unit.
fn period(name: &'static str, inputs: &mut Inputs<'_>) -> Option<Duration> {
    let read = |text: &str| text.parse().map(Duration::from_secs).ok().or_else(|| parse_duration(text).ok());
    inputs.parsed(name, "must be a number of seconds, or a time such as 30d", read)
}

fn page(inputs: &mut Inputs<'_>, limits: &Limits) -> PageRequest {
    let max = limits.page_limit_max;
    let limit = inputs.parsed("page.limit", &query::page_limit_expected(max), |text| query::page_limit(text, max));
    let after = inputs.parsed("page.after", query::CURSOR_EXPECTED, query::cursor);
    PageRequest { limit: limit.unwrap_or(limits.page_limit_default), after }
}
