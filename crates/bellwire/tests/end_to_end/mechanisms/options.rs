//! What endpoints choose for themselves: how they are tried, as what they are sent, and which events by what is in them.

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Sink, bellwire, run, until};

impl World {
    fn choosing(&self, url: &str, options: &Value) -> String {
        let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
        let made = self.server.api.post(&endpoints, &json!({ "url": url, "options": options })).expect(201);
        format!("{endpoints}/{}", made["id"].as_str().unwrap())
    }

    /// How a delivery has ended, and after how many attempts.
    fn ended(&self, event: &str) -> (Value, usize) {
        until("the delivery has ended", || {
            let delivery = self.server.api.delivery(ACCOUNT, event)?;
            (delivery["state"] != "pending").then(|| (delivery["state"].clone(), delivery["attempts"].as_array().unwrap().len()))
        })
    }
}

#[test]
fn an_endpoint_chooses_how_often_it_is_tried_and_what_counts_as_received() {
    for (options, expected) in [
        (json!({}), ("failed", 2)),
        (json!({ "retries": 0 }), ("failed", 1)),
        (json!({ "retries": 2 }), ("failed", 3)),
        (json!({ "accepted": "200-404" }), ("delivered", 1)),
    ] {
        let (world, sink) = (World::of("options"), Sink::start(|_| 404));
        world.choosing(&sink.url("/in"), &options);
        let event = world.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1","status":"open","total":1}"#);
        let (state, attempts) = world.ended(&event);
        assert_eq!((state.as_str().unwrap(), attempts), expected, "{options}");
    }
}

#[test]
fn an_endpoint_chooses_as_what_it_is_sent() {
    let (world, sink) = (World::of("options"), Sink::start(|_| 200));
    let path = world.choosing(&sink.url("/in"), &json!({ "format": "form" }));
    let publish = || world.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1","status":"open","total":1}"#);
    publish();
    let sent = sink.wait_for(1).remove(0);
    assert_eq!((sent.method.as_str(), sent.body.as_slice()), ("POST", &b"id=1"[..]));
    assert_eq!(sent.header("content-type"), Some("application/x-www-form-urlencoded"));
    // Only what is given changes.
    let changed = world.server.api.patch(&path, &json!({ "options": { "verb": "PUT" } })).expect(200);
    assert_eq!((&changed["options"]["format"], &changed["options"]["verb"]), (&json!("form"), &json!("PUT")));
    publish();
    let sent = sink.wait_for(2).remove(1);
    assert_eq!((sent.method.as_str(), sent.body.as_slice(), sent.header("x-format")), ("PUT", &b"id=1"[..], Some("form")));
    let changed = world.server.api.patch(&path, &json!({ "options": null })).expect(200);
    assert_eq!(
        changed["options"],
        json!({ "retries": 1, "pause_seconds": 1, "format": "json", "verb": "POST", "accepted": "2xx" })
    );
    publish();
    let sent = sink.wait_for(3).remove(2);
    assert_eq!((sent.method.as_str(), sent.header("content-type")), ("POST", Some("application/json")));
}

