//! No payload, no secret, no key and no token of a URL is ever logged, at any level, over either database.

use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwire_testkit::postgres::Cluster;
use serde_json::{Value, json};

use crate::harness::{Home, KEY, LOCAL, MASTER_KEY, Reply, Sink, until};

/// Each marks one thing that is nobody's business.
const PAYLOAD: &str = "marker-of-the-payload";
const DOCUMENT: &str = "marker-of-the-document";
const TOKEN: &str = "marker-of-the-token";
const SECRET: &str = "marker-of-the-secret";
const NEW_SECRET: &str = "marker-of-the-new-secret";
const HEADER: &str = "marker-of-the-header";
const ANSWER: &str = "marker-of-the-answer";
const WRONG_KEY: &str = "marker-of-a-wrong-key";

const CONTRACT: &str = r#"
contract: chatty
title: Chatty
events:
  - { type: thing.done, example: { n: 1 } }
test_event: { type: test.hello, data: { n: 1 } }
resources:
  thing: { state: status, states: [open], events: [{ type: thing.done, when: created, data: "{{ resource }}" }] }
subscription: { secret: { from: consumer } }
request:
  custom_headers: true
  headers: { x-signature: "{{ signature.main }}", x-key: "{{ secret }}" }
  body: "{{ event.data }}"
signatures:
  main: { hmac: sha256, over: "{{ body }}", encode: hex, join: "," }
delivery: { retry: { schedule: [20ms, 20ms] } }
"#;

/// Fails twice, and then takes everything; each answer has something to say.
fn receiver() -> Sink {
    let count = AtomicUsize::new(0);
    Sink::start_with(move |_| {
        let status = if count.fetch_add(1, Ordering::SeqCst) < 2 { 500 } else { 200 };
        Reply { status, headers: vec![("x-said", ANSWER.to_owned())], body: ANSWER.into() }
    })
}

/// Does everything that carries a secret, on a server that logs all it can.
fn talk(home: &Home, flags: &[&str]) {
    let contracts = home.path("contracts");
    fs::create_dir_all(&contracts).unwrap();
    fs::write(contracts.join("chatty.yaml"), CONTRACT).unwrap();
    let contracts = contracts.display().to_string();
    let own = ["--contracts", &contracts, "--log", "trace"];
    let mut server = home.start_with(&[&LOCAL[..], &own, flags].concat());
    let api = server.api.clone();
    let sink = receiver();
    let url = sink.url(&format!("/in?token={TOKEN}"));
    api.put("/v1/accounts/a", &json!({ "contract": "chatty" })).expect(201);
    let endpoint = json!({ "url": url, "secret": SECRET, "headers": { "x-own": HEADER } });
    let endpoint = api.post("/v1/accounts/a/endpoints", &endpoint).expect(201)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/accounts/a/endpoints/{endpoint}");

    let event = api.publish("a", "thing.done", &json!({ "text": PAYLOAD }).to_string());
    let delivered =
        |event: &str| until("it is delivered", || api.delivery("a", event).filter(|delivery| delivery["state"] == "delivered"));
    assert_eq!(delivered(&event)["attempts"][0]["response"], ANSWER);
    let broken = format!(r#"{{"type":"thing.done","data":"{PAYLOAD}",}}"#);
    api.call("POST", "/v1/accounts/a/events", &broken).problem(400);
    let unknown = json!({ "type": "thing.done", "data": PAYLOAD, "id": "", "subjects": [""], "more": SECRET });
    api.post("/v1/accounts/a/events", &unknown).problem(422);
    let put = api.put("/v1/accounts/a/resources/thing/1", &json!({ "status": "open", "text": DOCUMENT })).expect(201);
    delivered(put["events"][0]["id"].as_str().unwrap());
    let test = api.post(&format!("{path}/test"), &Value::Null).expect(201);
    delivered(test["id"].as_str().unwrap());
    let again = api.delivery("a", &event).unwrap();
    let before = sink.count();
    api.post(&format!("/v1/deliveries/{}/retry", again["id"].as_str().unwrap()), &Value::Null);
    api.post(&format!("{path}/replay"), &json!({ "since": "2020-01-01T00:00:00Z", "states": ["delivered"] })).expect(202);
    until("something is sent again", || (sink.count() > before).then_some(()));
    api.post(&format!("{path}/secrets"), &json!({ "secret": NEW_SECRET, "overlap": "0s" })).expect(201);
    delivered(&api.publish("a", "thing.done", &json!({ "text": PAYLOAD }).to_string()));
    // Nobody listens at this one.
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    api.patch(&path, &json!({ "url": format!("http://{refusing}/in?token={TOKEN}") })).expect(200);
    let lost = api.publish("a", "thing.done", &json!({ "text": PAYLOAD }).to_string());
    until("it fails", || api.delivery("a", &lost).filter(|delivery| delivery["state"] == "failed"));
    let key =
        api.post("/v1/keys", &json!({ "role": "consumer", "account": "a" })).expect(201)["key"].as_str().unwrap().to_owned();
    api.with_key(&key).get(&format!("/v1/accounts/a/events?limit=5&token={TOKEN}")).problem(400);
    api.with_key(&key).get("/v1/accounts/a/events").expect(200);
    api.with_key(WRONG_KEY).get("/v1/accounts/a/events").problem(401);
    server.signal("TERM");
    assert!(server.end().success());

    let log = fs::read_to_string(home.path("log")).unwrap();
    assert!(log.contains("/v1/accounts/{account}/events"), "it logs each request: {log}");
    let markers = [PAYLOAD, DOCUMENT, TOKEN, SECRET, NEW_SECRET, HEADER, ANSWER, WRONG_KEY, KEY, MASTER_KEY, &key];
    for line in log.lines().chain(server.printed().iter().map(String::as_str)) {
        let bytes = |marker: &str| format!("{:?}", marker.as_bytes()).trim_matches(['[', ']']).to_owned();
        let found = markers.iter().find(|marker| line.contains(**marker) || line.contains(&bytes(marker)));
        assert!(found.is_none(), "`{}` is in the log: {line}", found.unwrap());
    }
}

#[test]
fn nothing_private_is_logged_over_a_file() {
    talk(&Home::new(), &[]);
    talk(&Home::new(), &["--log-json"]);
}

#[test]
fn nothing_private_is_logged_over_postgres() {
    let url = Cluster::shared().database();
    talk(&Home::over(&url), &[]);
}
