//! Keys of a contract: one signs for all accounts, its public half stands at one URL, and the operator rotates it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Request, Sink};

const KEYS: &str = "/v1/contracts/contract-keys/keys";
const JWKS: &str = "/published/contract-keys/jwks.json";
/// A key that was drawn elsewhere, for this test alone.
const IMPORTED: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0iDeC02EaPVQzenJ\n\
    sBSBXjruZNozoWu25VmxPrZ2zN6hRANCAARxLDqE5FcMA/JWYOdXfSXF1147gBVs\n\
    G8MwjoS4jE6lAnki+amKqr3Fzs+KbHx2YYlZ/HNtG7+MPoE5qMDX/33X\n\
    -----END PRIVATE KEY-----\n";
/// Verifies with Node's own library, and with nothing but the key set: reads JSON, and prints what is wrong.
const VERIFIER: &str = r#"
import crypto from "node:crypto";
const { body, headers, jwks } = JSON.parse(await new Response(process.stdin).text());
const jwk = jwks.keys.find((key) => key.kid === headers["x-key-id"]);
if (!jwk) { console.log("no such key"); process.exit(); }
const key = crypto.createPublicKey({ key: jwk, format: "jwk" });
const signature = Buffer.from(headers["x-signature"].split(";")[1], "base64");
if (!crypto.verify("sha256", Buffer.from(body), key, signature)) console.log("signature");
const [head, claims, mac] = headers["x-token"].split(".");
if (JSON.parse(Buffer.from(head, "base64url")).kid !== jwk.kid) console.log("kid");
const raw = { key, dsaEncoding: "ieee-p1363" };
if (!crypto.verify("sha256", Buffer.from(`${head}.${claims}`), raw, Buffer.from(mac, "base64url"))) console.log("token");
"#;

/// What is wrong with a request, for a receiver that has the key set.
fn wrong(request: &Request, jwks: &Value) -> String {
    let headers: serde_json::Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let input = json!({ "body": String::from_utf8(request.body.clone()).unwrap(), "headers": headers, "jwks": jwks });
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", VERIFIER]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn one_key_signs_for_all_accounts_and_anybody_may_read_its_public_half() {
    let (world, sink) = (World::of("contract-keys"), Sink::start(|_| 200));
    let api = &world.server.api;
    api.put("/v1/accounts/other", &json!({ "contract": "contract-keys" })).expect(201);
    let (path, made) = world.registered(&json!({ "url": sink.url("/in") }));
    api.post("/v1/accounts/other/endpoints", &json!({ "url": sink.url("/other") })).expect(201);
    assert!(made.get("secret").is_none() && !made.to_string().contains("PRIVATE KEY"), "{made}");
    let jwks = api.without_key().get(JWKS).expect(200);
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    for (account, number) in [(ACCOUNT, 1), ("other", 2)] {
        api.publish(account, "order.changed", r#"{"id":"1"}"#);
        let request = sink.wait_for(number).remove(number - 1);
        assert_eq!(wrong(&request, &jwks), "", "{account}");
        assert!(request.header("x-signature").unwrap().starts_with("v1;"));
    }
    // The endpoint shows it, and nobody gives it or its account another.
    let shown = api.get(&path).expect(200);
    let listed = api.get(KEYS).expect(200);
    assert_eq!((&listed["items"][0]["pem"], &listed["items"][0]["version"]), (&shown["public_key"], &json!(1)));
    for place in [format!("{path}/secrets"), format!("/v1/accounts/{ACCOUNT}/secrets")] {
        assert_eq!(api.post(&place, &json!({})).expect(409)["code"], "contract_secret");
    }
    let given =
        api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints"), &json!({ "url": sink.url("/"), "secret": "x".repeat(40) }));
    assert_eq!((given.status, given.pointers()), (422, vec!["/secret".to_owned()]));
}

#[test]
fn the_operator_rotates_it_with_an_overlap_and_imports_one() {
    let (world, sink) = (World::of("contract-keys"), Sink::start(|_| 200));
    world.registered(&json!({ "url": sink.url("/in") }));
    let before = world.server.api.get(KEYS).expect(200)["items"][0].clone();
    let rotated = world.server.api.post(KEYS, &json!({ "overlap": "1h" })).expect(201);
    assert_eq!((&rotated["version"], &rotated["expires_at"]), (&json!(2), &Value::Null));
    assert!(!rotated.to_string().contains("PRIVATE KEY"));
    let listed = world.server.api.get(KEYS).expect(200);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][1]["id"]), (&rotated["id"], &before["id"]));
    assert!(listed["items"][1]["expires_at"].is_string(), "{listed}");
    // The key set has both, so whoever has fetched it before or fetches it now finds what it needs.
    let jwks = world.server.api.without_key().get(JWKS).expect(200);
    let ids: Vec<&Value> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert_eq!(ids, [&rotated["id"], &before["id"]]);
    let world = world.killed_and_started();
    world.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1"}"#);
    let request = sink.wait_for(1).remove(0);
    assert_eq!((wrong(&request, &jwks).as_str(), request.header("x-key-id")), ("", rotated["id"].as_str()));
    assert!(request.header("x-signature").unwrap().starts_with("v2;"));
    // One that is no private key of that kind is refused, and not repeated.
    let refused = world.server.api.post(KEYS, &json!({ "private_key": rotated["pem"] }));
    assert_eq!((refused.status, refused.pointers()), (422, vec!["/private_key".to_owned()]), "{}", refused.text());
    let imported = world.server.api.post(KEYS, &json!({ "private_key": IMPORTED, "overlap": "0s" })).expect(201);
    assert_eq!(imported["version"], 3);
    assert_eq!(world.server.api.get(KEYS).expect(200)["items"].as_array().unwrap().len(), 1);
    world.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"2"}"#);
    let request = sink.wait_for(2).remove(1);
    assert_eq!(wrong(&request, &world.server.api.without_key().get(JWKS).expect(200)), "");
    let audit = world.server.api.get("/v1/audit?limit=100").expect(200).to_string();
    assert_eq!(audit.matches("contract.key_rotated").count(), 3, "{audit}");
    assert!(!audit.contains("PRIVATE KEY"));
}

#[test]
fn a_consumer_may_list_it_and_change_nothing() {
    let world = World::of("contract-keys");
    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let consumer = world.server.api.with_key(key["key"].as_str().unwrap());
    let listed = consumer.get("/published/contract-keys/keys").expect(200);
    assert_eq!((&listed["account"], &listed["keys"][0]["version"]), (&json!(ACCOUNT), &json!(1)));
    assert_eq!(consumer.get(KEYS).expect(200)["items"][0]["id"], listed["keys"][0]["id"]);
    assert_eq!(consumer.post(KEYS, &json!({})).status, 403);
    // A contract whose endpoints have secrets of their own has no keys to list, and gets none.
    world.server.api.put("/v1/accounts/third", &json!({ "contract": "key-versions" })).expect(201);
    assert_eq!(world.server.api.get("/v1/contracts/key-versions/keys").expect(200), json!({ "items": [] }));
    let refused = world.server.api.post("/v1/contracts/key-versions/keys", &json!({})).expect(409);
    assert_eq!(refused["code"], "endpoint_secret");
}
