//! Published APIs: a consumer who knows nothing but a platform's own document registers, is delivered to, reads and deletes.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::{Answer, Home, LOCAL, Platform, Receiver, Server, ask, send, starting};

const CLINIC: &str = "550e8400-e29b-41d4-a716-446655440000";
const OTHER: &str = "660e8400-e29b-41d4-a716-446655440001";
/// Where a clinic registers and deletes its webhooks.
const WEBHOOK: &str = "/api/external/webhook";

/// A server with one published API at a port of its own.
fn publishing(home: &Home, contract: &str) -> (Server, SocketAddr) {
    let listener = format!("{contract}=127.0.0.1:0");
    let server = home.start_with(&[&LOCAL[..], &["--publish", &listener]].concat());
    let address = server.publishes(contract);
    (server, address)
}

/// The key of a consumer of this account.
fn consumer(server: &Server, account: &str) -> String {
    let made = server.api.post("/v1/keys", &json!({ "role": "consumer", "account": account })).expect(201);
    made["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_clinic_registers_receives_and_deletes_as_the_guide_says() {
    let home = Home::new();
    let (mut server, address) = publishing(&home, "novamed");
    let platform = Platform::set_up_as(&server.api, "novamed", CLINIC);
    let receiver = starting("novamed.js", &platform.secret).ready();
    let key = consumer(&server, CLINIC);
    let own = |method: &str, body: &Value| ask(address, method, WEBHOOK, ("x-api-key", &key), body);

    let registered = own("POST", &json!({ "clinic_id": CLINIC, "webhook_url": receiver.url() })).expect(201);
    let id = registered["data"]["webhook_id"].as_str().unwrap().to_owned();
    let groups: Vec<_> = id.split('-').map(|group| (group.len(), group.chars().all(|digit| digit.is_ascii_hexdigit()))).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12].map(|length| (length, true)), "{id} is a UUID");
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

    let deleted = own("DELETE", &json!({ "clinic_id": CLINIC, "webhook_id": id })).expect(200);
    assert_eq!(deleted, json!({ "success": true, "message": "Webhook deleted successfully" }));
    refused(&own("DELETE", &json!({ "clinic_id": CLINIC, "webhook_id": id })), 404);

    for path in ["/healthz", "/readyz", "/metrics", "/v1/accounts", "/published/novamed/api/external/webhook"] {
        let answer = ask(address, "GET", path, ("x-api-key", &key), &Value::Null);
        assert_eq!(answer.expect(404)["success"], false, "{path}");
    }
    server.signal("TERM");
    assert!(server.end().success());
    assert!(send(address, "GET", "/", &[], b"").is_err(), "its listener is closed as well");
}

/// A refusal as the guide's envelope has it; its message.
#[track_caller]
fn refused(answer: &Answer, status: u16) -> String {
    let body = answer.expect(status);
    let message = body["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(body, json!({ "success": false, "message": message }));
    assert!(!message.is_empty());
    message
}

#[test]
fn what_the_guide_rules_out_is_refused_in_its_envelope() {
    let home = Home::new();
    let server = home.start_with(&["--publish", "novamed=127.0.0.1:0"]);
    let address = server.publishes("novamed");
    let platform = Platform::set_up_as(&server.api, "novamed", CLINIC);
    let key = consumer(&server, CLINIC);
    let own = |method: &str, body: &Value| ask(address, method, WEBHOOK, ("x-api-key", &key), body);
    let wanted = json!({ "clinic_id": CLINIC, "webhook_url": "https://clinic.example/webhooks/novamed" });

    for (field, value, status, word) in [
        ("webhook_url", json!("http://clinic.example/webhooks/novamed"), 400, "https"),
        ("webhook_url", json!("https://10.0.0.7/in"), 400, "10.0.0.7"),
        ("webhook_url", json!("clinic.example"), 400, "webhook_url"),
        ("webhook_url", Value::Null, 400, "webhook_url"),
        ("webhook_url", json!(7), 400, "webhook_url"),
        ("clinic_id", Value::Null, 400, "clinic_id"),
        ("clinic_id", json!("nobody"), 404, ""),
    ] {
        let mut wrong = wanted.clone();
        wrong[field] = value;
        let message = refused(&own("POST", &wrong), status);
        assert!(message.contains(word), "{wrong}: {message}");
    }
    refused(&own("POST", &Value::Null), 400);
    refused(&own("DELETE", &json!({ "clinic_id": CLINIC })), 400);
    refused(&own("DELETE", &json!({ "clinic_id": CLINIC, "webhook_id": OTHER })), 404);
    refused(&own("PUT", &wanted), 405);
    // The key stands in `x-api-key`, and nowhere else.
    let bearer = format!("Bearer {key}");
    for wrong in [("x-api-key", "your-api-key-here"), ("x-api-key", ""), ("authorization", &bearer), ("api-key", &key)] {
        let message = refused(&ask(address, "POST", WEBHOOK, wrong, &wanted), 401);
        assert!(!message.contains(&key), "{message}");
    }
    let registered = server.api.get(&platform.path("/endpoints")).expect(200);
    assert_eq!(registered["items"], json!([]), "nothing was registered");
    own("POST", &wanted).expect(201);
}

#[test]
fn a_clinic_has_no_say_in_the_webhooks_of_another() {
    let home = Home::new();
    let (server, address) = publishing(&home, "novamed");
    let platform = Platform::set_up_as(&server.api, "novamed", CLINIC);
    Platform::set_up_as(&server.api, "novamed", OTHER);
    let (key, foreign) = (consumer(&server, CLINIC), consumer(&server, OTHER));
    let receiver = starting("novamed.js", &platform.secret).ready();
    let own = |method: &str, path: &str, body: &Value| ask(address, method, path, ("x-api-key", &key), body);
    let theirs = |method: &str, path: &str, body: &Value| ask(address, method, path, ("x-api-key", &foreign), body);
    let registered = own("POST", WEBHOOK, &json!({ "clinic_id": CLINIC, "webhook_url": receiver.url() })).expect(201);
    let id = &registered["data"]["webhook_id"];
    let order = json!({ "order_id": "ord_1", "status": "created" });
    server.api.put(&platform.path("/resources/order/ord_1"), &order).expect(201);
    assert!(receiver.next().verified);

    // Neither under its own name nor under the other's; and what is there is answered as what is not.
    for clinic in [CLINIC, OTHER] {
        let existing = refused(&theirs("DELETE", WEBHOOK, &json!({ "clinic_id": clinic, "webhook_id": id })), 404);
        let made_up = refused(&theirs("DELETE", WEBHOOK, &json!({ "clinic_id": clinic, "webhook_id": CLINIC })), 404);
        assert_eq!(existing, made_up);
    }
    refused(&theirs("POST", WEBHOOK, &json!({ "clinic_id": CLINIC, "webhook_url": receiver.url() })), 404);
    refused(&theirs("GET", "/api/external/order/ord_1", &Value::Null), 404);
    assert_eq!(own("GET", "/api/external/order/ord_1", &Value::Null).expect(200), json!({ "success": true, "data": order }));
    let listed = server.api.get(&platform.path("/endpoints")).expect(200);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["id"]), (1, id));
    let event = platform.publish_any();
    assert_eq!(receiver.next().event_id, Some(event), "its webhook goes on");
}

