//! What a published API says of an endpoint's standing, and what it takes only from who has seen that.

use bellwire_testkit::http::{Answer, send};
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Api, Request, Sink, until};

/// A consumer of an account, at its published API.
pub(super) struct Client {
    api: Api,
    key: String,
    prefix: String,
}

impl Client {
    pub(super) fn of(world: &World, contract: &str, account: &str) -> Self {
        let made = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": account })).expect(201);
        let (key, prefix) = (made["key"].as_str().unwrap().to_owned(), format!("/published/{contract}"));
        Self { api: world.server.api.clone(), key, prefix }
    }

    /// Asks with further headers.
    pub(super) fn ask(&self, method: &str, path: &str, further: &[(&str, &str)], body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let own = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let own = own.into_iter().filter(|(name, _)| !further.iter().any(|(known, _)| known == name));
        let headers = own.chain(further.iter().copied()).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers: Vec<(String, String)> = headers.collect();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        send(self.api.address, method, &format!("{}{path}", self.prefix), &headers, body.as_bytes()).unwrap()
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], &Value::Null)
    }

    /// The hook, once that holds of it.
    #[track_caller]
    fn once(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(what, || Some(self.get(&format!("/hooks/{id}")).expect(200)).filter(|hook| holds(hook)))
    }
}

#[test]
fn a_route_has_checks_of_its_own() {
    let world = World::of("missed");
    let client = Client::of(&world, "missed", ACCOUNT);
    let register = |body: Value| client.ask("POST", "/hooks", &[], &body);
    let refused = register(json!({ "url": "http://127.0.0.1:9/", "topic": "others" })).expect(400);
    assert_eq!(refused, json!({ "kind": "invalid", "message": "there is no topic `others`", "field": "topic" }));
    let refused = register(json!({ "url": "nowhere", "topic": "orders", "label": "far too long" })).expect(409);
    assert_eq!(refused, json!({ "kind": "conflict", "message": "the label is too long" }), "before the rest is looked at");
    assert_eq!(register(json!({ "url": "nowhere", "topic": "orders" })).expect(400)["field"], "url");
    assert_eq!(client.get("/hooks").expect(200), json!([]));
}

#[test]
fn what_was_missed_is_found_by_its_numbers_and_reduced_as_it_was_sent() {
    let (world, sink) = (World::of("missed"), Sink::start(|_| 200));
    let (api, client) = (&world.server.api, Client::of(&world, "missed", ACCOUNT));
    let made =
        client.ask("POST", "/hooks", &[], &json!({ "url": sink.url("/in"), "topic": "orders", "content": "ids" })).expect(201);
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["version"], &made["last"], &made["why"]), (&json!(1), &json!(0), &Value::Null));
    client.once(id, "it is active", |hook| hook["health"] == "active");
    let events: Vec<String> =
        (1..=5).map(|number| api.publish(ACCOUNT, "order.made", &format!("{{\"id\":\"{number}\",\"name\":\"Ada\"}}"))).collect();
    for event in &events {
        api.attempted(ACCOUNT, event, 1);
    }
    assert_eq!(client.get(&format!("/hooks/{id}")).expect(200)["last"], 5);
    let list = |query: &str| client.get(&format!("/hooks/{id}/events?{query}")).expect(200);
    let of = |number: usize| json!({ "number": number, "state": "delivered", "id": events[number - 1], "type": "order.made", "data": { "id": number.to_string() } });
    assert_eq!(list("from=2&to=4"), json!({ "last": 5, "events": [of(2), of(3), of(4)], "next": null }));
    let page = list("from=3&limit=2");
    assert_eq!(page, json!({ "last": 5, "events": [of(3), of(4)], "next": "4" }));
    assert_eq!(list("from=3&limit=2&after=4"), json!({ "last": 5, "events": [of(5)], "next": null }));
    assert_eq!(list("from=6")["events"], json!([]));
    assert_eq!(list("")["events"].as_array().unwrap().len(), 5);
    assert_eq!(client.get(&format!("/hooks/{id}/events?from=x")).expect(400)["field"], "from");

    // That they were read is recorded, and by whom.
    let acts = api.get(&format!("/v1/audit?action=payloads.read&account={ACCOUNT}")).expect(200);
    let read =
        acts["items"].as_array().unwrap().iter().find(|act| act["detail"]["ids"].as_array().is_some_and(|ids| ids.len() == 3));
    assert_eq!(read.unwrap_or_else(|| panic!("{acts}"))["detail"]["ids"], json!(events[1..4]));

    // Somebody else's is as unknown as one that there is not.
    api.put("/v1/accounts/other", &json!({ "contract": "missed" })).expect(201);
    let other = Client::of(&world, "missed", "other");
    for path in [format!("/hooks/{id}/events"), "/hooks/none/events".to_owned()] {
        assert_eq!(other.get(&path).expect(404)["kind"], "not_found");
    }
}

