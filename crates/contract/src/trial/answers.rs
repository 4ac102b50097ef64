//! Writes the answer of every route and every kind of refusal twice, once with all optional values and once with none, so that an
//! answer that cannot be written is found when the contract is loaded.

use bellwire_domain::{PayloadChoice, Secret};

use crate::catalogue::EventDefinition;
use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::expression::Expression;
use crate::failure::RenderError;
use crate::published::{
    AccountView, Answer, AttemptView, Bindings, DeliveryView, EndpointView, ErrorKind, EventView, KeyView, Passed,
    PublishedRoute, ResourceView, RetriedView, TestedView, Verb, quoted, write,
};
use crate::trial::example::NOW;
use crate::variables::Variable;

/// How much a sample holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    Everything,
    Least,
}

/// Tries all answers.
pub(crate) fn try_answers(contract: &Contract, report: &mut Report) {
    let Some(published) = contract.published() else { return };
    for amount in [Amount::Everything, Amount::Least] {
        for route in published.routes() {
            try_route(contract, route, amount, report);
        }
        for kind in ErrorKind::ALL {
            let mut names = published_url(contract);
            names.set("error.kind", quoted(kind.as_str()));
            names.set("error.status", "400".to_owned());
            names.set("error.message", quoted("`field` is missing"));
            names.set("error.field", if amount == Amount::Least { "null".to_owned() } else { quoted("field") });
            let errors = &published.errors;
            if let Err(error) = write(&errors.headers, Some(&errors.body), &names, "published.errors") {
                add(&error, &format!("for the refusal `{}`", kind.as_str()), report);
                break; // the others would fail alike
            }
        }
    }
}

fn try_route(contract: &Contract, route: &PublishedRoute, amount: Amount, report: &mut Report) {
    let Some(passed) = sample(contract, route, amount) else { return };
    let mut names = published_url(contract);
    passed.bind(&mut names);
    let place = format!("{}.answer", route.place);
    if let Err(error) = write(&route.answer.headers, route.answer.body.as_ref(), &names, &place) {
        // The trial has no request, so what comes from one cannot be judged.
        if !requested(&route.answer).contains(&(error.line, error.column)) {
            let what = if amount == Amount::Least { "where what is optional is not there" } else { "in an example" };
            add(&error, what, report);
        }
    }
}

fn published_url(contract: &Contract) -> Bindings {
    Bindings::at(contract.published().and_then(|published| published.url()))
}

fn add(error: &RenderError, what: &str, report: &mut Report) {
    let at = At { line: error.line.max(1), column: error.column.max(1) };
    report.add(at, &error.path, format!("{}, {what}", error.message), "");
}

/// The places of the expressions that use the request, also by a name that was given to something of it.
fn requested(answer: &Answer) -> Vec<(usize, usize)> {
    let mut derived: Vec<&str> = Vec::new();
    if let Some(tree) = &answer.body {
        tree.visit_names(&mut |name, value| {
            if is_requested(value, &derived) {
                derived.push(name);
            }
        });
    }
    let mut places = Vec::new();
    let mut note = |expression: &Expression| {
        if is_requested(expression, &derived) {
            places.push((expression.at.line, expression.at.column));
        }
    };
    for template in answer.headers.iter().flat_map(|header| &header.values) {
        template.expressions().for_each(&mut note);
    }
    if let Some(tree) = &answer.body {
        tree.visit(&mut note);
    }
    places
}

fn is_requested(expression: &Expression, derived: &[&str]) -> bool {
    expression.uses(
        |variable| matches!(variable, Variable::Local(name) if name.starts_with("request.") || derived.contains(&name.as_str())),
    )
}