#[test]
fn an_endpoint_gets_what_it_asked_for_by_what_is_in_an_event() {
    let (world, all, some) = (World::of("options"), Sink::start(|_| 200), Sink::start(|_| 200));
    world.choosing(&all.url("/in"), &json!({}));
    let path = world.choosing(&some.url("/in"), &json!({ "statuses": ["shipped"], "least": 5 }));
    let published = |data: Value| {
        let event = json!({ "type": "order.changed", "data": data });
        world.server.api.post(&format!("/v1/accounts/{ACCOUNT}/events"), &event).expect(201)["deliveries"].clone()
    };
    let order = |id: &str, status: &str, total: f64| json!({ "id": id, "status": status, "total": total });
    assert_eq!(published(order("1", "open", 9.0)), json!(1));
    assert_eq!(published(order("2", "shipped", 4.5)), json!(1));
    assert_eq!(published(order("3", "shipped", 5.0)), json!(2));
    assert_eq!(published(json!({ "id": "4", "total": 9 })), json!(1), "what has no status is not shipped");
    let preview = |body: Value| {
        let shown = world.server.api.post(&format!("{path}/preview"), &body).expect(200);
        let matching: Vec<bool> = shown["items"].as_array().unwrap().iter().map(|item| item["matches"] == true).collect();
        assert_eq!(
            (shown["looked_at"].clone(), shown["matching"].as_u64().unwrap()),
            (json!(4), matching.iter().filter(|m| **m).count() as u64)
        );
        matching
    };
    assert_eq!(preview(json!({})), [false, true, false, false], "newest first");
    assert_eq!(preview(json!({ "options": { "least": null } })), [false, true, true, false], "and as it would be");
    assert_eq!(preview(json!({ "options": null })), [true; 4]);
    let wrong = world.server.api.post(&format!("{path}/preview"), &json!({ "options": { "statuses": ["lost"] } })).expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/options/statuses/0");
    world.server.api.patch(&path, &json!({ "options": { "statuses": null } })).expect(200);
    assert_eq!(published(order("5", "open", 6.0)), json!(2));
    let ids = |sink: &Sink, count: usize| {
        let mut ids: Vec<String> =
            sink.wait_for(count).iter().map(|request| request.json()["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&some, 2), ["3", "5"]);
    assert_eq!(ids(&all, 5), ["1", "2", "3", "4", "5"]);
    // A test event goes to the endpoint that is tried, whatever it has chosen.
    world.server.api.patch(&path, &json!({ "options": { "least": 1000 } })).expect(200);
    let test = json!({});
    world.server.api.post(&format!("{path}/test"), &test).expect(201);
    assert_eq!(ids(&some, 3), ["0", "3", "5"]);
}

#[test]
fn what_cannot_be_chosen_is_refused_by_name() {
    let (world, endpoints) = (World::of("options"), format!("/v1/accounts/{ACCOUNT}/endpoints"));
    let ask = |options: Value| world.server.api.post(&endpoints, &json!({ "url": "http://127.0.0.1:9/", "options": options }));
    for (options, place) in [
        (json!({ "retries": 4 }), "/options/retries"),
        (json!({ "retries": "1" }), "/options/retries"),
        (json!({ "statuses": ["lost"] }), "/options/statuses/0"),
        (json!({ "retry": 1 }), "/options/retry"),
    ] {
        let refused = ask(options.clone());
        assert_eq!((refused.status, refused.pointers()), (422, vec![place.to_owned()]), "{options}: {}", refused.text());
    }
    assert!(ask(json!({ "retrie": 1 })).text().contains("did you mean `retries`"), "the one that was meant is named");
    assert_eq!(ask(json!([])).status, 422);
}

#[test]
fn a_published_registration_chooses_in_the_words_of_its_document() {
    let world = World::of("options");
    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let consumer = world.server.api.with_key(key["key"].as_str().unwrap());
    let hooks = "/published/options/hooks";
    let body = json!({ "url": "http://127.0.0.1:9/", "retryCount": 3, "contentType": "form" });
    let made = consumer.post(hooks, &body).expect(201);
    assert_eq!(
        (&made["retryCount"], &made["all"]["format"], &made["all"]["accepted"]),
        (&json!(3), &json!("form"), &json!("2xx"))
    );
    let path = format!("{hooks}/{}", made["id"].as_str().unwrap());
    let changed = consumer.patch(&path, &json!({ "retryCount": 0 })).expect(200);
    assert_eq!(changed, json!({ "retryCount": 0, "contentType": "form" }));
    let refused = consumer.post(hooks, &json!({ "url": "http://127.0.0.1:9/", "retryCount": 9 }));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(consumer.post(hooks, &json!({ "url": "http://127.0.0.1:9/" })).expect(201)["retryCount"], json!(1));
}

#[test]
fn the_commands_show_what_can_be_chosen_and_what_is_asked_first() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts");
    let (options, query) = (format!("{folder}/options.yaml"), format!("{folder}/handshake_query.yaml"));
    let shown = |arguments: &[&str]| run(bellwire().args(arguments)).success().to_owned();
    let put =
        shown(&["contract", "render", &options, "--event", "order.changed", "--options", r#"{"verb":"PUT","format":"form"}"#]);
    assert!(put.starts_with("PUT ") && put.ends_with("\nid=1"), "{put}");
    let asked = shown(&["contract", "render", &query, "--handshake", "1"]);
    assert!(asked.starts_with(&format!("GET https://client.example/webhooks?challenge={}\n", "0".repeat(64))), "{asked}");
    let page = shown(&["contract", "docs", &query]);
    assert!(page.contains("## Before the first event") && page.contains("answer.body"), "{page}");
    let page = shown(&["contract", "docs", &options]);
    assert!(page.contains("- `retries`: Retries; `1` unless it says so."), "{page}");
    for (arguments, expected) in [
        (vec!["contract", "render", &query, "--handshake", "2"], "this contract has 1 requests before the first event"),
        (vec!["contract", "render", &options, "--event", "order.changed", "--options", r#"{"verb":"GET"}"#], "/verb"),
        (vec!["contract", "render", &options, "--event", "order.changed", "--options", "PUT"], "--options is not a JSON object"),
    ] {
        let refused = run(bellwire().args(arguments));
        assert!(refused.refusal().contains(expected), "{refused:?}");
    }
}
