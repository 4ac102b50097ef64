//! Works out the period of a heartbeat, and renders it, for each choice that an endpoint may have made.

use bellwire_domain::{EventType, Trigger};

use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::render::{AttemptInput, DeliveryInput, EventInput, RenderInput};
use crate::trial::example;

/// Tries the heartbeat, if there is one. `choices` are options and credentials.
pub(crate) fn try_heartbeat(contract: &Contract, choices: &[(String, Option<String>)], report: &mut Report) {
    let Some(heartbeat) = &contract.heartbeat else { return };
    for (options, credentials) in choices {
        if let Err(failure) = heartbeat.period(contract.options_of(Some(options))) {
            let message = format!("for an endpoint that chooses {options}: {}", failure.message);
            report.add(failure.at, "heartbeat.every", message, "let the option's schema take whole numbers of seconds only");
            return;
        }
        let chosen = (options.as_str(), credentials.as_deref());
        let rendered = with_input(contract, &heartbeat.request.event_type, chosen, |input| contract.render_heartbeat(input));
        if let Err(error) = rendered {
            let at = At { line: error.line, column: error.column };
            report.add(at, "heartbeat.request", error.to_string(), "");
            return;
        }
    }
}

/// Calls `with` with what a heartbeat of an example is rendered from.
fn with_input<T>(
    contract: &Contract,
    event_type: &EventType,
    (options, credentials): (&str, Option<&str>),
    with: impl FnOnce(&RenderInput<'_>) -> T,
) -> T {
    let now = example::NOW;
    with(&RenderInput {
        event: EventInput { id: "example", event_type, occurred_at: now, seq: 0, data: "{}", is_test: false },
        attempt: AttemptInput { number: 1, at: now, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: "dlv_example", number: 1, created_at: now, first_attempt_at: Some(now), previous: None },
        endpoint: example::endpoint(contract, Some(options), credentials),
        account: example::ACCOUNT,
        secrets: contract.example_secrets(),
        activation: None,
        others: &[],
        access_token: contract.example_access_token(),
    })
}
