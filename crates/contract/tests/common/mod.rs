//! What the tests of this crate share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, reason = "a helper of tests may fail them")]

use std::sync::LazyLock;

use bellwire_contract::{
    AccountInput, AttemptInput, Contract, Contracts, DeliveryInput, EndpointInput, EventInput, OutboundRequest, RenderInput,
    SigningSecret,
};
use bellwire_domain::{EventType, Secret, Timestamp, Trigger};

/// 2024-05-08T21:27:45.039587Z
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_715_203_665_039_587);
/// 2024-05-02T17:17:57Z
pub(crate) const OCCURRED: Timestamp = Timestamp::from_secs(1_714_670_277);
pub(crate) const URL: &str = "https://client.example.com/hooks?tenant=7";
pub(crate) const EVENT_ID: &str = "3573d31d-15ab-42a3-aece-8f1e3a5c986f";

pub(crate) fn shipped(name: &str) -> &'static Contract {
    static SHIPPED: LazyLock<Contracts> = LazyLock::new(|| Contracts::shipped().unwrap_or_else(|error| panic!("{error}")));
    SHIPPED.get(name).unwrap()
}

pub(crate) fn compile(source: &str) -> Contract {
    Contract::compile(source, "t.yaml").unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn secrets(texts: &[&str]) -> Vec<Secret<String>> {
    texts.iter().map(|text| Secret::new((*text).to_owned())).collect()
}

/// Renders an event at [`NOW`].
pub(crate) fn render(contract: &Contract, event_type: &str, data: &str, secret_texts: &[&str]) -> OutboundRequest {
    try_render(contract, event_type, data, secret_texts).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn try_render(
    contract: &Contract,
    event_type: &str,
    data: &str,
    secret_texts: &[&str],
) -> Result<OutboundRequest, bellwire_contract::RenderError> {
    with_input(event_type, data, secret_texts, |input| {
        let endpoint = EndpointInput { credentials: contract.example_credentials(), ..input.endpoint };
        contract.render(&RenderInput { endpoint, ..*input })
    })
}

/// Calls `with` with what the tests render from.
pub(crate) fn with_input<T>(event_type: &str, data: &str, secret_texts: &[&str], with: impl FnOnce(&RenderInput<'_>) -> T) -> T {
    let event_type = EventType::try_new(event_type).unwrap();
    let secrets = SigningSecret::numbered(&secrets(secret_texts));
    with(&RenderInput {
        event: EventInput { id: EVENT_ID, event_type: &event_type, occurred_at: OCCURRED, seq: 42, data, is_test: false },
        attempt: AttemptInput {
            number: 2,
            at: NOW,
            trigger: Trigger::Automatic,
            random: core::array::from_fn(|index| index as u8),
        },
        delivery: DeliveryInput {
            id: "dlv_1",
            number: 9,
            created_at: OCCURRED,
            first_attempt_at: Some(OCCURRED),
            previous: None,
        },
        endpoint: EndpointInput {
            id: "ep_1",
            url: URL,
            name: Some("main"),
            expires_at: None,
            headers: &[("X-Own".to_owned(), "1".to_owned())],
            options: None,
            credentials: None,
        },
        account: AccountInput { id: "550e8400-e29b-41d4-a716-446655440000", name: None },
        secrets: &secrets,
        activation: None,
        others: &[],
        access_token: None,
    })
}

pub(crate) fn header<'r>(request: &'r OutboundRequest, name: &str) -> &'r str {
    request.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

pub(crate) fn body(request: &OutboundRequest) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

/// Data with every kind of value, in spellings that a parser would change.
pub(crate) const DATA: &str = r#"{"id":"o\u00e9","amount":1.10,"big":123456789012345678901234567890,"flag":true,"none":null,"list":[{"sku":"a","n":1e2},{"sku":"b","n":2}],"empty":[],"nested":{"x":{"y":-0.0}},"time":"2025-01-15T10:30:00+01:00","n":1,"v":1}"#;

/// A contract around a body, written as YAML in one line.
pub(crate) fn with_body(body: &str) -> Contract {
    compile(&format!("contract: t\ntitle: T\nevents: [{{ type: \"*\", example: {DATA} }}]\nrequest:\n  body: {body}\n"))
}
