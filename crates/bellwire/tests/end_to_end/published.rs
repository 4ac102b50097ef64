//! Published APIs: a consumer who knows nothing but a platform's own document registers, is delivered to, reads and deletes.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::{Answer, Home, LOCAL, Platform, Server, send, starting};

const CLINIC: &str = "550e8400-e29b-41d4-a716-446655440000";

/// A server with one published API at a port of its own.
fn publishing(home: &Home, contract: &str) -> (Server, SocketAddr) {
    let publication = format!("{contract}=127.0.0.1:0");
    let server = home.start_with(&[&LOCAL[..], &["--publish", &publication]].concat());
    let address = server.publishes(contract);
    (server, address)
}

/// The key of a consumer of this account.
fn consumer(server: &Server, account: &str) -> String {
    let made = server.api.post("/v1/keys", &json!({ "role": "consumer", "account": account })).expect(201);
    made["key"].as_str().unwrap().to_owned()
}

/// A request with the headers of the documents' curl commands.
fn call(address: SocketAddr, method: &str, path: &str, key: (&str, &str), body: &Value) -> Answer {
    let headers = [key, ("Content-Type", "application/json"), ("Accept", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(address, method, path, &headers, body.as_bytes()).unwrap()
}

#[test]
fn a_clinic_registers_receives_and_deletes_as_the_guide_says() {
    let home = Home::new();
    let (mut server, address) = publishing(&home, "novamed");
    let platform = Platform::set_up_as(&server.api, "novamed", CLINIC);
    let receiver = starting("novamed.js", &platform.secret).ready();
    let key = consumer(&server, CLINIC);
    let ask = |method: &str, body: &Value| call(address, method, "/api/external/webhook", ("x-api-key", &key), body);

    let registered = ask("POST", &json!({ "clinic_id": CLINIC, "webhook_url": receiver.url() })).expect(201);
    let id = registered["data"]["webhook_id"].as_str().unwrap().to_owned();
    let created_at = registered["data"]["created_at"].as_str().unwrap();
    assert!(created_at.len() == "2025-01-15T10:00:00.000Z".len() && created_at.ends_with('Z'), "{created_at}");
    let expected = json!({
        "success": true,
        "data": { "webhook_id": id, "webhook_url": receiver.url(), "clinic_id": CLINIC, "created_at": created_at },
        "message": "Webhook registered successfully"
    });
    assert_eq!(registered, expected);

    let event = platform.publish_any();
    let seen = receiver.next();
    assert!(seen.verified && seen.event_id.as_deref() == Some(event.as_str()), "{seen:?}");

    let foreign = json!({ "clinic_id": "660e8400-e29b-41d4-a716-446655440000", "webhook_id": id });
    let refused = ask("DELETE", &foreign).expect(404);
    assert_eq!((&refused["success"], refused["message"].is_string()), (&json!(false), true));
    let deleted = ask("DELETE", &json!({ "clinic_id": CLINIC, "webhook_id": id })).expect(200);
    assert_eq!(deleted, json!({ "success": true, "message": "Webhook deleted successfully" }));
    assert_eq!(ask("DELETE", &json!({ "clinic_id": CLINIC, "webhook_id": id })).status, 404);

    for path in ["/healthz", "/readyz", "/metrics", "/v1/accounts", "/published/novamed/api/external/webhook"] {
        let answer = call(address, "GET", path, ("x-api-key", &key), &Value::Null);
        assert_eq!(answer.expect(404)["success"], false, "{path}");
    }
    server.signal("TERM");
    assert!(server.end().success());
    assert!(send(address, "GET", "/", &[], b"").is_err(), "its listener is closed as well");
}

#[test]
fn a_document_is_read_as_the_bytes_that_an_event_carried() {
    let home = Home::new();
    let (server, address) = publishing(&home, "develop-health");
    let mut platform = Platform::set_up(&server.api, "develop-health");
    let receiver = starting("develop_health.py", &platform.secret).ready();
    platform.add_endpoint(&receiver.url());
    let document = r#"{ "object":"benefit_verification", "id":"bv_1","status":"completed","cost":1.10, "note":"caf\u00e9 é" }"#;
    let put = platform.path("/resources/benefit_verification/bv_1");
    assert_eq!(server.api.call("PUT", &put, document).status, 201);
    let seen = receiver.next();
    assert!(seen.verified && String::from_utf8_lossy(&seen.body).contains(document), "{seen:?}");

    let bearer = format!("Bearer {}", consumer(&server, &platform.account));
    let read = call(address, "GET", "/benefit-verification/bv_1", ("authorization", &bearer), &Value::Null);
    assert_eq!((read.status, read.text()), (200, document));
    let below = call(
        server.api.address,
        "GET",
        "/published/develop-health/benefit-verification/bv_1",
        ("authorization", &bearer),
        &Value::Null,
    );
    assert_eq!(below.text(), document);
    let list = call(address, "GET", "/benefit-verification", ("authorization", &bearer), &Value::Null);
    assert_eq!(list.text(), format!(r#"{{"data":[{document}],"next":null}}"#));
}

#[test]
fn a_delivery_names_the_definition_that_its_message_has() {
    let home = Home::new();
    let (server, address) = publishing(&home, "b.well");
    let mut platform = Platform::set_up(&server.api, "b.well");
    // The secret is drawn at the registration, and the receiver needs it to start.
    let endpoint = platform.add_endpoint("http://127.0.0.1:9/");
    let receiver = starting("bwell.js", &platform.secret).ready();
    platform.api.patch(&platform.path(&format!("/endpoints/{endpoint}")), &json!({ "url": receiver.url() })).expect(200);
    platform.publish_any();
    let seen = receiver.next();
    let link = seen.header("link").unwrap();
    let url = link.strip_prefix('<').and_then(|link| link.strip_suffix(r#">; rel="describedby""#)).unwrap();
    let path = url.strip_prefix("https://icanbwell.com").unwrap();
    let definition = send(address, "GET", path, &[], b"").unwrap();
    assert_eq!(definition.header("content-type"), Some("application/fhir+json"));
    let definition = definition.expect(200);
    assert_eq!((&definition["url"], &definition["resourceType"]), (&json!(url), &json!("MessageDefinition")));
    let message: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(definition["eventCoding"], message["eventCoding"]);
}
