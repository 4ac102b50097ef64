//! Signatures by private keys: drawn, rotated and imported, never shown, and verified by Node's own library with what receivers are told.

use std::io::Write as _;
use std::process::{Command, Stdio};

use bellwire_testkit::http::Request;
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::Sink;

/// What Node finds wrong with a request.
fn wrong(request: &Request) -> String {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let input = json!({ "body": String::from_utf8(request.body.clone()).unwrap(), "headers": headers }).to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../contract/tests/key_pairs/verify.mjs");
    let mut child = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The key of an answer, which has the public half and nothing else.
#[track_caller]
fn public(answer: &Value) -> String {
    assert!(answer.get("secret").is_none() && !answer.to_string().contains("PRIVATE KEY"), "{answer}");
    let pem = answer["public_key"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
    pem.to_owned()
}

#[test]
fn what_arrives_fits_the_key_that_receivers_are_told_and_nobody_sees_the_private_one() {
    for contract in ["keys-ed25519", "keys-p256", "keys-rsa"] {
        let (world, sink) = (World::of(contract), Sink::start(|_| 200));
        let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
        let made = world.server.api.post(&endpoints, &json!({ "url": sink.url("/in") })).expect(201);
        let path = format!("{endpoints}/{}", made["id"].as_str().unwrap());
        assert_eq!(public(&world.server.api.get(&path).expect(200)), public(&made));
        world.server.api.publish(ACCOUNT, "thing.happened", "{\"n\":1.10}");
        let request = sink.wait_for(1).remove(0);
        assert_eq!(wrong(&request), "", "{contract}");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["key"]["pem"], made["public_key"]);
    }
}

#[test]
fn a_key_is_rotated_and_imported_and_both_are_listed_while_both_sign() {
    let (world, sink) = (World::of("keys-ed25519"), Sink::start(|_| 200));
    let api = &world.server.api;
    let key = api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let consumer = api.with_key(key["key"].as_str().unwrap());
    let at = |path: &str| format!("/published/keys-ed25519{path}");
    assert_eq!(consumer.get(&at("/jwks.json")).expect(200), json!({ "keys": [] }));

    let made = consumer.post(&at("/webhooks"), &json!({ "url": sink.url("/in") })).expect(201);
    assert_eq!(made["pem"].as_str().unwrap().lines().next(), Some("-----BEGIN PUBLIC KEY-----"));
    let rotate = format!("/v1/accounts/{ACCOUNT}/endpoints/{}/secrets", made["id"].as_str().unwrap());
    let refused = api.post(&rotate, &json!({ "secret": made["pem"] })).expect(422);
    assert!(refused.to_string().contains("public key"), "{refused}");
    let seed = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let rotated = api.post(&rotate, &json!({ "secret": seed, "overlap": "1h" })).expect(201);
    assert!(!rotated.to_string().contains(seed));

    let listed = consumer.get(&at("/keys")).expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(listed[0]["pem"], public(&rotated), "the newest first");
    assert_eq!((&listed[1]["public"], &listed[1]["algorithm"]), (&made["key"], &json!("EdDSA")));
    let jwks = consumer.get(&at("/jwks.json")).expect(200);
    assert_eq!(jwks["keys"][0]["kid"], listed[0]["id"]);
    assert_eq!(api.without_key().get(&at("/jwks.json")).status, 401);

    api.publish(ACCOUNT, "thing.happened", "{}");
    let request = sink.wait_for(1).remove(0);
    assert_eq!(request.header("webhook-signature").unwrap().matches("v1a,").count(), 2);
    assert_eq!(wrong(&request), "");
}
