//! Renders every step of a handshake once, and evaluates what is asked of its answer.

use bellwire_domain::{EventType, Timestamp, Trigger};

use crate::answer_rules::AnswerInput;
use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::render::{AccountInput, AttemptInput, DeliveryInput, EndpointInput, EventInput, RenderInput};

/// Tries all steps, with answers that echo the token and answers that do not.
pub(crate) fn try_steps(contract: &Contract, report: &mut Report) {
    let Some(activation) = contract.activation() else { return };
    let Ok(event_type) = EventType::try_new("activation") else { return };
    let now = Timestamp::from_secs(1_760_000_000);
    let secrets = contract.example_secrets();
    let token = "0123456789abcdef0123456789abcdef";
    let input = RenderInput {
        event: EventInput { id: token, event_type: &event_type, occurred_at: now, seq: 0, data: "{}", is_test: false },
        attempt: AttemptInput { number: 1, at: now, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: token, number: 0, created_at: now, first_attempt_at: Some(now), previous: None },
        endpoint: EndpointInput {
            id: "example",
            url: "https://example.com/webhooks",
            name: Some("Example"),
            expires_at: contract.subscription().lease.and_then(|lease| lease.example(now)),
            headers: &[],
            options: None,
            credentials: contract.example_credentials(),
        },
        account: AccountInput { id: "example", name: Some("Example") },
        secrets,
        activation: Some(token),
        others: &[],
        access_token: contract.example_access_token(),
    };
    for step in 0..activation.steps() {
        if let Err(error) = contract.render_activation(step, &input) {
            let at = At { line: error.line, column: error.column };
            report.add(at, &format!("activation.steps[{step}]"), error.to_string(), "");
        }
    }
    for body in [token, "{\"challenge\":\"0123456789abcdef0123456789abcdef\"}"] {
        let answer = AnswerInput { attempt: 1, status: 200, headers: &[], body: body.as_bytes() };
        for mistake in contract.handshake_mistakes(activation, &input, &answer) {
            if report.is_clean() {
                report.add(mistake.0, mistake.1, mistake.2, "");
            }
        }
    }
}
