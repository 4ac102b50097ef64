//! Renders every step of a handshake once, and evaluates what is asked of its answer.

use bellwire_domain::{EventType, Trigger};

use crate::answer_rules::AnswerInput;
use crate::contract::Contract;
use crate::diagnostic::{At, Report};
use crate::render::{AttemptInput, DeliveryInput, EventInput, RenderInput};
use crate::trial::example;

/// Tries all steps, with answers that echo the token and answers that do not.
pub(crate) fn try_steps(contract: &Contract, report: &mut Report) {
    let Some(activation) = contract.activation() else { return };
    let Ok(event_type) = EventType::try_new("activation") else { return };
    let now = example::NOW;
    let secrets = contract.example_secrets();
    let token = "0123456789abcdef0123456789abcdef";
    let input = RenderInput {
        event: EventInput { id: token, event_type: &event_type, occurred_at: now, seq: 0, data: "{}", is_test: false },
        attempt: AttemptInput { number: 1, at: now, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: token, number: 0, created_at: now, first_attempt_at: Some(now), previous: None },
        endpoint: example::endpoint(contract, None, contract.example_credentials()),
        account: example::ACCOUNT,
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
