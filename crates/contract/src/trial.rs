//! Renders every event once with its example, so that a template that cannot work is found when the contract is loaded.

mod answers;
mod example;
mod handshake;
mod heartbeat;

use bellwire_domain::{EventType, OutboundRequest, PayloadLevel, PayloadRules, Pointer, Timestamp, Trigger};

use crate::catalogue::EventDefinition;
use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::facts::{EventValues, FilteredEvent};
use crate::failure::RenderError;
use crate::reduce::reduce;
use crate::render::{
    AttemptInput, BatchedEvent, DeliveryInput, EndpointInput, EventInput, PreviousAttempt, RenderInput, Rendering,
};
use crate::token_request::TokenInput;

/// Renders all events. `places` are those of their examples.
pub(crate) fn run(contract: &Contract, places: &[At], report: &mut Report) {
    contract.answer_rules.try_out(report);
    answers::try_answers(contract, report);
    handshake::try_steps(contract, report);
    try_token(contract, report);
    let start = At { line: 1, column: 1 };
    let mut trials: Vec<(EventType, &str, bool, At)> = Vec::new();
    for (event, at) in contract.events().iter().zip(places) {
        trials.push((event.event_type.clone(), event.example.get(), false, *at));
    }
    if let (Some(event), Ok(event_type)) = (contract.any_event(), EventType::try_new("example.event")) {
        trials.push((event_type, event.example.get(), false, start));
    }
    if let Some(event) = contract.test_event() {
        trials.push((event.event_type.clone(), event.data.get(), true, start));
    }
    let levels = levels(&contract.subscription().payload);
    let choices = choices(contract);
    heartbeat::try_heartbeat(contract, &choices, report);
    for (event_type, data, is_test, at) in trials {
        for (level, fields) in &levels {
            for (options, credentials) in &choices {
                let chosen = (options.as_str(), credentials.as_deref());
                try_event(contract, (&event_type, data, is_test, at), (*level, *fields), chosen, report);
            }
        }
    }
}

/// Renders the request for an access token once.
fn try_token(contract: &Contract, report: &mut Report) {
    if contract.access_token().is_none() {
        return;
    }
    for (options, credentials) in choices(contract) {
        let endpoint = example::endpoint(contract, Some(&options), credentials.as_deref());
        let endpoint = EndpointInput { expires_at: None, ..endpoint };
        let input = TokenInput {
            endpoint,
            account: example::ACCOUNT,
            secrets: contract.example_secrets(),
            at: example::NOW,
            random: [7; 16],
        };
        if let Err(error) = contract.render_token_request(&input) {
            report.add(At { line: error.line, column: error.column }, &error.path, error.message, "");
            return;
        }
    }
}

/// What endpoints may have chosen, and given in secret: each choice with all credentials, and the first one with as few as there may be.
fn choices(contract: &Contract) -> Vec<(String, Option<String>)> {
    let (options, credentials) = (contract.options.tried(), contract.credentials.tried_credentials());
    let all = credentials.first().cloned().flatten();
    let few = options.first().cloned().into_iter().zip(credentials.into_iter().skip(1)).collect::<Vec<_>>();
    options.into_iter().map(|options| (options, all.clone())).chain(few).collect()
}

/// What is left of the data at each level that an endpoint may choose; `None`: all of it. Which fields endpoints will name is not
/// known, so nothing is left of it then: a template that lives without any of them lives without some.
fn levels(rules: &PayloadRules) -> Vec<(PayloadLevel, Option<&[Pointer]>)> {
    let of = |level| match level {
        PayloadLevel::Full => None,
        PayloadLevel::Ids => Some(&*rules.ids),
        PayloadLevel::Fields => Some(&[][..]),
    };
    rules.allow.iter().map(|level| (*level, of(*level))).collect()
}

