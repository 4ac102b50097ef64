//! Endpoints that are sent less than everything, and that keep no answers: what real receivers get and verify.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Home, Reply, Server, Sink, starting, until};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The shipped contract, with a choice of what is sent, and with secrets that are chosen.
fn contract() -> String {
    let shipped = include_str!("../../../../contracts/standard-webhooks.yaml");
    let named = shipped.replace("contract: standard-webhooks", "contract: mine").replace("url: https", "url: any");
    named.replace("from: generated", "from: consumer").replace(
        "subscription:\n",
        "subscription:\n  payload: { allow: [full, ids, fields], ids: [/patient/id, /id], default: full }\n",
    )
}

fn start(home: &Home) -> Server {
    let folder = home.path("contracts");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine.yaml"), contract()).unwrap();
    let server = home.start_with(&["--contracts", &folder.display().to_string(), "--allow-network", "127.0.0.0/8"]);
    server.api.put("/v1/accounts/a", &json!({ "contract": "mine" })).expect(201);
    server
}

fn endpoint(server: &Server, url: &str, choice: &Value) -> String {
    let mut wanted = json!({ "url": url, "secret": SECRET });
    wanted.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
    let made = server.api.post("/v1/accounts/a/endpoints", &wanted).expect(201);
    assert_eq!(made["payload"], choice["payload"]);
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn each_endpoint_is_sent_what_it_chose_and_signed_for_what_it_gets() {
    let home = Home::new();
    let server = start(&home);
    let receivers: Vec<_> = (0..3).map(|_| starting("standard_webhooks.py", SECRET).ready()).collect();
    let choices = [json!({}), json!({ "payload": "ids" }), json!({ "payload": ["/status", "/lines/1"] })];
    for (receiver, choice) in receivers.iter().zip(&choices) {
        endpoint(&server, &receiver.url(), choice);
    }
    let data = r#"{"id":7,"status":"open","patient":{"name":"Ann","id":"p-1"},"lines":[{"n":1.10},{"n":2}]}"#;
    let event = format!(r#"{{"type":"claim.opened","data":{data},"subjects":["patient:1"]}}"#);
    server.api.call("POST", "/v1/accounts/a/events", &event).expect(201);
    for (receiver, expected) in
        receivers.iter().zip([data, r#"{"id":7,"patient":{"id":"p-1"}}"#, r#"{"status":"open","lines":[{"n":2}]}"#])
    {
        let seen = receiver.next();
        assert!(seen.verified && seen.status < 300, "{seen:?}");
        let body = String::from_utf8(seen.body).unwrap();
        assert!(body.ends_with(&format!("\"data\":{expected}}}")), "{body}");
    }
    let told = until("what each was told is known", || {
        let found = server.api.get("/v1/accounts/a/disclosures?subject=patient:1").expect(200);
        Some(found["items"].as_array().unwrap().clone()).filter(|items| items.len() == 3)
    });
    let fields = |receiver: usize| {
        let url = receivers[receiver].url();
        told.iter().find(|told| told["url"] == url.as_str()).unwrap()["fields"].clone()
    };
    assert_eq!(
        (0..3).map(fields).collect::<Vec<_>>(),
        [Value::Null, json!(["/patient/id", "/id"]), json!(["/status", "/lines/1"])]
    );
}

#[test]
fn an_endpoint_may_have_its_answers_dropped() {
    let home = Home::new();
    let server = start(&home);
    let sink = Sink::start_with(|_| Reply { body: b"taken".to_vec(), ..200.into() });
    let (kept, dropped) = (
        endpoint(&server, &sink.url("/kept"), &json!({})),
        endpoint(&server, &sink.url("/dropped"), &json!({ "keep_answers": false })),
    );
    server.api.publish("a", "claim.opened", "{}");
    for (endpoint, keeps) in [(kept, true), (dropped, false)] {
        let shown = server.api.get(&format!("/v1/accounts/a/endpoints/{endpoint}")).expect(200);
        assert_eq!(shown["keep_answers"], keeps);
        let page = server.api.get(&format!("/v1/deliveries?endpoint={endpoint}")).expect(200);
        let id = page["items"][0]["id"].as_str().unwrap().to_owned();
        let delivery = until("it is delivered", || {
            let delivery = server.api.get(&format!("/v1/deliveries/{id}")).expect(200);
            (delivery["state"] == "delivered").then_some(delivery)
        });
        let attempt = &delivery["attempts"][0];
        assert_eq!(attempt["status"], 200);
        assert_eq!(attempt["response"], if keeps { json!("taken") } else { Value::Null }, "{attempt}");
    }
}
