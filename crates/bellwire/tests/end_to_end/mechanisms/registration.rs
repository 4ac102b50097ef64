//! A published registration with the endpoint's own headers, as FHIR's channels have them, and with what it wants to be sent.

use bellwire_testkit::http::{Answer, send};
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::Sink;

/// Asks the published API as the account's consumer.
fn ask(world: &World, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [("authorization", format!("Bearer {key}")), ("content-type", "application/json".to_owned())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let path = format!("/published/registration{path}");
    send(world.server.api.address, method, &path, &headers, body.to_string().as_bytes()).unwrap()
}

#[test]
fn an_endpoint_brings_its_headers_and_what_it_wants_to_be_sent() {
    let (world, sink) = (World::of("registration"), Sink::start(|_| 200));
    let made = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let key = made["key"].as_str().unwrap();
    let channel = json!({ "endpoint": sink.url("/in"), "header": ["X-Clinic: 7", "Authorization: Bearer abc:def"], "content": "ids", "rate": "600/m" });
    let registered = ask(&world, key, "POST", "/hooks/", &json!({ "channel": channel }));
    assert_eq!(registered.status, 201, "{}", registered.text());
    let registered = registered.json();
    assert_eq!(registered["header"], json!(["X-Clinic: 7", "Authorization: Bearer abc:def"]));
    assert_eq!((&registered["content"], &registered["rate"]), (&json!("ids"), &json!("600/m")));
    let data = r#"{"id":"1","name":"Ann"}"#;
    world.server.api.publish(ACCOUNT, "thing.happened", data);
    let sent = sink.wait_for(1).remove(0);
    assert_eq!((sent.header("x-clinic"), sent.header("authorization")), (Some("7"), Some("Bearer abc:def")));
    assert_eq!(sent.body, br#"{"id":"1"}"#);

    let path = format!("/hooks/{}/", registered["id"].as_str().unwrap());
    let change = json!({ "header": [{ "name": "X-Own", "value": "1" }], "content": ["/name"] });
    let changed = ask(&world, key, "PATCH", &path, &change).json();
    assert_eq!(changed, json!({ "header": { "X-Own": "1" }, "content": ["/name"] }));
    world.server.api.publish(ACCOUNT, "thing.happened", data);
    let sent = sink.wait_for(2).remove(1);
    assert_eq!((sent.header("x-clinic"), sent.header("x-own")), (None, Some("1")));
    assert_eq!(sent.body, br#"{"name":"Ann"}"#);

    for (wrong, field) in [(json!(["no colon"]), "channel.header"), (json!("text"), "channel.header")] {
        let body = json!({ "channel": { "endpoint": sink.url("/in"), "header": wrong } });
        let refused = ask(&world, key, "POST", "/hooks/", &body);
        assert!(refused.status == 400 && refused.text().contains(field), "{}", refused.text());
    }
    assert_eq!(ask(&world, key, "POST", "/hooks", &json!({})).status, 404, "the slash is part of the path");
}

#[test]
fn an_account_has_as_many_endpoints_as_its_contract_says() {
    let world = World::of("registration");
    for _ in 0..2 {
        world.endpoint("http://127.0.0.1:9/");
    }
    let third = world.server.api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints"), &json!({ "url": "http://127.0.0.1:9/" }));
    assert_eq!((third.status, &third.json()["code"]), (409, &json!("endpoint_limit")));
}
