//! Heartbeats: what an endpoint gets when nothing happens.

use serde_json::{Value, json};

use super::handshakes::hmac_hex;
use super::{ACCOUNT, World};
use crate::harness::{Request, Sink, until};

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn an_endpoint_that_has_chosen_one_gets_it_signed_while_nothing_happens_and_nobody_else_does() {
    let (world, sink, other) = (World::of("heartbeat"), Sink::start(|_| 200), Sink::start(|_| 200));
    let api = &world.server.api;
    let (path, made) = world.registered(&json!({ "url": sink.url("/in"), "options": { "heartbeat": 1 } }));
    world.registered(&json!({ "url": other.url("/in") }));
    let first = sink.wait_for(1).remove(0);
    assert_eq!(body(&first), json!({ "kind": "heartbeat", "sent": 0 }));
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(first.header("x-signature"), Some(&*hmac_hex(secret, &first.body)));

    let event = api.publish(ACCOUNT, "thing.happened", "{\"id\":1}");
    api.attempted(ACCOUNT, &event, 1);
    let later = until("a heartbeat that counts the event", || {
        sink.requests().iter().map(body).find(|body| body["kind"] == "heartbeat" && body["sent"] == 1)
    });
    assert_eq!(later, json!({ "kind": "heartbeat", "sent": 1 }));

    // It is no event, no delivery, and nothing that is counted.
    assert_eq!(api.get(&format!("/v1/accounts/{ACCOUNT}/events")).expect(200)["items"].as_array().unwrap().len(), 1);
    let endpoint = path.rsplit('/').next().unwrap();
    let deliveries = api.get(&format!("/v1/deliveries?endpoint={endpoint}")).expect(200);
    assert_eq!(deliveries["items"].as_array().unwrap().len(), 1);
    assert_eq!(api.get(&path).expect(200)["health"], "active");
    assert_eq!(other.requests().iter().map(body).map(|body| body["kind"].clone()).collect::<Vec<_>>(), ["event"]);
}

#[test]
fn one_that_fails_changes_nothing_and_one_that_is_disabled_gets_none_until_it_is_enabled() {
    let (world, sink) = (World::of("heartbeat"), Sink::start(|_| 500));
    let api = &world.server.api;
    let (path, _) = world.registered(&json!({ "url": sink.url("/in"), "options": { "heartbeat": 1 } }));
    sink.wait_for(2); // the next is due all the same
    assert_eq!(api.get(&path).expect(200)["health"], "active");
    assert_eq!(api.get(&format!("/v1/incidents?account={ACCOUNT}")).expect(200)["items"], json!([]));

    // Beside one that goes on: once that has got its next two, the one that is disabled would have got one as well.
    let beside = Sink::start(|_| 200);
    api.patch(&path, &json!({ "enabled": false })).expect(200);
    let sent = sink.requests().len();
    world.registered(&json!({ "url": beside.url("/in"), "options": { "heartbeat": 1 } }));
    beside.wait_for(3);
    assert!(sink.requests().len() <= sent + 1, "at most the one that was on its way");
    api.patch(&path, &json!({ "enabled": true })).expect(200);
    sink.wait_for(sent + 2);
}

#[test]
fn they_go_on_after_a_crash_and_an_endpoint_that_gives_its_option_up_gets_no_more() {
    let (world, sink) = (World::of("heartbeat"), Sink::start(|_| 200));
    let (path, _) = world.registered(&json!({ "url": sink.url("/in"), "options": { "heartbeat": 1 } }));
    sink.wait_for(1);
    let world = world.killed_and_started();
    let sent = sink.requests().len();
    sink.wait_for(sent + 1);
    let api = &world.server.api;
    api.patch(&path, &json!({ "options": { "heartbeat": null } })).expect(200);
    let sent = sink.requests().len();
    let beside = Sink::start(|_| 200);
    world.registered(&json!({ "url": beside.url("/in"), "options": { "heartbeat": 1 } }));
    beside.wait_for(3);
    assert!(sink.requests().len() <= sent + 1, "at most the one that was on its way");
    let wrong = api.patch(&path, &json!({ "options": { "heartbeat": 0 } }));
    assert_eq!((wrong.status, wrong.pointers()), (422, vec!["/options/heartbeat".to_owned()]));
}