impl Contract {
    /// The request for the example of an event of the catalogue: what an endpoint of nobody would be sent at this instant, signed with a
    /// secret that everybody may know.
    pub fn render_example(&self, event: &EventDefinition, at: Timestamp) -> Result<OutboundRequest, RenderError> {
        let (options, credentials) = choices(self).into_iter().next().unwrap_or_default();
        let data = self.minimise(event.example.get(), None);
        let chosen = (Some(options.as_str()), credentials.as_deref());
        self.render(&example_input(self, (&event.event_type, &data, false), chosen, at))
    }
}

/// An event to an example endpoint that has chosen these options and given these credentials.
fn example_input<'a>(
    contract: &'a Contract,
    (event_type, data, is_test): (&'a EventType, &'a str, bool),
    (options, credentials): (Option<&'a str>, Option<&'a str>),
    at: Timestamp,
) -> RenderInput<'a> {
    RenderInput {
        event: EventInput { id: "example", event_type, occurred_at: at, seq: 1, data, is_test },
        attempt: AttemptInput { number: 1, at, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: "dlv_example", number: 1, created_at: at, first_attempt_at: Some(at), previous: None },
        endpoint: example::endpoint(contract, options, credentials),
        account: example::ACCOUNT,
        secrets: contract.example_secrets(),
        activation: None,
        others: &[],
        access_token: contract.example_access_token(),
    }
}

fn try_event(
    contract: &Contract,
    (event_type, data, is_test, at): (&EventType, &str, bool, At),
    (level, fields): (PayloadLevel, Option<&[Pointer]>),
    (options, credentials): (&str, Option<&str>),
    report: &mut Report,
) {
    let reduced = fields.map(|fields| reduce(data, fields));
    let data = reduced.as_deref().unwrap_or(data);
    let now = example::NOW;
    let input = example_input(contract, (event_type, data, is_test), (Some(options), credentials), now);
    if !contract.wants(
        FilteredEvent { id: "example", event_type, occurred_at: now, data, is_test },
        Some(options),
        &EventValues::default(),
    ) {
        return;
    }
    let result = contract.render(&input).map(drop);
    // Once more as a retry, where that tells what came before.
    let retry = RenderInput {
        attempt: AttemptInput { number: 2, ..input.attempt },
        delivery: DeliveryInput {
            previous: Some(PreviousAttempt { outcome: "response", status: Some(503) }),
            first_attempt_at: Some(now),
            ..input.delivery
        },
        ..input
    };
    let result = result.and_then(|()| if contract.looks_back() { contract.render(&retry).map(drop) } else { Ok(()) });
    // And beside another one, where requests are shared.
    let others = [BatchedEvent { event: input.event, delivery_id: "dlv_example", number: 2, attempt: 1 }];
    let shared = RenderInput { others: &others, ..input };
    let is_shared = contract.delivery().batch.is_some() && contract.may_share(&input.event, &input.event, Some(options));
    let result = result.and_then(|()| if is_shared { contract.render(&shared).map(drop) } else { Ok(()) });
    // And for an endpoint that never expires, where that may be.
    let lasts = contract.subscription().lease.is_some_and(|lease| !lease.required);
    let lasting = RenderInput { endpoint: EndpointInput { expires_at: None, ..input.endpoint }, ..input };
    let result = result.and_then(|()| if lasts { contract.render(&lasting).map(drop) } else { Ok(()) });
    let variants = || contract.variants.iter().map(|variant| Rendering::of(contract, &variant.plan, &input).map(drop));
    let result = result.and_then(|()| variants().collect::<Result<(), _>>());
    if let Err(error) = result {
        let at = if error.line == 0 { at } else { At { line: error.line, column: error.column } };
        report.add(at, &error.path, format!("{}, in the example of `{event_type}`{}", error.message, left(level)), "");
    }
}

/// What an example was reduced to, for messages.
const fn left(level: PayloadLevel) -> &'static str {
    match level {
        PayloadLevel::Full => "",
        PayloadLevel::Ids => " for an endpoint that gets ids only (`payload: ids`)",
        PayloadLevel::Fields => " for an endpoint that names the fields it gets (`payload: fields`)",
    }
}
