//! Access tokens: got from a token server, once for many attempts, and renewed once where the receiver refuses one.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Gate, Reply, Request, Sink, until};

const CLIENT_SECRET: &str = "planted client secret 77aa";

/// A token server that counts: the first token is `token-1`.
fn token_server() -> Sink {
    let count = AtomicUsize::new(0);
    Sink::start_with(move |_| token(count.fetch_add(1, Ordering::SeqCst) + 1))
}

fn token(number: usize) -> Reply {
    let body = json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 3600 });
    Reply { body: body.to_string().into_bytes(), ..Reply::from(200) }
}

impl World {
    fn with_token(&self, url: &str, token_url: &str) -> String {
        let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
        let options = json!({ "token_url": token_url, "scope": "orders" });
        let credentials = json!({ "client_id": "app", "client_secret": CLIENT_SECRET });
        let asked = json!({ "url": url, "options": options, "credentials": credentials });
        format!("{endpoints}/{}", self.server.api.post(&endpoints, &asked).expect(201)["id"].as_str().unwrap())
    }

    fn changed(&self) -> String {
        self.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1"}"#)
    }

    /// A delivery once it is over.
    fn over(&self, event: &str) -> Value {
        until("the delivery is over", || {
            self.server.api.delivery(ACCOUNT, event).filter(|delivery| delivery["state"] != "pending")
        })
    }
}

fn shown(request: &Request) -> &str {
    request.header("authorization").unwrap()
}

#[test]
fn one_token_serves_many_requests_and_a_changed_endpoint_gets_another() {
    let (world, tokens, sink) = (World::of("access-token"), token_server(), Sink::start(|_| 200));
    let path = world.with_token(&sink.url("/in"), &tokens.url("/token"));
    for count in 1..=3 {
        world.changed();
        assert_eq!(shown(&sink.wait_for(count)[count - 1]), "Bearer token-1");
    }
    let asked = tokens.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(shown(&asked[0]), "Basic YXBwOnBsYW50ZWQrY2xpZW50K3NlY3JldCs3N2Fh");
    let form = String::from_utf8(asked[0].body.clone()).unwrap();
    let audience = sink.url("").replace(':', "%3A").replace('/', "%2F");
    assert_eq!(form, format!("grant_type=client_credentials&scope=orders&audience={audience}"));
    world.server.api.patch(&path, &json!({ "credentials": { "client_secret": "another" } })).expect(200);
    world.changed();
    assert_eq!(shown(&sink.wait_for(4)[3]), "Bearer token-2");
    assert_eq!(tokens.count(), 2);
}

#[test]
fn attempts_at_once_ask_once() {
    let gate = Gate::default();
    let held = gate.clone();
    let tokens = Sink::start_with(move |_| {
        held.pass();
        token(1)
    });
    let (world, sink, other) = (World::of("access-token"), Sink::start(|_| 200), Sink::start(|_| 200));
    world.with_token(&sink.url("/in"), &tokens.url("/token"));
    let events: Vec<String> = (0..8).map(|_| world.changed()).collect();
    tokens.wait_for(1);
    // Another endpoint does not wait for that token server.
    let quick = token_server();
    world.with_token(&other.url("/other"), &quick.url("/token"));
    let event = world.changed();
    assert_eq!(shown(&other.wait_for(1)[0]), "Bearer token-1");
    assert_eq!(sink.count(), 0, "all of them wait for the token");
    gate.open();
    assert!(sink.wait_for(9).iter().all(|request| shown(request) == "Bearer token-1"));
    for event in events.iter().chain([&event]) {
        assert_eq!(world.over(event)["state"], "delivered");
    }
    assert_eq!(tokens.count(), 1);
}

#[test]
fn a_token_that_is_refused_is_renewed_once_within_the_attempt() {
    let (world, tokens) = (World::of("access-token"), token_server());
    let sink = Sink::start(|request| if shown(request) == "Bearer token-1" { 401 } else { 200 });
    world.with_token(&sink.url("/in"), &tokens.url("/token"));
    let over = world.over(&world.changed());
    assert_eq!((&over["state"], over["attempts"].as_array().unwrap().len()), (&json!("delivered"), 1));
    assert_eq!(over["attempts"][0]["status"], 200, "the second answer is the attempt's");
    assert_eq!((sink.count(), tokens.count()), (2, 2));
    // A receiver that refuses each of them is asked twice in an attempt and no more.
    sink.answer(|_| 401);
    let over = world.over(&world.changed());
    assert_eq!((&over["state"], over["attempts"].as_array().unwrap().len()), (&json!("failed"), 3));
    assert_eq!(over["attempts"][2]["status"], 401);
    assert_eq!((sink.count(), tokens.count()), (2 + 6, 2 + 3));
}

#[test]
fn an_attempt_without_a_token_fails_with_a_reason_and_is_tried_again() {
    let refused = json!({ "error": "invalid_client", "error_description": CLIENT_SECRET }).to_string().into_bytes();
    let tokens = Sink::start_with(move |_| Reply { body: refused.clone(), ..Reply::from(401) });
    let (world, sink) = (World::of("access-token"), Sink::start(|_| 200));
    world.with_token(&sink.url("/in"), &tokens.url("/token?tenant=7"));
    let event = world.changed();
    let failed = until("the first attempt has failed", || {
        world.server.api.delivery(ACCOUNT, &event).filter(|delivery| !delivery["attempts"].as_array().unwrap().is_empty())
    });
    let attempt = &failed["attempts"][0];
    assert_eq!(attempt["outcome"], "access_token");
    let expected = format!("no access token: {} answered 401 (invalid_client)", tokens.url(""));
    assert!(attempt["detail"].as_str().unwrap_or_default() == expected, "{attempt}");
    assert!(!failed.to_string().contains(CLIENT_SECRET) && sink.count() == 0);
    tokens.answer_with(|_| token(7));
    assert_eq!(world.over(&event)["state"], "delivered");
    assert_eq!(shown(&sink.wait_for(1)[0]), "Bearer token-7");
}

#[test]
fn a_private_key_proves_who_asks_and_its_public_half_is_published() {
    let (world, tokens, sink) = (World::of("access-token-smart"), token_server(), Sink::start(|_| 200));
    let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
    let options = json!({ "token_url": tokens.url("/token") });
    let asked = json!({ "url": sink.url("/in"), "options": options, "credentials": { "client_id": "app" } });
    let made = world.server.api.post(&endpoints, &asked).expect(201);
    assert!(made["public_key"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"), "{made}");
    world.changed();
    assert_eq!(shown(&sink.wait_for(1)[0]), "Bearer token-1");
    let form = String::from_utf8(tokens.requests()[0].body.clone()).unwrap();
    assert!(form.contains("&client_assertion=ey") && form.ends_with("&scope=system%2F*.rs"), "{form}");
    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let keys = world.server.api.with_key(key["key"].as_str().unwrap()).get("/published/access-token-smart/jwks.json").expect(200);
    assert_eq!((&keys["keys"][0]["alg"], &keys["keys"][0]["crv"]), (&json!("ES384"), &json!("P-384")), "{keys}");
}