/// Puts a document, which has to arrive byte for byte as an event's data.
#[track_caller]
fn put_and_receive(server: &Server, platform: &Platform, receiver: &Receiver, path: &str, document: &str) {
    assert_eq!(server.api.call("PUT", &platform.path(&format!("/resources/{path}")), document).status, 201);
    let seen = receiver.next();
    assert!(seen.verified && String::from_utf8_lossy(&seen.body).contains(&format!(r#""data":{document}}}"#)), "{seen:?}");
}

#[test]
fn a_document_is_read_as_the_bytes_that_an_event_carried() {
    let home = Home::new();
    let (server, address) = publishing(&home, "develop-health");
    let mut platform = Platform::set_up(&server.api, "develop-health");
    let receiver = starting("develop_health.py", &platform.secret).ready();
    platform.add_endpoint(&receiver.url());
    let verification =
        r#"{ "object":"benefit_verification", "id":"bv_1","status":"completed","cost":1.10, "note":"caf\u00e9 é" }"#;
    let authorization = r#"{"status":"processing","object":"prior_authorization","id":"pa_1","message_thread":[ ], "dose":0.50}"#;
    put_and_receive(&server, &platform, &receiver, "benefit_verification/bv_1", verification);
    put_and_receive(&server, &platform, &receiver, "prior_authorization/pa_1", authorization);

    let bearer = format!("Bearer {}", consumer(&server, &platform.account));
    let get = |address, path: &str| ask(address, "GET", path, ("authorization", &bearer), &Value::Null);
    for (path, id, document) in [("/benefit-verification", "bv_1", verification), ("/prior-authorization", "pa_1", authorization)]
    {
        let read = get(address, &format!("{path}/{id}"));
        assert_eq!((read.status, read.text()), (200, document));
        let below = get(server.api.address, &format!("/published/develop-health{path}/{id}"));
        assert_eq!(below.text(), document);
        assert_eq!(get(address, path).text(), format!(r#"{{"data":[{document}],"next":null}}"#));
        assert_eq!(get(address, &format!("{path}/none")).expect(404)["error"]["code"], "not_found");
    }
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
    let answer = send(address, "GET", path, &[], b"").unwrap();
    assert_eq!(answer.header("content-type"), Some("application/fhir+json"));
    let definition = answer.expect(200);
    assert_eq!((&definition["url"], &definition["resourceType"]), (&json!(url), &json!("MessageDefinition")));
    let message: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(definition["eventCoding"], message["eventCoding"]);
    let code = definition["focus"][0]["code"].as_str().unwrap();
    let reference = message["focus"][0]["reference"].as_str().unwrap();
    assert!(reference.starts_with(&format!("{code}/")), "{reference}");

    // Each event has one, with an id of its own.
    let ids = ["user-delete-completed", "data-export-completed"].map(|event_type| {
        let one = send(address, "GET", &format!("/MessageDefinition/{event_type}"), &[], b"").unwrap().expect(200);
        assert_eq!(one["eventCoding"]["code"], event_type);
        one["id"].as_str().unwrap().to_owned()
    });
    assert_ne!(ids[0], ids[1]);
    let none = send(address, "GET", "/MessageDefinition/no-such-event", &[], b"").unwrap().expect(404);
    assert_eq!(none["resourceType"], "OperationOutcome");
}
