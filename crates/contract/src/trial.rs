//! Renders every event once with its example, so that a template that cannot work is found when the contract is loaded.

mod answers;

use bellwire_domain::{EventType, Timestamp};

use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::render::{AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput, RenderInput};

/// Renders all events. `places` are those of their examples.
pub(crate) fn run(contract: &Contract, places: &[At], report: &mut Report) {
    answers::try_answers(contract, report);
    let secrets = [contract.draw_secret([7; 32])];
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
    for (event_type, data, is_test, at) in trials {
        let now = Timestamp::from_secs(1_760_000_000);
        let event = EventInput { id: "example", event_type: &event_type, occurred_at: now, seq: 1, data, is_test };
        let result = contract.render(&RenderInput {
            event,
            attempt: AttemptInput { number: 1, at: now, random: [7; 24] },
            delivery: DeliveryInput { id: "dlv_example", number: 1 },
            endpoint: EndpointInput { id: "example", url: "https://example.com/webhooks", name: Some("Example"), headers: &[] },
            account: AccountInput { id: "example", name: Some("Example") },
            secrets: &secrets,
        });
        if let Err(error) = result {
            let at = if error.line == 0 { at } else { At { line: error.line, column: error.column } };
            report.add(at, &error.path, format!("{}, in the example of `{event_type}`", error.message), "");
        }
    }
}
