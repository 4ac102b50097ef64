//! Renders every event once with its example, so that a template that cannot work is found when the contract is loaded.

mod answers;
mod handshake;

use bellwire_domain::{EventType, PayloadLevel, PayloadRules, Pointer, Timestamp};

use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::facts::FilteredEvent;
use crate::reduce::reduce;
use crate::render::{
    AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput, PreviousAttempt, RenderInput, Rendering,
};

/// Renders all events. `places` are those of their examples.
pub(crate) fn run(contract: &Contract, places: &[At], report: &mut Report) {
    contract.answer_rules.try_out(report);
    answers::try_answers(contract, report);
    handshake::try_steps(contract, report);
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
    let choices = contract.options.tried();
    for (event_type, data, is_test, at) in trials {
        for (level, fields) in &levels {
            for options in &choices {
                try_event(contract, (&event_type, data, is_test, at), (*level, *fields), options, report);
            }
        }
    }
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

fn try_event(
    contract: &Contract,
    (event_type, data, is_test, at): (&EventType, &str, bool, At),
    (level, fields): (PayloadLevel, Option<&[Pointer]>),
    options: &str,
    report: &mut Report,
) {
    let reduced = fields.map(|fields| reduce(data, fields));
    let data = reduced.as_deref().unwrap_or(data);
    let now = Timestamp::from_secs(1_760_000_000);
    let event = EventInput { id: "example", event_type, occurred_at: now, seq: 1, data, is_test };
    let input = RenderInput {
        event,
        attempt: AttemptInput { number: 1, at: now, random: [7; 24] },
        delivery: DeliveryInput { id: "dlv_example", number: 1, created_at: now, previous: None },
        endpoint: EndpointInput {
            id: "example",
            url: "https://example.com/webhooks",
            name: Some("Example"),
            expires_at: contract.subscription().lease.and_then(|lease| lease.example(now)),
            headers: &[],
            options: Some(options),
        },
        account: AccountInput { id: "example", name: Some("Example") },
        secrets: std::slice::from_ref(contract.example_secret()),
        activation: None,
    };
    if !contract.wants(FilteredEvent { id: "example", event_type, occurred_at: now, data, is_test }, Some(options)) {
        return;
    }
    let result = contract.render(&input).map(drop);
    // Once more as a retry, where that tells what came before.
    let retry = RenderInput {
        attempt: AttemptInput { number: 2, ..input.attempt },
        delivery: DeliveryInput { previous: Some(PreviousAttempt { outcome: "response", status: Some(503) }), ..input.delivery },
        ..input
    };
    let result = result.and_then(|()| if contract.looks_back() { contract.render(&retry).map(drop) } else { Ok(()) });
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
