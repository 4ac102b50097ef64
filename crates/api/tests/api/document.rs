//! The OpenAPI document: complete, and the committed copy is current.

use bellwire_api::openapi_json;
use serde_json::{Value, json};

use crate::support::{ADMIN, DOCUMENT, Server};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// With `BELLWIRE_REGENERATE=1` in the environment this writes the file instead.
#[test]
fn the_committed_document_is_current() {
    let current = openapi_json() + "\n";
    if std::env::vars_os().any(|(name, _)| name == "BELLWIRE_REGENERATE") {
        std::fs::write(PATH, &current).unwrap();
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json is stale; write it anew with: BELLWIRE_REGENERATE=1 cargo test -p bellwire-api committed_document"
    );
}

#[tokio::test]
async fn it_is_served() {
    let server = Server::start().await;
    let answer = server.call("GET", "/v1/openapi.json", None, None).await;
    assert_eq!((answer.status, &answer.json), (200, &*DOCUMENT));
    assert_eq!(answer.json["openapi"], "3.1.0");
}

/// Every operation, with its method and path.
pub(crate) fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter().filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

#[test]
fn every_operation_is_described_with_examples() {
    let mut ids = std::collections::HashSet::new();
    for (method, path, operation) in operations() {
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place}: its id is taken");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{place} has no summary");
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|parameter| parameter["name"] == name), "{place} does not describe {name}");
        }
        let has_example = |media: &Value| media.get("example").is_some() || media.get("examples").is_some();
        if let Some(content) = operation["requestBody"]["content"].as_object() {
            assert!(content.values().all(has_example), "{place}: no example of a body");
        }
        let responses = operation["responses"].as_object().unwrap();
        let needs_key = operation["security"].is_null();
        for status in ["401", "403", "429", "500", "503"] {
            assert!(responses.contains_key(status) || !needs_key, "{place}: {status} is not described");
        }
        for (status, response) in responses {
            let status: u16 = status.parse().unwrap_or_else(|_| panic!("{place}: `{status}` is no status"));
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert!(status < 400 || problem == "#/components/schemas/Problem", "{place}: {status} is no problem");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2') && *status != "204") {
            let content = response["content"].as_object().unwrap_or_else(|| panic!("{place} {status}: no content"));
            assert!(content.values().all(has_example), "{place} {status}: no example");
        }
    }
}

/// What a body's field may be is said where it is read; a few of each kind are held against the reader here.
#[tokio::test]
async fn the_document_says_what_the_reader_checks() {
    let server = Server::start().await;
    server.account("clinic-7", "noyo").await;
    let endpoint = server.endpoint("clinic-7").await;
    let text = |length: usize| "x".repeat(length);
    for (field, value) in [
        ("rate_limit", json!("1000000/h")),
        ("rate_limit", json!("1000001/h")),
        ("rate_limit", json!("0/s")),
        ("rate_limit", json!("007/m")),
        ("rate_limit", json!("5/d")),
        ("in_flight_max", json!(10_000)),
        ("in_flight_max", json!(10_001)),
        ("in_flight_max", json!(0)),
        ("name", json!(text(200))),
        ("name", json!(text(201))),
        ("name", json!(" ")),
        ("events", json!([])),
        ("url", json!("ftp://clinic.example/")),
        ("url", json!("https://clinic.example/")),
        ("url", json!(format!("https://clinic.example/{}", text(2_048)))),
        ("unknown", json!(1)),
    ] {
        let body = json!({ field: value });
        let schema = json!({ "$ref": "#/components/schemas/EndpointUpdate", "components": DOCUMENT["components"] });
        let fits = jsonschema::draft202012::new(&schema).unwrap().is_valid(&body);
        let answer = server.patch(&format!("/v1/accounts/clinic-7/endpoints/{endpoint}"), &body).await;
        assert_eq!(answer.status, if fits { 200 } else { 422 }, "{body}: {}", answer.text);
    }
}

/// Examples are what people copy, so they must fit their own schemas.
#[test]
fn examples_fit_their_schemas() {
    for (method, path, operation) in operations() {
        let bodies = std::iter::once(&operation["requestBody"]);
        let responses = operation["responses"].as_object().unwrap().values();
        for media in bodies.chain(responses).filter_map(|part| part["content"]["application/json"].as_object()) {
            let schema = serde_json::json!({ "allOf": [media["schema"]], "components": DOCUMENT["components"] });
            let validator = jsonschema::draft202012::new(&schema).unwrap();
            let several = media.get("examples").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
            for example in media.get("example").into_iter().chain(several.map(|example| &example["value"])) {
                if let Err(error) = validator.validate(example) {
                    panic!("{method} {path}: {error} in {example}");
                }
            }
        }
    }
}

/// The path of an operation on what a test has made: two accounts, and an endpoint of the first.
fn filled(template: &str, operation: &Value, endpoint: &str) -> String {
    let account = if operation["operationId"] == "accounts.rotate" { "with-a-secret" } else { "clinic-7" };
    template
        .replace("{account}", account)
        .replace("{contract}", "signed")
        .replace("{endpoint}", endpoint)
        .replace("{kind}", "difference")
        .replace("{id}", "eb73184b-ae3c-4411-aa82-3c3bd877cf78")
}

#[tokio::test]
async fn a_body_may_be_left_out_where_the_document_says_so_and_nowhere_else() {
    let server = Server::start().await;
    server.account("clinic-7", "choosy").await; // whose secrets are drawn
    server.account("with-a-secret", "shared").await;
    let endpoint = server.endpoint("clinic-7").await;
    let mut optional = 0;
    for (method, template, operation) in operations().filter(|(_, _, operation)| operation.get("requestBody").is_some()) {
        let is_required = operation["requestBody"]["required"] == true;
        let path = filled(template, operation, &endpoint);
        let answer = server.call(&method.to_uppercase(), &path, Some(ADMIN), None).await;
        // The contract has no test event: that is said only where the body was taken.
        let is_taken = answer.status < 300 || answer.json["code"] == "no_test_event";
        assert_eq!(is_taken, !is_required, "{method} {path}: {} {}", answer.status, answer.text);
        optional += usize::from(!is_required);
    }
    assert_eq!(optional, 5, "a new secret of an account and an endpoint, a contract's new key, a test, and a link to the portal");
}

/// The examples of bodies are read and carried out as they stand in the document.
#[tokio::test]
async fn examples_of_bodies_are_accepted() {
    let server = Server::start().await;
    server.account("clinic-7", "noyo").await;
    server.account("with-a-secret", "shared").await;
    let endpoint = server.endpoint("clinic-7").await;
    let mut sent = 0;
    for (method, template, operation) in operations() {
        let Some(media) = operation["requestBody"]["content"]["application/json"].as_object() else { continue };
        let path = filled(template, operation, &endpoint);
        let several = media.get("examples").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
        for example in media.get("example").into_iter().chain(several.map(|example| &example["value"])) {
            let answer = server.call(&method.to_uppercase(), &path, Some(ADMIN), Some(&example.to_string())).await;
            assert!((200..300).contains(&answer.status), "{method} {path} {example}: {}", answer.text);
            sent += 1;
        }
    }
    assert!(sent >= 9, "only {sent} examples were sent");
}
