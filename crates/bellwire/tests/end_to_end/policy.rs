//! Retries, timeouts and health as a contract states them, with delays short enough to watch.

use std::fs;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::harness::{Api, Gate, Home, Server, Sink, until};

/// A contract of the operator's own with this `delivery`.
fn contract(delivery: &str) -> String {
    format!(
        "contract: mine\ntitle: Mine\nevents:\n  - {{ type: thing.done, example: {{ id: 1 }} }}\n\
         subscription: {{ secret: {{ from: generated }} }}\n\
         request:\n  body: {{ id: \"{{{{ event.id }}}}\", data: \"{{{{ event.data }}}}\" }}\n\
         delivery: {delivery}\n"
    )
}

/// A server that has it loaded, and an account under it.
fn start(home: &Home, delivery: &str) -> Server {
    let folder = home.path("contracts");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine.yaml"), contract(delivery)).unwrap();
    let folder = folder.display().to_string();
    let server = home.start_with(&["--contracts", &folder, "--allow-network", "127.0.0.0/8", "--allow-http"]);
    server.api.put("/v1/accounts/a", &json!({ "contract": "mine" })).expect(201);
    server
}

fn register(api: &Api, sink: &Sink) -> String {
    let endpoint = api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    endpoint["id"].as_str().unwrap().to_owned()
}

fn publish(api: &Api) -> String {
    api.publish("a", "thing.done", r#"{"id":1}"#)
}

fn health(api: &Api, endpoint: &str) -> Value {
    api.get(&format!("/v1/accounts/a/endpoints/{endpoint}")).expect(200)["health"].clone()
}

/// The statuses of all attempts, in order.
fn statuses(delivery: &Value) -> Vec<Value> {
    delivery["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect()
}

#[test]
fn a_delivery_is_retried_until_it_succeeds() {
    let home = Home::new();
    let server = start(&home, "{ retry: { schedule: [50ms, 100ms, 1h] } }");
    let answers = AtomicU16::new(500);
    let sink = Sink::start(move |_| answers.fetch_add(1, Ordering::SeqCst));
    register(&server.api, &sink);
    let event = publish(&server.api);
    let delivery = server.api.attempted("a", &event, 3);
    assert_eq!(statuses(&delivery), [500, 501, 502], "{delivery}");
    assert_eq!(delivery["state"], "pending", "the fourth attempt is due in an hour");
    sink.answer(|_| 299);
    let id = delivery["id"].as_str().unwrap();
    server.api.post(&format!("/v1/deliveries/{id}/retry"), &Value::Null).expect(200);
    let delivery = server.api.attempted("a", &event, 4);
    assert_eq!((statuses(&delivery).pop(), &delivery["state"]), (Some(json!(299)), &json!("delivered")));
    let bodies: Vec<Vec<u8>> = sink.requests().into_iter().map(|request| request.body).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "every attempt sends the same event");
}

#[test]
fn a_delivery_fails_when_its_schedule_is_over() {
    let home = Home::new();
    let server = start(&home, "{ retry: { schedule: [50ms, 50ms] } }");
    let sink = Sink::start(|_| 302);
    register(&server.api, &sink);
    let event = publish(&server.api);
    let delivery = server.api.attempted("a", &event, 3);
    assert_eq!(statuses(&delivery), [302, 302, 302], "a redirect is an answer and is not followed");
    assert_eq!((&delivery["state"], &delivery["due_at"]), (&json!("failed"), &Value::Null), "{delivery}");
}

#[test]
fn a_receiver_that_does_not_answer_is_given_up_on_and_holds_nobody_up() {
    let home = Home::new();
    let server = start(&home, "{ timeout: 1s, retry: none, in_flight: 1 }");
    let never = Gate::default();
    let (silent, well) = (
        Sink::start(move |_| {
            never.pass();
            200
        }),
        Sink::start(|_| 200),
    );
    let (silent_endpoint, _) = (register(&server.api, &silent), register(&server.api, &well));
    let events: Vec<String> = (0..3).map(|_| publish(&server.api)).collect();
    let page = || server.api.get(&format!("/v1/deliveries?endpoint={silent_endpoint}")).expect(200)["items"].clone();
    well.wait_for(events.len());
    assert!(page().as_array().unwrap().iter().any(|delivery| delivery["state"] == "pending"), "one by one, each its time");
    let ended = until("all are given up on", || {
        let page = page();
        page.as_array().unwrap().iter().all(|delivery| delivery["state"] == "failed").then_some(page)
    });
    let id = ended[0]["id"].as_str().unwrap();
    let attempts = server.api.get(&format!("/v1/deliveries/{id}")).expect(200)["attempts"].clone();
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["status"]), (&json!("timeout_headers"), &Value::Null), "{attempts}");
    assert!(attempts[0]["duration_ms"].as_u64().unwrap() >= 1_000, "{attempts}");
}

#[test]
fn a_failed_endpoint_is_paused_until_it_is_resumed() {
    let home = Home::new();
    let delivery = "{ retry: { schedule: [1h] }, health: { unhealthy: { after_failures: 1 }, \
                    failed: { after_unhealthy_for: 100ms, then: pause } } }";
    let server = start(&home, delivery);
    let api = &server.api;
    let (ill, well) = (Sink::start(|_| 500), Sink::start(|_| 200));
    let (endpoint, _) = (register(api, &ill), register(api, &well));
    publish(api);
    until("the endpoint is unhealthy", || (health(api, &endpoint) == "unhealthy").then_some(()));
    until("an event fails when it has been unhealthy for long enough", || {
        let before = ill.count();
        publish(api);
        ill.wait_for(before + 1);
        let settled = until("it is recorded", || {
            let page = api.get(&format!("/v1/deliveries?endpoint={endpoint}")).expect(200);
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .all(|delivery| delivery["attempt_count"] == 1)
                .then(|| health(api, &endpoint))
        });
        (settled == "failed").then_some(())
    });

    let attempted = ill.count();
    ill.answer(|_| 200);
    let waiting = publish(api);
    well.wait_for(attempted + 1);
    assert_eq!(ill.count(), attempted, "nothing is attempted while the queue is paused");
    let resumed = api.post(&format!("/v1/accounts/a/endpoints/{endpoint}/resume"), &Value::Null).expect(200);
    assert_eq!(resumed["health"], "active");
    until("what waited arrives", || ill.requests().iter().any(|request| request.json()["id"] == waiting).then_some(()));
    until("it goes well again", || (health(api, &endpoint) == "active").then_some(()));
}
