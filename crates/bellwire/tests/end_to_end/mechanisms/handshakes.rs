//! Handshakes: an endpoint gets nothing before it has shown that it wants to, and is asked again when it is said to be elsewhere.

use bellwire_testkit::http::Request;
use bellwire_testkit::sink::Reply;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Sink, until};

pub(super) fn hmac_hex(key: &str, message: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Reply { status, headers, body: body.as_bytes().to_vec() }
}

fn challenge(request: &Request) -> Option<&str> {
    request.path.split_once("challenge=").map(|(_, challenge)| challenge)
}

/// Echoes challenges, and takes everything else.
fn echo(request: &Request) -> Reply {
    challenge(request).map_or_else(|| 204.into(), |challenge| reply(200, &[], challenge))
}

#[test]
fn nothing_is_sent_before_the_challenge_has_come_back() {
    let (world, sink) = (World::of("handshake-query"), Sink::start(|_| 200));
    let (path, made) = world.registered(&json!({ "url": sink.url("/in?tenant=7"), "secret": "a secret of the consumer" }));
    assert_eq!((&made["health"], &made["activation"]["activated_at"]), (&json!("pending"), &Value::Null));
    let unanswered = world.server.api.publish(ACCOUNT, "thing.happened", "{\"early\":true}");
    let refused = until("it was refused once", || {
        Some(world.server.api.get(&path).expect(200)).filter(|endpoint| endpoint["activation"]["failures"] != json!(0))
    });
    assert!(refused["activation"]["last_error"].as_str().unwrap().contains("status 200"), "{refused}");

    sink.answer_with(echo);
    let active = world.once(&path, "active");
    assert_eq!((&active["activation"]["failures"], &active["activation"]["last_error"]), (&json!(0), &Value::Null));
    assert!(active["activation"]["activated_at"].is_string() && active["activation"]["next_attempt_at"].is_null(), "{active}");
    world.server.api.publish(ACCOUNT, "thing.happened", "{\"early\":false}");
    let requests = until("the event arrives", || {
        Some(sink.requests()).filter(|requests| requests.iter().any(|request| !request.body.is_empty()))
    });
    let (asked, told): (Vec<&Request>, Vec<&Request>) = requests.iter().partition(|request| challenge(request).is_some());
    assert!(asked.iter().all(|request| request.method == "GET" && request.path.starts_with("/in?tenant=7&challenge=")));
    assert_eq!(told.iter().map(|request| request.body.as_slice()).collect::<Vec<_>>(), [b"{\"early\":false}"]);
    assert_eq!(told[0].header("x-signature"), Some(&*hmac_hex("a secret of the consumer", &told[0].body)));
    assert!(world.server.api.delivery(ACCOUNT, &unanswered).is_none(), "an event of before makes no delivery");
}

#[test]
fn whoever_moves_proves_itself_again_and_one_that_was_given_up_is_asked_once_it_is_resumed() {
    let (world, old, new) = (World::of("handshake-query"), Sink::start_with(echo), Sink::start(|_| 404));
    let (path, _) = world.registered(&json!({ "url": old.url("/in") }));
    world.once(&path, "active");
    let moved = world.server.api.patch(&path, &json!({ "url": new.url("/in") })).expect(200);
    assert_eq!(moved["health"], "pending");
    world.server.api.publish(ACCOUNT, "thing.happened", "{}");
    let given_up = until("it is not tried any more", || {
        let endpoint = world.server.api.get(&path).expect(200);
        Some(endpoint).filter(|endpoint| endpoint["activation"]["next_attempt_at"].is_null())
    });
    assert_eq!((&given_up["health"], &given_up["activation"]["failures"]), (&json!("pending"), &json!(4)));
    assert_eq!((old.count(), new.count()), (1, 4), "neither gets the event");

    new.answer_with(echo);
    let resumed = world.server.api.post(&format!("{path}/resume"), &json!({})).expect(200);
    assert_eq!(resumed["health"], "pending");
    world.once(&path, "active");
    let waited = new.wait_for(6).remove(5);
    assert_eq!((waited.body.as_slice(), old.count()), (&b"{}"[..], 1), "what was published meanwhile has waited");
    let same = world.server.api.patch(&path, &json!({ "url": new.url("/in"), "name": "Same" })).expect(200);
    assert_eq!(same["health"], "active", "the URL is the same");
}

