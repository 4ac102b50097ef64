//! The shipped contracts, each checked by an independent computation: what a receiver would do who reads the published document.
#![allow(clippy::unwrap_used, reason = "a helper of tests may fail them")]

use crate::common::{self, NOW, URL, body, header, render, secrets, shipped};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwire_contract::{CapturedRequest, Contract, Contracts, EventChoice, OutboundRequest, Registrar, SecretSource, Verdict};
use bellwire_domain::{SuccessRule, Timestamp, UrlPolicy};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn json_body(request: &OutboundRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn verdict(contract: &Contract, request: &OutboundRequest, body: &[u8], secret: &str, now: Timestamp) -> Verdict {
    let captured = CapturedRequest { method: "POST", url: &request.url, headers: &request.headers, body };
    contract.verify(&captured, &secrets(&[secret]), now)
}

fn secret_of(contract: &Contract) -> String {
    contract.draw_secret([9; 32]).expose().clone()
}

#[test]
fn every_event_of_every_contract_renders_valid_json_and_is_genuine() {
    for contract in Contracts::shipped().unwrap().iter() {
        let secret = secret_of(contract);
        contract.check_secret(&secret).unwrap();
        for event in contract.events() {
            contract.check_data(event, event.example.get().as_bytes()).unwrap();
            let request = render(contract, event.event_type.as_str(), event.example.get(), &[&secret]);
            json_body(&request);
            assert_eq!(header(&request, "content-type"), "application/json");
            assert!(header(&request, "user-agent").starts_with("Bellwire/"));
            let verdict = verdict(contract, &request, &request.body, &secret, NOW);
            assert_eq!(verdict, Verdict::Genuine, "{} {}", contract.name(), event.event_type);
        }
    }
}

#[test]
fn every_test_event_is_one_that_its_receivers_understand() {
    for contract in Contracts::shipped().unwrap().iter() {
        let name = contract.name();
        let test = contract.test_event().unwrap_or_else(|| panic!("{name} has no test event"));
        let secret = secret_of(contract);
        let Some(definition) = contract.event(test.event_type.as_str()).filter(|event| event.event_type == test.event_type)
        else {
            continue; // a type of its own
        };
        contract.check_data(definition, test.data.get().as_bytes()).unwrap();
        assert_eq!((&test.title, definition.entitlement.as_ref()), (&definition.title, None), "{name}");
        // What really happens under that type keeps the words of the catalogue.
        let request = render(contract, test.event_type.as_str(), definition.example.get(), &[&secret]);
        let sent = String::from_utf8(request.body.to_vec()).unwrap();
        assert!(!sent.contains("test"), "{name}: {sent}");
    }
}

/// The events that a document lists, spelled as receivers compare them.
#[test]
fn the_catalogues_are_those_of_the_documents() {
    let types = |name: &str| -> Vec<&str> { shipped(name).events().iter().map(|event| event.event_type.as_str()).collect() };
    assert_eq!(types("b.well"), ["user-delete-completed", "data-export-completed"]);
    assert_eq!(types("silver"), ["adjudication_complete"]);
    let differences = ["difference.created", "difference.discrepancy", "difference.resolved", "difference.replaced"];
    assert_eq!(types("noyo"), differences);
    let of = |object: &str, states: &[&str]| states.iter().map(|state| format!("{object}:{state}")).collect::<Vec<_>>();
    let novamed = [
        of("order", &["created", "processing", "shipped", "delivered", "cancelled"]),
        of("medication_request", &["created", "approved", "filled", "cancelled"]),
        of("refill", &["requested", "approved", "denied"]),
    ];
    assert_eq!(types("novamed"), novamed.concat());
    // Develop Health sends the words beside them, too.
    let events = shipped("develop-health").events().iter();
    let sent: Vec<_> = events
        .map(|event| [event.event_type.as_str(), &*event.title, event.description.as_deref().unwrap_or_default()])
        .collect();
    let expected = [
        ["benefit_verification.status_change", "Benefit Verification Updated", "A Benefit Verification has been updated."],
        [
            "prior_authorization.status_change",
            "Prior Authorization Updated",
            "A Prior Authorization submission status or outcome has changed.",
        ],
        [
            "prior_authorization.activity_log_updated",
            "Prior Authorization Activity Log Updated",
            "The activity log of a Prior Authorization has been updated.",
        ],
        ["prior_authorization.message", "Prior Authorization Message", "A message has been added to a Prior Authorization."],
        [
            "prior_authorization.prescription_transfer_change",
            "Prior Authorization Prescription Transfer Updated",
            "The prescription transfer for a Prior Authorization has been updated.",
        ],
        [
            "prior_authorization.real_time_benefits_check_change",
            "Prior Authorization Real-Time Benefits Check",
            "A real-time benefits check for a Prior Authorization has completed.",
        ],
    ];
    assert_eq!(sent, expected);
}

/// Who registers, who chooses events, whose the secret is; which URLs, whether it is on at once, and whether in a sandbox.
#[test]
fn a_subscription_is_what_its_document_makes_of_it() {
    let (all, choose) = (EventChoice::All, EventChoice::Choose);
    let (any, https) = (UrlPolicy::Any, UrlPolicy::Https);
    let (itself, representative) = (Registrar::Consumer, Registrar::Operator);
    for (name, register, events, secret, url, enabled, sandbox) in [
        ("develop-health", itself, choose, SecretSource::Consumer, any, false, true),
        ("b.well", itself, choose, SecretSource::Generated, https, true, true),
        ("silver", representative, choose, SecretSource::Account, any, true, true),
        ("noyo", itself, all, SecretSource::Consumer, https, true, false),
        ("novamed", itself, all, SecretSource::Account, https, true, true),
    ] {
        let rules = shipped(name).subscription();
        assert_eq!((rules.register, rules.events, rules.secret.from), (register, events, secret), "{name}");
        assert_eq!((rules.url, rules.enabled, rules.sandbox), (url, enabled, sandbox), "{name}");
        assert!(!rules.secret.readable, "{name} shows no secret again");
    }
}

#[test]
fn what_counts_as_received_is_what_the_document_says() {
    for contract in Contracts::shipped().unwrap().iter() {
        let only_200 = contract.name() == "novamed";
        for status in 100..600 {
            let expected = if only_200 { status == 200 } else { (200..300).contains(&status) };
            assert_eq!(contract.delivery().success.accepts(status), expected, "{} {status}", contract.name());
        }
    }
}

/// Two documents announce further events: a line of the contract adds one, and nothing that was sent before looks different.
#[test]
fn an_event_is_added_by_a_line() {
    let added = "events:\n  - { type: thing.added, schema: { type: object, properties: { id: { type: string } } }, example: { id: x } }\n";
    for (name, event_type, data) in [
        ("noyo", "difference.created", r#"{"id":"eb73184b-ae3c-4411-aa82-3c3bd877cf78"}"#),
        ("b.well", "user-delete-completed", r#"{"person":"789"}"#),
    ] {
        let before = shipped(name);
        let with_body = if name == "b.well" { added.replace("{ id:", "{ person:") } else { added.to_owned() };
        let after = common::compile(&before.source().replacen("events:\n", &with_body, 1));
        assert_eq!(after.events().len(), before.events().len() + 1, "{name}");
        let secret = secret_of(before);
        let sent = |contract: &Contract| render(contract, event_type, data, &[&secret]).body;
        assert_eq!(sent(before), sent(&after), "{name}");
        let new = render(&after, "thing.added", r#"{"id":"x","person":"x"}"#, &[&secret]);
        assert!(body(&new).contains("thing.added"), "{name}");
    }
}

#[test]
fn tampering_wrong_secrets_and_old_times_are_seen() {
    for (name, data, signs_body, signs_time) in [
        ("noyo", r#"{"id":"eb73184b-ae3c-4411-aa82-3c3bd877cf78"}"#, true, true),
        ("develop-health", r#"{"id":"bv_1"}"#, true, true),
        ("b.well", r#"{"person":"789"}"#, true, true),
        ("standard-webhooks", r#"{"a":1}"#, true, true),
        ("silver", "{}", false, false),
        ("novamed", "{}", false, false),
    ] {
        let contract = shipped(name);
        let event_type = contract.events().first().map_or("any.type", |event| event.event_type.as_str());
        let secret = secret_of(contract);
        let request = render(contract, event_type, data, &[&secret]);
        let judge = |body: &[u8], secret: &str, now| verdict(contract, &request, body, secret, now);
        assert_eq!(judge(&request.body, &secret, NOW), Verdict::Genuine, "{name}");
        let other = contract.draw_secret([1; 32]);
        assert!(matches!(judge(&request.body, other.expose(), NOW), Verdict::Rejected { .. }), "{name}: wrong secret");
        let mut tampered = request.body.to_vec();
        let last = tampered.len() - 2;
        tampered[last] ^= 1;
        assert_eq!(matches!(judge(&tampered, &secret, NOW), Verdict::Rejected { .. }), signs_body, "{name}: tampered");
        for now in [NOW.plus(Duration::from_secs(301)), NOW.minus(Duration::from_secs(301))] {
            assert_eq!(matches!(judge(&request.body, &secret, now), Verdict::Rejected { .. }), signs_time, "{name}: {now}");
        }
        let mut bare = request.clone();
        bare.headers.clear();
        assert!(matches!(verdict(contract, &bare, &request.body, &secret, NOW), Verdict::Rejected { .. }), "{name}: bare");
    }
}

#[test]
fn noyo() {
    let contract = shipped("noyo");
    let data = r#"{"id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78"}"#;
    let request = render(contract, "difference.created", data, &["new", "old"]);
    assert_eq!(
        body(&request),
        format!(
            r#"{{"data":{data},"event":{{"id":"3573d31d-15ab-42a3-aece-8f1e3a5c986f","created":1714670277,"type":"difference.created"}}}}"#
        )
    );
    let time = header(&request, "x-noyo-timestamp");
    assert_eq!(time, "2024-05-08T21:27:45.039587+00:00");
    let text = format!("{time}.{}", body(&request));
    let expected: Vec<String> =
        ["new", "old"].iter().map(|key| hex::encode(hmac_sha256(key.as_bytes(), text.as_bytes()))).collect();
    assert_eq!(header(&request, "x-noyo-signature"), expected.join(","));
    assert_eq!(header(&request, "x-cloud-trace-context"), "000102030405060708090a0b0c0d0e0f/1157726452361532951");
    for secret in ["new", "old"] {
        assert_eq!(verdict(contract, &request, &request.body, secret, NOW), Verdict::Genuine);
    }

    let created = contract.event("difference.created").unwrap();
    let errors =
        contract.check_data(created, br#"{"id":"eb73184b-ae3c-4411-aa82-3c3bd877cf78","ssn":"123-45-6789"}"#).unwrap_err();
    assert_eq!(errors[0].pointer, "/ssn");
    assert!(errors.iter().all(|error| !error.message.contains("123-45")), "{errors:?}");
    assert!(contract.check_data(created, br#"{"id":"Jane Doe"}"#).is_err());
    assert!(contract.check_data(created, b"{}").is_err());

    let rules = contract.subscription();
    assert_eq!((rules.events, rules.url, rules.sandbox, rules.enabled), (EventChoice::All, UrlPolicy::Https, false, true));
    assert_eq!((rules.secret.from, rules.secret.readable), (SecretSource::Consumer, false));
    let total: Duration = contract.delivery().schedule.delays().iter().sum();
    assert_eq!(contract.delivery().schedule.delays().len(), 15);
    assert!(total.abs_diff(Duration::from_secs(3 * 86_400)) < Duration::from_secs(2));
    let hello = contract.test_event().unwrap();
    assert_eq!((hello.event_type.as_str(), hello.data.get()), ("test.hello_world", r#"{"message":"Hello world!"}"#));
    assert!(contract.event("test.hello_world").is_none() && contract.event("difference.reopened").is_none());
}

#[test]
fn undeclared_fields_are_refused_where_the_contract_says_so_and_only_there() {
    let data = br#"{"id":"eb73184b-ae3c-4411-aa82-3c3bd877cf78","name":"x"}"#;
    let closed = shipped("noyo");
    assert!(closed.check_data(closed.event("difference.created").unwrap(), data).is_err());
    let open = &common::compile(&closed.source().replace("data: declared_only\n", ""));
    assert!(open.check_data(open.event("difference.created").unwrap(), data).is_ok());
}

#[test]
fn develop_health() {
    let contract = shipped("develop-health");
    let data = r#"{"id":"bv_nBElDPw","object":"benefit_verification","status":"completed","cost":1.10,"more":{}}"#;
    let request = render(contract, "benefit_verification.status_change", data, &["s3cret", "older"]);
    assert_eq!(
        body(&request),
        format!(
            r#"{{"title":"Benefit Verification Updated","description":"A Benefit Verification has been updated.","event_type":"benefit_verification.status_change","data":{data}}}"#
        )
    );
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let key = jsonwebtoken::DecodingKey::from_secret(b"s3cret");
    let token = jsonwebtoken::decode::<Value>(header(&request, "x-webhook-secret"), &key, &validation).unwrap();
    let digest = hex::encode(Sha256::digest(&request.body));
    assert_eq!(token.claims, json!({"iat": 1_715_203_665, "exp": 1_715_203_965, "body_sha256": digest}));
    assert_eq!(serde_json::to_value(&token.header).unwrap(), json!({"alg": "HS256", "typ": "JWT"}));

    let rules = contract.subscription();
    assert!(!rules.enabled && rules.events == EventChoice::Choose);
    let log = contract.event("prior_authorization.activity_log_updated").unwrap();
    assert_eq!(log.entitlement.as_deref(), Some("prior_authorization.activity_log_updated"));
    assert!(!log.enabled_by_default);
    assert_eq!(contract.events().iter().filter(|event| event.entitlement.is_some()).count(), 1);
    assert_eq!(contract.events().len(), 6);
}

#[test]
fn b_well() {
    let contract = shipped("b.well");
    let data =
        r#"{"person":"456","identifier":"client-specific-identifier","download_url":"https://icanbwell.com/downloads/x.zip"}"#;
    let request = render(contract, "data-export-completed", data, &[WHSEC]);
    assert_eq!(
        json_body(&request),
        json!({
            "resourceType": "MessageHeader",
            "id": common::EVENT_ID,
            "eventCoding": {"system": "http://icanbwell.com/event-types", "code": "data-export-completed"},
            "source": {"endpoint": "https://icanbwell.com"},
            "destination": [{"endpoint": URL}],
            "focus": [{"reference": "Person/456"}],
            "extension": [
                {
                    "url": "http://example.com/fhir/StructureDefinition/external-identifier",
                    "valueIdentifier": {"system": "urn:client:identifier", "value": "client-specific-identifier"}
                },
                {
                    "url": "http://example.com/fhir/StructureDefinition/download-url",
                    "valueUri": "https://icanbwell.com/downloads/x.zip"
                }
            ]
        })
    );
    assert_standard_headers(&request);
    let without = render(contract, "user-delete-completed", r#"{"person":"789"}"#, &[WHSEC]);
    assert!(json_body(&without).get("extension").is_none());
    let export = contract.event("data-export-completed").unwrap();
    assert!(contract.check_data(export, br#"{"person":"456"}"#).is_err());
    assert_eq!(contract.subscription().url, UrlPolicy::Https);
}

fn assert_standard_headers(request: &OutboundRequest) {
    assert_eq!((header(request, "webhook-id"), header(request, "webhook-timestamp")), (common::EVENT_ID, "1715203665"));
    let key = STANDARD.decode(WHSEC.trim_start_matches("whsec_")).unwrap();
    let text = format!("{}.1715203665.{}", common::EVENT_ID, body(request));
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, text.as_bytes())));
    assert_eq!(header(request, "webhook-signature").split(' ').next().unwrap(), expected);
}

#[test]
fn silver() {
    let contract = shipped("silver");
    let data = r#"{ "claim": 9007199254740993, "amount": 1.10, "note": "caf\u00e9" }"#;
    let request = render(contract, "adjudication_complete", data, &["newest", "older"]);
    assert_eq!(header(&request, "apikey"), "newest");
    assert_eq!(
        body(&request),
        format!(r#"{{"eventId":"{}","eventType":"adjudication_complete","eventPayload":{data}}}"#, common::EVENT_ID)
    );
    let rules = contract.subscription();
    assert_eq!((rules.register, rules.secret.from), (Registrar::Operator, SecretSource::Account));
    assert!(contract.delivery().schedule.delays().is_empty());
    assert!(contract.check_secret("line\nbreak").is_err() && contract.check_secret("ünicode").is_err());
}

#[test]
fn novamed() {
    let contract = shipped("novamed");
    let request = render(contract, "order:shipped", r#"{"order_id":"ord_12345"}"#, &["clinic-key"]);
    assert_eq!(header(&request, "x-api-key"), "clinic-key");
    assert_eq!(
        body(&request),
        format!(
            r#"{{"event_type":"order:shipped","event_id":"{}","timestamp":"2024-05-02T17:17:57.000Z","clinic_id":"550e8400-e29b-41d4-a716-446655440000","data":{{"order_id":"ord_12345"}}}}"#,
            common::EVENT_ID
        )
    );
    contract.check_secret("your-api-key").expect("the guide's own placeholder");
    contract.check_secret("your-api-ke").unwrap_err();
    let delivery = contract.delivery();
    assert_eq!((&delivery.success, delivery.timeout), (&SuccessRule::parse("200").unwrap(), Duration::from_secs(5)));
    let minutes: Vec<u64> = delivery.schedule.delays().iter().map(|delay| delay.as_secs() / 60).collect();
    assert_eq!(minutes, [1, 5, 15, 60]);
    assert_eq!((contract.subscription().url, contract.events().len()), (UrlPolicy::Https, 12));
}

#[test]
fn standard_webhooks() {
    let contract = shipped("standard-webhooks");
    let request = render(contract, "user.created", r#"{"n":1.10}"#, &[WHSEC, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]);
    assert_eq!(body(&request), r#"{"type":"user.created","timestamp":"2024-05-02T17:17:57.000000Z","data":{"n":1.10}}"#);
    assert_standard_headers(&request);
    let signatures: Vec<&str> = header(&request, "webhook-signature").split(' ').collect();
    assert!(signatures.len() == 2 && signatures.iter().all(|signature| signature.starts_with("v1,")), "{signatures:?}");
    assert_eq!(header(&request, "x-own"), "1");
    assert!(contract.event("anything.at.all").is_some() && contract.any_event().is_some());
    assert!(contract.delivery().gone_disables && contract.delivery().retry_after_max.is_some());
    assert!(contract.check_secret("hunter2").is_err() && contract.check_secret("whsec_c2hvcnQ=").is_err());
    let drawn = secret_of(contract);
    assert!(drawn.starts_with("whsec_") && contract.check_secret(&drawn).is_ok());
}

#[test]
fn the_registry_refuses_a_second_contract_of_one_name() {
    let mut contracts = Contracts::shipped().unwrap();
    assert_eq!(contracts.iter().count(), 6);
    let copy = common::compile(shipped("noyo").source());
    assert_eq!(contracts.add(copy).unwrap_err().label.name, "noyo");
}
