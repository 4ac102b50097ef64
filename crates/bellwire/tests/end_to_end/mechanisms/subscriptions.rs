//! A URL that is registered first, and subscriptions below it: a client that knows nothing but the published document.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Answer, Api, Sink};

/// A client of the published API.
struct Client {
    api: Api,
    webhook: String,
}

impl Client {
    /// One that has registered a URL.
    fn new(world: &World, url: &str) -> Self {
        let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
        let api = world.server.api.with_key(key["key"].as_str().unwrap());
        let made = api.post("/published/subscriptions/webhooks", &json!({ "url": url })).expect(201);
        assert_eq!(made["subscriptions"], json!([]), "nothing is chosen yet");
        Self { api, webhook: made["id"].as_str().unwrap().to_owned() }
    }

    fn path(&self, rest: &str) -> String {
        format!("/published/subscriptions/webhooks/{}/subscriptions{rest}", self.webhook)
    }

    fn subscribe(&self, event: &str) -> Answer {
        self.api.post(&self.path(""), &json!({ "event": event }))
    }

    fn subscriptions(&self) -> Vec<String> {
        let listed = self.api.get(&self.path("")).expect(200);
        let items = listed["subscriptions"].as_array().unwrap();
        assert!(items.iter().all(|item| item["id"] == item["event"]), "{listed}");
        items.iter().map(|item| item["event"].as_str().unwrap().to_owned()).collect()
    }

    /// How many deliveries an event makes.
    fn deliveries(world: &World, event_type: &str) -> Value {
        let body = json!({ "type": event_type, "data": { "id": "1" } });
        world.server.api.post(&format!("/v1/accounts/{ACCOUNT}/events"), &body).expect(201)["deliveries"].clone()
    }
}

#[test]
fn a_webhook_gets_what_is_subscribed_below_it_and_nothing_before_and_after() {
    let (world, sink) = (World::of("subscriptions"), Sink::start(|_| 200));
    let client = Client::new(&world, &sink.url("/in"));
    assert_eq!((client.subscriptions(), Client::deliveries(&world, "order.created")), (vec![], json!(0)));
    let made = client.subscribe("order.created").expect(201);
    assert_eq!(made, json!({ "id": "order.created", "event": "order.created" }));
    assert_eq!(Client::deliveries(&world, "order.created"), json!(1));
    assert_eq!(Client::deliveries(&world, "refund.created"), json!(0));
    assert_eq!(sink.wait_for(1)[0].header("x-event"), Some("order.created"));
    client.subscribe("refund.created").expect(201);
    assert_eq!(client.subscriptions(), ["order.created", "refund.created"]);
    assert_eq!(client.api.get(&client.path("/refund.created")).expect(200)["event"], "refund.created");

    // One that is there, one that is not, and one that cannot be.
    let twice = client.subscribe("order.created").expect(409);
    assert_eq!(twice["error"], "conflict");
    client.api.put(&client.path("/order.created"), &json!({})).expect(200);
    for missing in [client.api.get(&client.path("/order.changed")), client.api.delete(&client.path("/order.changed"))] {
        let refused = missing.expect(404);
        assert_eq!((&refused["error"], &refused["field"]), (&json!("not_found"), &json!("event")), "{refused}");
    }
    client.api.delete(&client.path("/never.heard.of")).expect(404);
    let unknown = client.subscribe("order.creatd").expect(400);
    assert!(unknown["message"].as_str().unwrap().contains("order.created") && unknown["field"] == "event", "{unknown}");
    assert_eq!(client.subscribe("payout.created").expect(400)["error"], "invalid");
    assert_eq!(
        client.api.post("/published/subscriptions/webhooks/none/subscriptions", &json!({ "event": "order.created" })).status,
        404
    );
    assert_eq!(client.subscriptions(), ["order.created", "refund.created"]);

    // An alias is the type that it stands for.
    client.subscribe("order.updated").expect(201);
    assert_eq!(client.subscribe("order.changed").status, 409);
    client.api.delete(&client.path("/order.updated")).expect(204);

    // Without the last one there is nothing, and not everything; after a crash as well.
    client.api.delete(&client.path("/order.created")).expect(204);
    client.api.delete(&client.path("/refund.created")).expect(204);
    client.api.delete(&client.path("/refund.created")).expect(404);
    let webhook = client.webhook.clone();
    let world = world.killed_and_started();
    let read = world.server.api.get(&format!("/v1/accounts/{ACCOUNT}/endpoints/{webhook}")).expect(200);
    assert_eq!((&read["events"], Client::deliveries(&world, "refund.created")), (&json!([]), json!(0)));
    let audit = world.server.api.get("/v1/audit?limit=100").expect(200).to_string();
    assert!(audit.contains(r#""changed":["events"]"#), "{audit}");
}

#[test]
fn two_at_once_lose_nothing() {
    let (world, sink) = (World::of("subscriptions"), Sink::start(|_| 200));
    let client = Client::new(&world, &sink.url("/in"));
    let events = ["order.created", "order.changed", "refund.created"];
    for _ in 0..5 {
        let together = Barrier::new(events.len() * 2);
        let (client, together) = (&client, &together);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let subscribe = |event: &'static str| {
                scope.spawn(move || {
                    together.wait();
                    client.subscribe(event).status
                })
            };
            let started: Vec<_> = events.iter().chain(&events).map(|event| subscribe(event)).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
        assert_eq!(client.subscriptions(), ["order.changed", "order.created", "refund.created"]);
        for event in events {
            client.api.delete(&client.path(&format!("/{event}"))).expect(204);
        }
        assert_eq!(client.subscriptions(), Vec::<String>::new());
    }
}

#[test]
fn the_other_ways_in_may_choose_nothing_there_and_nowhere_else() {
    let world = World::of("subscriptions");
    let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
    let made = world.server.api.post(&endpoints, &json!({ "url": "http://127.0.0.1:9/", "events": [] })).expect(201);
    assert_eq!(made["events"], json!([]));
    // One that was registered with all of them gives one up.
    let all = world.server.api.post(&endpoints, &json!({ "url": "http://127.0.0.1:9/", "events": ["orders", "refund.created"] }));
    let all = all.expect(201);
    let client = Client::new(&world, "http://127.0.0.1:9/");
    let client = Client { webhook: all["id"].as_str().unwrap().to_owned(), ..client };
    client.api.delete(&client.path("/order.created")).expect(204);
    assert_eq!(client.subscriptions(), ["order.changed", "refund.created"]);
    world.server.api.put("/v1/accounts/other", &json!({ "contract": "key-versions" })).expect(201);
    let refused = world.server.api.post("/v1/accounts/other/endpoints", &json!({ "url": "http://127.0.0.1:9/", "events": [] }));
    assert_eq!((refused.status, refused.pointers()), (422, vec!["/events".to_owned()]));
}