#[test]
fn a_receiver_refuses_what_nobody_signed_and_answers_with_an_hmac() {
    let world = World::of("handshake-hmac");
    let secret = "a secret of the consumer";
    let sink = Sink::start_with(move |request| {
        if request.header("x-signature") != Some(&hmac_hex(secret, &request.body)) {
            return 401.into();
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let Some(token) = body["payload"]["plainToken"].as_str() else { return 200.into() };
        reply(200, &[], &json!({ "plainToken": token, "encryptedToken": hmac_hex(secret, token.as_bytes()) }).to_string())
    });
    let (path, _) = world.registered(&json!({ "url": sink.url("/in"), "secret": secret }));
    let active = world.once(&path, "active");
    assert!(active["activation"]["next_attempt_at"].is_string(), "it is asked again: {active}");
    let types: Vec<Value> = sink.requests().iter().map(|request| request.json()["event"].clone()).collect();
    assert_eq!(types, ["endpoint.probe", "endpoint.url_validation"]);

    // One that takes whatever comes has not checked anything.
    let careless = Sink::start(|_| 200);
    let (path, _) = world.registered(&json!({ "url": careless.url("/in"), "secret": secret }));
    let refused = until("it is given up", || {
        Some(world.server.api.get(&path).expect(200)).filter(|endpoint| endpoint["activation"]["failures"] == json!(2))
    });
    assert!(refused["activation"]["last_error"].as_str().unwrap().starts_with("request 1 of 2: "), "{refused}");
    assert_eq!(careless.requests().len(), 2, "the second request is not sent");
}

#[test]
fn a_receiver_consents_names_its_rate_and_chooses_the_secret() {
    let (world, chosen) = (World::of("handshake-consent"), "chosen by the receiver");
    let consent = [("WebHook-Allowed-Origin", "*"), ("WebHook-Allowed-Rate", "600"), ("X-Hook-Secret", chosen)];
    let sink = Sink::start_with(move |request| match request.method.as_str() {
        "OPTIONS" => reply(204, &consent, ""),
        _ => 200.into(),
    });
    let (path, made) = world.registered(&json!({ "url": sink.url("/in") }));
    assert_eq!(made["rate_limit"], Value::Null);
    let active = world.once(&path, "active");
    assert_eq!(active["rate_limit"], "600/m");
    assert!(!active.to_string().contains(chosen), "no secret is shown that the contract does not show");
    world.server.api.publish(ACCOUNT, "thing.happened", "{\"n\":1}");
    let requests = sink.wait_for(2);
    assert_eq!(requests[0].header("webhook-request-origin"), Some("acme.example"));
    assert_eq!(requests[1].header("x-signature"), Some(&*hmac_hex(chosen, b"{\"n\":1}")));

    let short = Sink::start_with(|_| reply(204, &[("WebHook-Allowed-Origin", "*"), ("X-Hook-Secret", "short")], ""));
    let (path, _) = world.registered(&json!({ "url": short.url("/in") }));
    let refused = until("it is given up", || {
        Some(world.server.api.get(&path).expect(200)).filter(|endpoint| endpoint["activation"]["failures"] == json!(1))
    });
    let reason = refused["activation"]["last_error"].as_str().unwrap();
    assert!(reason.contains("16 to 1024 characters") && refused["health"] == "pending", "{refused}");
}

#[test]
fn a_receiver_calls_back_and_nobody_else_can() {
    let (world, sink) = (World::of("handshake-callback"), Sink::start(|_| 200));
    let api = &world.server.api;
    let key = api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let consumer = api.with_key(key["key"].as_str().unwrap());
    let at = |path: &str| format!("/published/handshake-callback{path}");
    let made = consumer.post(&at("/subscriptions"), &json!({ "url": sink.url("/in") })).expect(202);
    assert_eq!(made["state"], "pending");
    let path = format!("/v1/accounts/{ACCOUNT}/endpoints/{}", made["id"].as_str().unwrap());
    let asked = sink.wait_for(1).remove(0).json();
    let link = asked["SubscribeURL"].as_str().unwrap().strip_prefix("http://acme.example").unwrap().to_owned();
    let token = link.split_once("token=").unwrap().1;
    assert_eq!(api.get(&path).expect(200)["health"], "pending", "the answer alone is not enough");

    let anybody = api.without_key();
    for wrong in ["", "0", &"0".repeat(64), &token[1..]] {
        let refused = anybody.get(&at(&format!("/confirm?token={wrong}")));
        assert!(matches!(refused.status, 400 | 404), "{wrong}: {}", refused.text());
    }
    api.put("/v1/accounts/other", &json!({ "contract": "handshake-query" })).expect(201);
    assert_eq!(anybody.get(&format!("/published/handshake-query/confirm?token={token}")).status, 404, "of another contract");
    assert_eq!(anybody.get(&at(&link)).expect(200), json!({ "id": made["id"], "health": "active" }));
    assert_eq!(anybody.get(&at(&link)).expect(200)["health"], "active", "twice is once");

    until("the token is the secret", || {
        api.publish(ACCOUNT, "thing.happened", "{}");
        let requests = sink.requests();
        let last = requests.iter().rev().find(|request| request.json()["Type"] == "Notification")?;
        (last.header("x-signature") == Some(&hmac_hex(token, &last.body))).then_some(())
    });
}

#[test]
fn a_handshake_survives_the_death_of_the_server() {
    let (world, sink) = (World::of("handshake-query"), Sink::start(|_| 503));
    let (path, _) = world.registered(&json!({ "url": sink.url("/in") }));
    sink.wait_for(1);
    let world = world.killed_and_started();
    sink.answer_with(echo);
    world.once(&path, "active");
}
