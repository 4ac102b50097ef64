//! Versions of secrets: each value says which one made it, and who is given a secret is told its version.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{ACCOUNT, World};
use crate::harness::{Request, Sink};

/// What a receiver expects that knows these secrets by their versions.
fn expected(request: &Request, known: &[(&Value, &str)]) -> String {
    let value = |(secret, version): &(&Value, &str)| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_str().unwrap().as_bytes()).unwrap();
        mac.update(&request.body);
        format!("{version}={}", hex::encode(mac.finalize().into_bytes()))
    };
    known.iter().map(value).collect::<Vec<_>>().join(",")
}

fn publish(world: &World) -> String {
    world.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1"}"#)
}

#[test]
fn a_rotation_raises_the_version_and_each_value_says_its_own() {
    let (world, sink) = (World::of("key-versions"), Sink::start(|_| 200));
    let (path, made) = world.registered(&json!({ "url": sink.url("/in") }));
    assert_eq!(made["secret_version"], 1);
    publish(&world);
    let first = sink.wait_for(1).remove(0);
    assert_eq!(first.header("x-signature").unwrap(), expected(&first, &[(&made["secret"], "v1")]));
    let rotated = world.server.api.post(&format!("{path}/secrets"), &json!({ "overlap": "1h" })).expect(201);
    assert_eq!(rotated["secret_version"], 2);
    let event = publish(&world);
    let both = sink.wait_for(2).remove(1);
    let known = [(&rotated["secret"], "v2"), (&made["secret"], "v1")];
    assert_eq!(both.header("x-signature").unwrap(), expected(&both, &known));
    assert_eq!(both.header("x-key-version"), Some("2"));
    world.server.api.attempted(ACCOUNT, &event, 1); // or the crash would have it sent again
    // The same after a crash, and another endpoint counts for itself.
    let world = world.killed_and_started();
    publish(&world);
    let again = sink.wait_for(3).remove(2);
    assert_eq!(again.header("x-signature").unwrap(), expected(&again, &known));
    let last = world.server.api.post(&format!("{path}/secrets"), &json!({ "overlap": "0s" })).expect(201);
    assert_eq!(last["secret_version"], 3);
    let (_, other) = world.registered(&json!({ "url": sink.url("/other") }));
    assert_eq!(other["secret_version"], 1);
    publish(&world);
    let sent = sink.wait_for(5).split_off(3);
    for (place, secret, version) in [("/in", &last["secret"], "v3"), ("/other", &other["secret"], "v1")] {
        let request = sent.iter().find(|request| request.path == place).unwrap();
        assert_eq!(request.header("x-signature").unwrap(), expected(request, &[(secret, version)]));
    }
}

#[test]
fn a_published_api_tells_the_version_with_the_secret() {
    let (world, sink) = (World::of("key-versions"), Sink::start(|_| 200));
    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let api = world.server.api.with_key(key["key"].as_str().unwrap());
    let made = api.post("/published/key-versions/hooks", &json!({ "url": sink.url("/in") })).expect(201);
    assert_eq!(made["key"], "v1");
    let path = format!("/published/key-versions/hooks/{}/secret", made["id"].as_str().unwrap());
    assert_eq!(api.post(&path, &json!({})).expect(200)["key"], "v2");
}
