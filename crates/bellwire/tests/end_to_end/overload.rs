//! The limits that an operator sets hold, and say when to come back.

use serde_json::json;

use crate::harness::{Answer, Gate, Home, Platform, Sink, until};

const LOCAL: [&str; 3] = ["--allow-network", "127.0.0.0/8", "--allow-http"];

#[test]
fn a_full_backlog_and_room_again() {
    let home = Home::new();
    let server = home.start_with(&[&LOCAL[..], &["--account-backlog-max", "1"]].concat());
    let mut platform = Platform::set_up(&server.api, "silver");
    let gate = Gate::default();
    let waiting = gate.clone();
    let sink = Sink::start(move |_| {
        waiting.pass();
        200
    });
    platform.add_endpoint(&sink.url("/in"));
    platform.publish_any();
    let (event_type, data) = platform.catalogue().remove(0);
    let body = format!(r#"{{"type":"{event_type}","data":{data}}}"#);
    let refused = server.api.call("POST", &platform.path("/events"), &body);
    assert_eq!((refused.problem(429).as_str(), refused.header("retry-after")), ("backlog_full", Some("5")));
    gate.open();
    until("there is room again", || (server.api.call("POST", &platform.path("/events"), &body).status == 201).then_some(()));
}

#[test]
fn a_key_that_asks_too_often() {
    let home = Home::new();
    let server = home.start_with(&["--rate-max", "1"]);
    let refused = until("a request is one too many", || {
        let answer = server.api.get("/v1/keys");
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((refused.problem(429).as_str(), refused.header("retry-after")), ("rate_exceeded", Some("1")));
}

#[test]
fn a_consumers_key_has_the_limit_that_the_flag_gives_it_and_the_operators_key_has_none() {
    let home = Home::new();
    let server = home.start_with(&["--consumer-rate-max", "7"]);
    server.api.put("/v1/accounts/a", &json!({ "contract": "silver" })).expect(201);
    let made = server.api.post("/v1/keys", &json!({ "role": "consumer", "account": "a" })).expect(201);
    let consumers = server.api.with_key(made["key"].as_str().unwrap());
    let policy = |answer: &Answer| answer.header("ratelimit-policy").map(str::to_owned);
    let answer = consumers.get("/v1/accounts/a/endpoints");
    assert_eq!((answer.status, policy(&answer).as_deref()), (200, Some("\"requests\";q=7;w=1")));
    assert_eq!(policy(&server.api.get("/v1/accounts/a/endpoints")), None);
}