fn sample<'a>(contract: &'a Contract, route: &'a PublishedRoute, amount: Amount) -> Option<Passed<'a>> {
    let all = amount == Amount::Everything;
    let account = AccountView { id: "example".to_owned(), name: all.then(|| "Example".to_owned()) };
    let next = all.then(|| "example".to_owned());
    let catalogue = || contract.events().iter().chain(contract.any_event());
    let some = |count: usize| if all { count } else { 0 };
    Some(match route.verb {
        Verb::RegisterEndpoint
        | Verb::PutEndpoint
        | Verb::RotateSecret
        | Verb::ReadEndpoint
        | Verb::UpdateEndpoint
        | Verb::ConfirmEndpoint
        | Verb::DeleteEndpoint => Passed::Endpoint(account, Box::new(endpoint(contract, amount))),
        Verb::ListEndpoints => {
            let is_read = contract.subscription().secret.is_read_with_endpoints();
            let listed = || EndpointView { secret: is_read.then(secret), ..endpoint(contract, amount) };
            Passed::Endpoints(account, (0..=some(1)).map(|_| listed()).collect(), next)
        }
        Verb::ListKeys => {
            let key = || contract.example_key();
            let listed = (0..some(2)).filter_map(|_| Some(KeyView { key: key()?, version: 1, created_at: NOW }));
            Passed::Keys((!route.is_public()).then_some(account), listed.collect())
        }
        Verb::ReadResource => Passed::Resource(account, resource(contract, route)),
        Verb::ListResources => Passed::Resources(account, (0..=some(1)).map(|_| resource(contract, route)).collect(), next),
        Verb::ListDeliveries => {
            let deliveries = catalogue().take(if all { usize::MAX } else { 0 }).map(|listed| DeliveryView {
                id: "example".to_owned(),
                number: 1,
                state: "delivered",
                created_at: NOW,
                event: event(listed),
            });
            Passed::Deliveries(account, Box::new(endpoint(contract, amount)), deliveries.collect(), next)
        }
        Verb::TestEndpoint => {
            Passed::Tested(account, Box::new(endpoint(contract, amount)), TestedView { id: "example".to_owned(), seq: 1 })
        }
        Verb::RetryDelivery => {
            let event_type = catalogue().next().map(|listed| listed.event_type.to_string()).unwrap_or_default();
            Passed::Retried(account, Box::new(retried(event_type, amount)))
        }
        Verb::ListEvents => Passed::Events(account, catalogue().map(event).collect(), next),
        Verb::ReadEventType => Passed::EventType(catalogue().nth(some(catalogue().count().saturating_sub(1)))?),
        Verb::ListEventTypes => Passed::EventTypes(catalogue().collect()),
    })
}

fn endpoint(contract: &Contract, amount: Amount) -> EndpointView {
    let all = amount == Amount::Everything;
    EndpointView {
        id: "example".to_owned(),
        url: "https://example.com/webhooks".to_owned(),
        name: all.then(|| "Example".to_owned()),
        events: vec!["example".to_owned()],
        enabled: true,
        health: "active",
        error: all.then(|| "the receiver answers with 500".to_owned()),
        last_number: 1,
        version: 1,
        headers: if all { vec![("x-example".to_owned(), "1".to_owned())] } else { Vec::new() },
        payload: all.then_some(PayloadChoice::Full),
        rate_limit: all.then(|| "10/s".to_owned()),
        expires_at: all.then_some(NOW),
        options: contract.options.tried().into_iter().next().map(|chosen| contract.options.merged(Some(&chosen))),
        credentials: contract
            .credentials()
            .iter()
            .filter(|credential| all || credential.is_required)
            .map(|credential| credential.name.clone())
            .collect(),
        created_at: NOW,
        updated_at: NOW,
        secret: all.then(secret),
        secret_version: (all || contract.subscription().secret.required).then_some(1),
        key: (all || contract.subscription().secret.required).then(|| contract.example_key().map(Box::new)).flatten(),
    }
}

fn retried(event_type: String, amount: Amount) -> RetriedView {
    let all = amount == Amount::Everything;
    let attempt = |number: u32| AttemptView {
        number,
        trigger: "automatic",
        started_at: NOW,
        outcome: if number == 1 { "response" } else { "connect" }.to_owned(),
        status: (number == 1).then_some(503),
        detail: (number > 1).then(|| "the receiver refuses connections".to_owned()),
    };
    RetriedView {
        id: "dlv_example".to_owned(),
        number: 1,
        state: "pending",
        event: "example".to_owned(),
        event_type,
        endpoint: "example".to_owned(),
        created_at: NOW,
        due_at: all.then_some(NOW),
        attempt_count: if all { 2 } else { 0 },
        attempts: (1..=if all { 2 } else { 0 }).map(attempt).collect(),
    }
}

fn secret() -> Secret<String> {
    Secret::new("example".to_owned())
}

/// A resource with an empty document: the language guarantees no field.
fn resource(contract: &Contract, route: &PublishedRoute) -> ResourceView {
    let kind = route.kind.clone().unwrap_or_default();
    let state = contract.resource(&kind).and_then(|resource| resource.states().first().cloned()).unwrap_or_default();
    let document = "{}".to_owned();
    ResourceView { kind, id: "example".to_owned(), state, version: 1, created_at: NOW, updated_at: NOW, document }
}

fn event(definition: &EventDefinition) -> EventView {
    EventView {
        id: "example".to_owned(),
        seq: 1,
        event_type: definition.event_type.to_string(),
        occurred_at: NOW,
        is_test: false,
        data: definition.example.get().to_owned(),
    }
}
