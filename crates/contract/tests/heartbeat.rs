//! Heartbeats: when an endpoint gets one, and what its request looks like.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use std::time::Duration;

use bellwire_contract::{
    AccountInput, AttemptInput, CapturedRequest, Contract, DeliveryInput, EndpointInput, EventInput, RenderInput, SigningSecret,
    Verdict,
};
use bellwire_domain::{EventType, Trigger};

use crate::common::{NOW, URL, compile, secrets};

fn contract(heartbeat: &str) -> String {
    format!(
        "contract: t\ntitle: T\nevents: any\n\
         subscription: {{ options: {{ heartbeat: {{ type: integer, minimum: 0 }}, pause: {{ type: string }} }} }}\n\
         request:\n  headers: {{ x-signature: \"{{{{ signature.main }}}}\" }}\n  body: {{ type: \"{{{{ event.type }}}}\", data: \"{{{{ event.data }}}}\" }}\n\
         signatures: {{ main: {{ hmac: sha256, over: \"{{{{ body }}}}\" }} }}\n{heartbeat}"
    )
}

fn refusal(source: &str) -> String {
    Contract::compile(source, "t.yaml").err().unwrap().to_string()
}

fn period(heartbeat: &str, options: &str) -> Option<u64> {
    let contract = compile(&contract(heartbeat));
    contract.heartbeat_period(Some(options)).map(|period| period.as_secs())
}

#[test]
fn the_period_is_the_contracts_or_follows_from_what_an_endpoint_has_chosen() {
    assert_eq!(period("heartbeat: { every: 60s }\n", "{}"), Some(60));
    for every in ["{{ endpoint.options.heartbeat }}", "{{ endpoint.options.heartbeat }}s"] {
        let heartbeat = format!("heartbeat: {{ every: \"{every}\" }}\n");
        let of = |options: &str| period(&heartbeat, options);
        assert_eq!(of("{\"heartbeat\":90}"), Some(90), "{every}");
        assert_eq!((of("{}"), of("{\"heartbeat\":null}"), of("{\"heartbeat\":0}")), (None, None, None), "{every}: none");
        assert_eq!(of("{\"heartbeat\":99999999999}"), Some(30 * 86_400), "{every}: bounded");
    }
    let texts = "heartbeat: { every: \"{{ endpoint.options.pause | default('2m') }}\" }\n";
    assert_eq!((period(texts, "{}"), period(texts, "{\"pause\":\"5m\"}")), (Some(120), Some(300)));
    assert_eq!(period(texts, "{\"pause\":\"now and then\"}"), None, "what is no time is none");
    assert_eq!(period("", "{}"), None);
}

#[test]
fn a_period_that_cannot_be_is_refused() {
    for (every, said) in [
        ("often", "not a duration"),
        ("10ms", "too often, or too seldom"),
        ("90d", "too often, or too seldom"),
        ("{{ event.data.seconds }}", "knows the endpoint's options only"),
        ("{{ endpoint.options.hearbeat }}", "there is no option `hearbeat`"),
        ("{{ endpoint.options.heartbeat }} seconds", "for an endpoint that chooses"),
    ] {
        let refused = refusal(&contract(&format!("heartbeat: {{ every: \"{every}\" }}\n")));
        assert!(refused.contains(said), "{every}: {refused}");
    }
    let refused = refusal(&contract("heartbeat: { every: 1m, request: { body: { token: \"{{ activation.token }}\" } } }\n"));
    assert!(refused.contains("activation.token"), "there is no handshake here: {refused}");
}

#[test]
fn its_request_is_the_contracts_with_what_differs_and_signed_like_it() {
    let contract: Contract = compile(&contract(
        "heartbeat: { every: 1m, type: ping, data: { a: 1 }, timeout: 2s, \
         request: { body: { type: \"{{ event.type }}\", data: \"{{ event.data }}\", sent: \"{{ delivery.number }}\" } } }\n",
    ));
    assert_eq!(contract.heartbeat_timeout(), Some(Duration::from_secs(2)));
    let (event_type, secrets) = (EventType::try_new("any").unwrap(), secrets(&["a secret of the test"]));
    let request = contract.render_heartbeat(&RenderInput {
        event: EventInput { id: "e", event_type: &event_type, occurred_at: NOW, seq: 0, data: "{}", is_test: false },
        attempt: AttemptInput { number: 1, at: NOW, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: "d", number: 41, created_at: NOW, first_attempt_at: Some(NOW), previous: None },
        endpoint: EndpointInput {
            id: "ep_1",
            url: URL,
            name: None,
            expires_at: None,
            headers: &[],
            options: None,
            credentials: None,
        },
        account: AccountInput { id: "a", name: None },
        secrets: &SigningSecret::numbered(&secrets),
        activation: None,
        others: &[],
        access_token: None,
    });
    let request = request.unwrap();
    assert_eq!(request.body, "{\"type\":\"ping\",\"data\":{\"a\":1},\"sent\":41}");
    let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body: &request.body };
    assert_eq!(contract.verify(&captured, &secrets, NOW), Verdict::Genuine);
}
