//! Handshakes: what is asked, what is accepted, and what an answer gives the endpoint.

#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use bellwire_contract::{
    AccountInput, AnswerInput, AttemptInput, Contract, DeliveryInput, EndpointInput, EventInput, RenderInput, SigningSecret,
};
use bellwire_domain::{EventType, Secret, Trigger};

use crate::common::{self, NOW, URL, body, compile, header, secrets};

const TOKEN: &str = "9f2c";

fn contract(activation: &str) -> Contract {
    compile(&format!(
        "contract: t\ntitle: T\nevents: any\nrequest:\n  headers: {{ x-signature: \"{{{{ signature.main }}}}\" }}\n  body: {{ type: \"{{{{ event.type }}}}\", data: \"{{{{ event.data }}}}\" }}\n\
         signatures:\n  main: {{ hmac: sha256, over: \"{{{{ body }}}}\" }}\n  proof: {{ hmac: sha256, over: \"{{{{ activation.token }}}}\" }}\n{activation}"
    ))
}

/// Calls `with` with what a step is rendered from.
fn with_input<T>(with: impl FnOnce(&RenderInput<'_>) -> T) -> T {
    let (event_type, secrets) =
        (EventType::try_new("any").unwrap(), SigningSecret::numbered(&secrets(&["a secret of the test"])));
    with(&RenderInput {
        event: EventInput { id: TOKEN, event_type: &event_type, occurred_at: NOW, seq: 0, data: "{}", is_test: false },
        attempt: AttemptInput { number: 1, at: NOW, trigger: Trigger::Automatic, random: [7; 24] },
        delivery: DeliveryInput { id: TOKEN, number: 0, created_at: NOW, first_attempt_at: Some(NOW), previous: None },
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
        secrets: &secrets,
        activation: Some(TOKEN),
        others: &[],
        access_token: None,
    })
}

fn accepts(contract: &Contract, step: usize, status: u16, headers: &[(String, String)], body: &str) -> bool {
    let answer = AnswerInput { attempt: 1, status, headers, body: body.as_bytes() };
    with_input(|input| contract.accepts(step, input, &answer)).unwrap()
}

#[test]
fn a_challenge_in_the_query_is_echoed_as_the_body() {
    let contract = contract(
        "activation:\n  steps:\n    - request: { method: GET, query: { challenge: \"{{ activation.token }}\" }, body: { $empty: true } }\n      \
         accept: \"{{ answer.status == 200 and answer.body | trim == activation.token }}\"\n",
    );
    let request = with_input(|input| contract.render_activation(0, input)).unwrap();
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("GET", "https://client.example.com/hooks?tenant=7&challenge=9f2c")
    );
    assert!(request.body.is_empty() && !header(&request, "x-signature").is_empty(), "the contract's own headers go along");
    for (status, body, expected) in [(200, "9f2c", true), (200, " 9f2c\n", true), (200, "9f2d", false), (201, "9f2c", false)] {
        assert_eq!(accepts(&contract, 0, status, &[], body), expected, "{status} {body}");
    }
}

#[test]
fn a_challenge_in_the_body_is_answered_with_its_hmac() {
    let contract = contract(
        "activation:\n  steps:\n    - type: endpoint.url_validation\n      data: { plain: true }\n      \
         request: { body: { type: \"{{ event.type }}\", data: \"{{ event.data }}\", token: \"{{ activation.token }}\" } }\n      \
         accept: \"{{ answer.json.encrypted == signature.proof }}\"\n",
    );
    let request = with_input(|input| contract.render_activation(0, input)).unwrap();
    assert_eq!(body(&request), r#"{"type":"endpoint.url_validation","data":{"plain":true},"token":"9f2c"}"#);
    // HMAC-SHA256 of the token under the secret, as any library computes it.
    let proof = "d0ebf3ad";
    let genuine = hmac(TOKEN);
    assert!(accepts(&contract, 0, 200, &[], &format!("{{\"encrypted\":\"{genuine}\"}}")));
    assert!(
        !accepts(&contract, 0, 200, &[], &format!("{{\"encrypted\":\"{proof}\"}}"))
            && !accepts(&contract, 0, 200, &[], "no JSON")
    );
}

fn hmac(text: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"a secret of the test").unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[test]
fn a_probe_that_must_be_refused_and_a_consent_that_grants_a_secret_and_a_rate() {
    let contract = contract(
        "activation:\n  steps:\n    - request: { headers: { x-signature: wrong } }\n      accept: \"{{ answer.status in [401, 404] }}\"\n    \
         - request: { method: OPTIONS, headers: { webhook-request-origin: acme.example }, body: { $empty: true } }\n      \
         accept: \"{{ answer.status == 204 and answer.header['webhook-allowed-origin'] in ['*', 'acme.example'] }}\"\n  \
         secret: \"{{ answer.header['x-hook-secret'] }}\"\n  rate_limit: \"{{ answer.header['webhook-allowed-rate'] ~ '/m' }}\"\n  every: 24h\n",
    );
    let probe = with_input(|input| contract.render_activation(0, input)).unwrap();
    assert_eq!(header(&probe, "x-signature"), "wrong");
    assert_eq!([401, 404, 200].map(|status| accepts(&contract, 0, status, &[], "")), [true, true, false]);
    let consent = with_input(|input| contract.render_activation(1, input)).unwrap();
    let mut heeded: Vec<&str> = consent.heeded.iter().map(http::HeaderName::as_str).collect();
    heeded.sort_unstable();
    assert_eq!(heeded, ["webhook-allowed-origin", "webhook-allowed-rate", "x-hook-secret"]);
    let said =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    let yes = said(&[("webhook-allowed-origin", "*"), ("webhook-allowed-rate", "120"), ("x-hook-secret", "from the receiver")]);
    assert!(accepts(&contract, 1, 204, &yes, ""));
    assert!(!accepts(&contract, 1, 204, &[], "") && !accepts(&contract, 1, 200, &yes, ""));
    let granted = |headers: &[(String, String)]| {
        let answer = AnswerInput { attempt: 1, status: 204, headers, body: b"" };
        with_input(|input| contract.granted(input, &answer)).unwrap()
    };
    let given = granted(&yes);
    assert_eq!(given.secret.as_ref().map(Secret::expose).map(String::as_str), Some("from the receiver"));
    assert_eq!(given.rate_limit.map(|limit| limit.to_string()).as_deref(), Some("120/m"));
    let unlimited = granted(&said(&[("webhook-allowed-rate", "*")]));
    assert!(unlimited.secret.is_none() && unlimited.rate_limit.is_none());
    assert_eq!(contract.activation().unwrap().every.map(|every| every.as_secs()), Some(86_400));
}

#[test]
fn deliveries_know_nothing_of_handshakes() {
    let contract = contract("");
    let request = common::render(&contract, "thing.happened", "{}", &["a secret of the test"]);
    assert_eq!(body(&request), r#"{"type":"thing.happened","data":{}}"#);
    let wrong = Contract::compile(
        "contract: t\ntitle: T\nevents: any\nrequest: { body: { token: \"{{ activation.token }}\" } }\n",
        "t.yaml",
    );
    assert!(wrong.unwrap_err().to_string().contains("activation.token"));
}