#[test]
fn a_change_that_expects_another_version_is_refused() {
    let (world, sink) = (World::of("missed"), Sink::start(|_| 200));
    let client = Client::of(&world, "missed", ACCOUNT);
    let made = client.ask("POST", "/hooks", &[], &json!({ "url": sink.url("/in"), "topic": "orders" })).expect(201);
    let id = made["id"].as_str().unwrap();
    client.once(id, "it is active", |hook| hook["health"] == "active");
    let path = format!("/hooks/{id}");
    let tag = client.get(&path).header("etag").unwrap().to_owned();
    let put = |expected: &str, body: Value| client.ask("PUT", &path, &[("If-Match", expected)], &body);
    let changed = put(&tag, json!({ "enabled": false }));
    changed.expect(200);
    let newer = changed.header("etag").unwrap();
    assert_ne!(newer, tag);
    let refused = put(&tag, json!({ "enabled": true })).expect(412);
    assert_eq!(refused["kind"], "precondition_failed");
    assert_eq!(put("nothing", json!({ "enabled": true })).expect(400)["field"], "if-match");
    put(&format!("\"0\", {newer}"), json!({ "enabled": true })).expect(200);
    assert_eq!(client.ask("DELETE", &path, &[("If-Match", newer)], &Value::Null).expect(412)["kind"], "precondition_failed");
    client.ask("DELETE", &path, &[("If-Match", "*")], &Value::Null).expect(204);
    assert_eq!(put("*", json!({})).status, 404);
}

#[test]
fn an_endpoint_says_why_it_fails_and_is_asked_anew_when_its_owner_wants_that() {
    let (world, sink) = (World::of("missed"), Sink::start(|_| 404));
    let (api, client) = (&world.server.api, Client::of(&world, "missed", ACCOUNT));
    let made = client.ask("POST", "/hooks", &[], &json!({ "url": sink.url("/in"), "topic": "orders" })).expect(201);
    let id = made["id"].as_str().unwrap();
    let refused = client.once(id, "the handshake has failed", |hook| !hook["why"].is_null());
    assert!(refused["why"].as_str().unwrap().contains("404"), "{refused}");
    sink.answer(|_| 200);
    let again = || client.ask("PUT", &format!("/hooks/{id}"), &[], &json!({ "again": true })).expect(200);
    assert_eq!(again()["health"], "pending");
    client.once(id, "it is active", |hook| hook["health"] == "active" && hook["why"].is_null());

    sink.answer(|_| 503);
    let event = api.publish(ACCOUNT, "order.made", "{\"id\":\"1\"}");
    api.attempted(ACCOUNT, &event, 2);
    let failed = client.once(id, "it has failed", |hook| hook["health"] == "failed");
    assert_eq!((&failed["last"], failed["why"].as_str()), (&json!(1), Some("requests to it are answered with 503")));
    assert_eq!(client.get("/hooks").expect(200)[0]["why"], failed["why"], "lists say it as well");
    api.publish(ACCOUNT, "order.made", "{\"id\":\"2\"}");
    sink.answer(|_| 200);
    let before = sink.count();
    assert_eq!(again()["health"], "pending");
    let sent: Vec<Value> = sink.wait_for(before + 2)[before..].iter().map(Request::json).collect();
    assert_eq!(sent[0], json!({ "handshake": 2 }), "with the number of the last delivery");
    assert_eq!(sent[1]["number"], 2, "what was published meanwhile has waited");
}
