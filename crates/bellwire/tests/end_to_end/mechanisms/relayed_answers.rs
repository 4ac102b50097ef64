//! Answers that the operator is told.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::ACCOUNT;
use crate::harness::{Home, LOCAL, Reply, Request, Server, Sink, until};

fn start(home: &Home) -> Server {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/contracts");
    home.start_with(&[&LOCAL[..], &["--contracts", folder.to_str().unwrap(), "--operator-account", "operations"]].concat())
}

/// What the operator was told of the answer to an event.
fn told(operator: &Sink, event: &str) -> Option<Value> {
    let is_of_event = |body: &Value| body["type"] == "delivery.answered" && body["data"]["event"] == event;
    operator.requests().iter().map(Request::json).find(is_of_event).map(|body| body["data"].clone())
}

fn decided(status: u16) -> Reply {
    let headers = vec![("content-type", "application/json".to_owned())];
    Reply { status, headers, body: b"{\"decision\":\"approved\"}".to_vec() }
}

#[test]
fn the_operator_is_told_the_answer_that_ends_a_delivery_also_after_a_kill() {
    let (home, operator, clinic) = (Home::new(), Sink::start(|_| 200), Sink::start(|_| 200));
    clinic.answer_with(|request| decided(if request.body.starts_with(b"{\"n\":1") { 200 } else { 422 }));
    let server = start(&home);
    let api = &server.api;
    api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": "relay" })).expect(201);
    let made = api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints"), &json!({ "url": clinic.url("/in") })).expect(201);
    api.post("/v1/accounts/operations/endpoints", &json!({ "url": operator.url("/in") })).expect(201);

    let event = api.publish(ACCOUNT, "thing.happened", "{\"n\":1}");
    let answered = until("the operator is told", || told(&operator, &event));
    let delivery = api.attempted(ACCOUNT, &event, 1);
    let whole = json!({
        "account": ACCOUNT, "endpoint": made["id"], "delivery": delivery["id"], "event": event, "event_type": "thing.happened",
        "attempt": 1, "state": "delivered", "status": 200, "content_type": "application/json",
        "body": "{\"decision\":\"approved\"}", "body_withheld": false,
    });
    assert_eq!(answered, whole);

    // What names somebody is told without what was answered, which stays with the attempt.
    let about = json!({ "type": "thing.happened", "data": { "n": 1 }, "subjects": ["patient:1"] });
    let about = api.post(&format!("/v1/accounts/{ACCOUNT}/events"), &about).expect(201)["id"].as_str().unwrap().to_owned();
    let answered = until("the operator is told", || told(&operator, &about));
    assert_eq!((&answered["body"], &answered["body_withheld"]), (&Value::Null, &json!(true)));
    assert_eq!(api.attempted(ACCOUNT, &about, 1)["attempts"][0]["response"], "{\"decision\":\"approved\"}");

    // One that fails is told once, at its end, and a kill right after that loses nothing.
    let failed = api.publish(ACCOUNT, "thing.happened", "{\"n\":2}");
    api.attempted(ACCOUNT, &failed, 2);
    server.kill();
    let server = start(&home);
    let answered = until("the operator is told", || told(&operator, &failed));
    assert_eq!((&answered["state"], &answered["status"], &answered["attempt"]), (&json!("failed"), &json!(422), &json!(2)));
    assert_eq!(answered["body"], "{\"decision\":\"approved\"}");
    let log = server.api.get("/v1/accounts/operations/events").expect(200);
    let answers = log["items"].as_array().unwrap().iter().filter(|event| event["type"] == "delivery.answered").count();
    assert_eq!(answers, 3, "each once: {log}");
}
