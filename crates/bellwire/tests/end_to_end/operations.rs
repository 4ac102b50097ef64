//! What the operator must know is published as events of an account of its own.

use serde_json::{Value, json};

use crate::harness::{Home, LOCAL, Request, Sink, bellwire, shipped, until};

fn told(sink: &Sink, event_type: &str) -> Option<Value> {
    sink.requests().iter().map(Request::json).find(|body| body["type"] == event_type)
}

#[test]
fn the_operator_is_told_of_an_endpoint_that_fails_and_recovers_also_after_a_kill() {
    let home = Home::new();
    let flags = [&LOCAL[..], &["--operator-account", "operations"]].concat();
    let (operator, clinic) = (Sink::start(|_| 200), Sink::start(|_| 500));
    let server = home.start_with(&flags);
    let account = server.api.get("/v1/accounts/operations").expect(200);
    assert_eq!(account["contract"], "standard-webhooks", "made at the start");
    server.api.post("/v1/accounts/operations/endpoints", &json!({ "url": operator.url("/in") })).expect(201);
    server.api.put("/v1/accounts/clinic", &json!({ "contract": "noyo" })).expect(201);
    let wanted = json!({ "url": clinic.url("/in"), "name": "clinic", "secret": "a secret that nobody guesses", "enabled": true });
    let endpoint = server.api.post("/v1/accounts/clinic/endpoints", &wanted).expect(201)["id"].clone();
    let noyo = shipped("noyo");
    let published = &noyo.events()[0];
    let event = server.api.publish("clinic", published.event_type.as_str(), published.example.get());

    let unhealthy = until("the operator is told of the failure", || told(&operator, "endpoint.unhealthy"));
    assert_eq!((&unhealthy["data"]["account"], &unhealthy["data"]["endpoint"]), (&json!("clinic"), &endpoint));
    let delivery = server.api.delivery("clinic", &event).unwrap();
    server.kill();
    clinic.answer(|_| 200);
    let server = home.start_with(&flags);
    server.api.post(&format!("/v1/deliveries/{}/retry", delivery["id"].as_str().unwrap()), &json!({})).expect(200);
    let recovered = until("the operator is told of the recovery", || told(&operator, "endpoint.recovered"));
    assert_eq!((&recovered["data"]["from"], &recovered["data"]["to"]), (&json!("unhealthy"), &json!("active")));
    let log = server.api.get("/v1/accounts/operations/events").expect(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 2, "each once: {log}");
}

#[test]
fn an_operator_account_whose_contract_lacks_the_events_is_refused_at_the_start() {
    let home = Home::new();
    let server = home.start();
    server.api.put("/v1/accounts/operations", &json!({ "contract": "noyo" })).expect(201);
    server.kill();
    let database = home.database();
    let output = bellwire()
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &database, "--operator-account", "operations"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`noyo`") && said.contains("endpoint.unhealthy"), "{said}");
}
