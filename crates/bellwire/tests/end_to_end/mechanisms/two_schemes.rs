//! A platform that moves its receivers from secrets to a key of its own: each request proves itself to those who have moved and to those
//! who have not, whatever is rotated meanwhile.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Home, KEY, LOCAL, Request, Sink, bellwire, run, run_with, send, until};

const KEYS: &str = "/v1/contracts/two-schemes/keys";
const JWKS: &str = "/published/two-schemes/jwks.json";
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/two_schemes.yaml");
/// Receivers that have not moved: the package of Standard Webhooks, and the code that the contract gives.
const BY_SECRET: &str = r#"
import json, sys
from standardwebhooks.webhooks import Webhook
sys.path.insert(0, sys.argv[1])
import own
told = json.load(sys.stdin)
body = told["body"].encode()
for secret in told["secrets"]:
    Webhook(secret).verify(body, told["headers"], json_parse=False)
    own.verify(secret, told["headers"], body)
"#;
/// A receiver that has moved, with Node's own library and a key set.
const BY_KEY: &str = r#"
import crypto from "node:crypto";
const { body, headers, jwks } = JSON.parse(await new Response(process.stdin).text());
const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
const values = headers["webhook-signature"].split(" ").filter((value) => value.startsWith("v1a,"));
const fits = (jwk) => values.some((value) =>
  crypto.verify(null, signed, crypto.createPublicKey({ key: jwk, format: "jwk" }), Buffer.from(value.slice(4), "base64")));
if (!jwks.keys.some(fits)) process.exit(1);
"#;

/// What a receiver holds: a secret each, and key sets.
struct Receivers<'a> {
    home: &'a Home,
    secrets: Vec<&'a Value>,
    key_sets: Vec<&'a Value>,
}

impl Receivers<'_> {
    /// Every receiver takes the request.
    #[track_caller]
    fn take(&self, request: &Request) {
        let headers: serde_json::Map<String, Value> =
            request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        let mut told =
            json!({ "body": String::from_utf8(request.body.clone()).unwrap(), "headers": headers, "secrets": self.secrets });
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/venv/bin/python");
        let mut by_secret = Command::new(python);
        by_secret.args(["-c", BY_SECRET]).arg(self.home.path(""));
        assert!(succeeds(by_secret, &told), "a receiver with a secret refuses {told}");
        for jwks in &self.key_sets {
            told["jwks"] = (*jwks).clone();
            let mut by_key = Command::new("node");
            by_key.args(["--input-type=module", "-e", BY_KEY]);
            assert!(succeeds(by_key, &told), "a receiver with a key refuses {told}");
        }
    }
}

fn succeeds(mut command: Command, input: &Value) -> bool {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    child.wait().unwrap().success()
}

/// Writes the code that the contract gives to receivers.
fn write_code(home: &Home, contract: &str) {
    let code = run(bellwire().args(["contract", "code", contract, "--language", "python"]));
    assert!(code.success().contains("is not looked at") || code.stdout.contains("not\n# looked at"), "{}", code.stdout);
    fs::write(home.path("own.py"), &code.stdout).unwrap();
}

/// The event that is published now, as it arrives.
fn published(world: &World, sink: &Sink) -> Request {
    let before = sink.requests().len();
    let event = world.server.api.publish(ACCOUNT, "order.changed", r#"{"id":"1"}"#);
    world.server.api.attempted(ACCOUNT, &event, 1);
    sink.wait_for(before + 1).remove(before)
}

#[test]
fn whoever_has_moved_and_whoever_has_not_takes_each_request_through_both_rotations() {
    let (world, sink) = (World::of("two-schemes"), Sink::start(|_| 200));
    write_code(&world.home, FILE);
    let (path, made) = world.registered(&json!({ "url": sink.url("/in") }));
    assert_eq!(made["secret_version"], 1);
    assert!(!made.to_string().contains("PRIVATE KEY") && made["secret"].as_str().unwrap().starts_with("whsec_"), "{made}");
    let api = world.server.api.without_key();
    let first = api.get(JWKS).expect(200);
    let listed = world.server.api.get(KEYS).expect(200);
    assert_eq!(listed["items"][0]["pem"], made["public_key"]);
    assert_eq!(world.server.api.get(&path).expect(200)["public_key"], made["public_key"], "it may always be read");
    assert_eq!(world.server.api.get(&path).expect(200).get("secret"), None);
    world.once(&path, "active");
    // The handshake, a test and an event.
    let old = Receivers { home: &world.home, secrets: vec![&made["secret"]], key_sets: vec![&first] };
    world.server.api.post(&format!("{path}/test"), &json!({})).expect(201);
    for request in &sink.wait_for(2) {
        old.take(request);
    }
    old.take(&published(&world, &sink));

    // The secret first.
    let rotated = world.server.api.post(&format!("{path}/secrets"), &json!({ "overlap": "1h" })).expect(201);
    assert_eq!((&rotated["secret_version"], &rotated["public_key"]), (&json!(2), &made["public_key"]));
    let secrets = vec![&made["secret"], &rotated["secret"]];
    let both = Receivers { home: &world.home, secrets: secrets.clone(), key_sets: vec![&first] };
    both.take(&published(&world, &sink));
    // Then the key, while both secrets sign.
    let key = world.server.api.post(KEYS, &json!({ "overlap": "1h" })).expect(201);
    let second = api.get(JWKS).expect(200);
    let newest = json!({ "keys": [second["keys"][0]] });
    assert_eq!((second["keys"].as_array().unwrap().len(), &second["keys"][0]["kid"]), (2, &key["id"]));
    let all = Receivers { home: &world.home, secrets, key_sets: vec![&first, &second, &newest] };
    let request = published(&world, &sink);
    all.take(&request);
    assert_eq!((request.header("x-key-id"), request.header("x-key-version")), (key["id"].as_str(), Some("2")));
    let parts: Vec<&str> =
        request.header("webhook-signature").unwrap().split(' ').map(|value| value.split_once(',').unwrap().0).collect();
    assert_eq!(parts, ["v1", "v1", "v1a", "v1a"]);
    verified_by_the_command(&request, rotated["secret"].as_str().unwrap(), key["pem"].as_str().unwrap());

    // After a crash, and once the overlaps have ended.
    let home = &world.home;
    world.server.api.post(KEYS, &json!({ "overlap": "0s" })).expect(201);
    let last = world.server.api.post(&format!("{path}/secrets"), &json!({ "overlap": "0s" })).expect(201);
    let third = api.get(JWKS).expect(200);
    let alone = Receivers { home, secrets: vec![&last["secret"]], key_sets: vec![&third] };
    alone.take(&published(&world, &sink));
    assert_eq!(third["keys"].as_array().unwrap().len(), 1);
}

/// `bellwire verify` takes it with both, and says what is missing with one.
fn verified_by_the_command(request: &Request, secret: &str, key: &str) {
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let captured = format!("POST {}\n{}", request.path, headers.collect::<String>());
    let captured = [captured.as_bytes(), b"\n", &request.body].concat();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts");
    let verify = |secrets: &[&str]| {
        let mut command = bellwire();
        command.args(["verify", "--contract", "two-schemes", "--contracts", folder]);
        for secret in secrets {
            command.args(["--secret", secret]);
        }
        run_with(&captured, &mut command)
    };
    let taken = verify(&[secret, key]);
    assert_eq!((taken.code, taken.stdout.trim()), (Some(0), "genuine"), "{taken:?}");
    let refused = verify(&[secret]);
    assert!(refused.code == Some(1) && refused.stdout.contains("no public key"), "{refused:?}");
}

#[test]
fn heartbeats_and_published_routes_have_both() {
    let (world, sink) = (World::of("two-schemes"), Sink::start(|_| 200));
    write_code(&world.home, FILE);
    let (_, made) = world.registered(&json!({ "url": sink.url("/in"), "options": { "heartbeat": 1 } }));
    let jwks = world.server.api.without_key().get(JWKS).expect(200);
    let beat = until("a heartbeat", || {
        sink.requests().into_iter().find(|request| String::from_utf8_lossy(&request.body).contains("idle"))
    });
    Receivers { home: &world.home, secrets: vec![&made["secret"]], key_sets: vec![&jwks] }.take(&beat);

    let key = world.server.api.post("/v1/keys", &json!({ "role": "consumer", "account": ACCOUNT })).expect(201);
    let consumer = world.server.api.with_key(key["key"].as_str().unwrap());
    let hook = consumer.post("/published/two-schemes/hooks", &json!({ "url": sink.url("/other") })).expect(201);
    let listed = consumer.get("/published/two-schemes/keys").expect(200);
    assert_eq!((&hook["key"], &hook["version"]), (&listed[0]["id"], &json!(1)));
    let path = format!("/published/two-schemes/hooks/{}/secret", hook["id"].as_str().unwrap());
    let rotated = consumer.post(&path, &json!({})).expect(200);
    assert!(rotated["secret"] != hook["secret"] && rotated["version"] == 2, "{rotated}");
    assert_eq!(consumer.get("/published/two-schemes/keys").expect(200), listed);
}

#[test]
fn the_pages_show_the_secret_once_and_the_public_half_for_good() {
    let world = World::of("two-schemes");
    let form = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    let visit = |method: &str, path: &str, cookie: &str, body: &str| {
        let headers = [form.clone(), ("cookie".to_owned(), cookie.to_owned())];
        send(world.server.api.address, method, path, &headers, body.as_bytes()).unwrap()
    };
    let signed_in = visit("POST", "/console/sign-in", "", &format!("key={KEY}"));
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let webhooks = format!("/console/accounts/{ACCOUNT}/webhooks");
    let added = visit("POST", &webhooks, &cookie, "url=http%3A%2F%2F127.0.0.1%3A9%2F&events=order.changed");
    assert!(added.text().contains("whsec_") && added.text().contains("signed with a key of the platform"), "{}", added.text());
    let listed = world.server.api.get(&format!("/v1/accounts/{ACCOUNT}/endpoints")).expect(200);
    let path = format!("{webhooks}/{}", listed["items"][0]["id"].as_str().unwrap());
    let keys = world.server.api.get(KEYS).expect(200);
    let line = keys["items"][0]["pem"].as_str().unwrap().lines().nth(1).unwrap().to_owned();
    let page = visit("GET", &path, &cookie, "");
    let shown = page.text().replace("&#43;", "+").replace("&#x2b;", "+").replace("&#x2F;", "/");
    assert!(shown.contains("Rotate secret") && shown.contains("Public key") && shown.contains(&line), "{shown}");
    let rotated = visit("POST", &format!("{path}/rotate"), &cookie, "overlap=1h");
    assert!(rotated.text().contains("whsec_"), "{}", rotated.text());
    for page in [&added, &page, &rotated] {
        assert!(!page.text().contains("PRIVATE KEY"));
    }
    assert!(!page.text().contains("whsec_"));
}

#[test]
fn a_contract_that_has_accounts_is_given_keys_beside_their_secrets() {
    let home = Home::new();
    let folder = home.path("contracts");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("two_schemes.yaml");
    let whole = fs::read_to_string(FILE).unwrap();
    // As it was before the move: without whatever speaks of the key.
    let speaks = ["x-key-", "  keys:", "  key: {", "keys }", "/jwks.json", "/keys"];
    let before: String = whole
        .split_inclusive('\n')
        .take_while(|line| !line.starts_with("published:"))
        .filter(|line| !speaks.iter().any(|word| line.contains(word)))
        .collect::<String>()
        .replace("{{ signature.secret }} {{ signature.key }}", "{{ signature.secret }}");
    fs::write(&file, format!("{before}delivery: {{ timeout: 5s, retry: none }}\n")).unwrap();
    let start = || home.start_with(&[&LOCAL[..], &["--contracts", folder.to_str().unwrap()]].concat());
    let server = start();
    server.api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": "two-schemes" })).expect(201);
    let sink = Sink::start(|_| 200);
    let mut world = World { server, home: Home::new(), contracts: folder.clone() };
    let (path, made) = world.registered(&json!({ "url": sink.url("/in") }));
    assert!(made.get("public_key").is_none_or(Value::is_null), "{made}");
    world.once(&path, "active");
    assert_eq!(published(&world, &sink).header("webhook-signature").unwrap().matches("v1").count(), 1);
    write_code(&world.home, FILE);
    fs::write(&file, &whole).unwrap();
    world.server.api.post("/v1/contracts/reload", &json!({})).expect(200);
    let jwks = world.server.api.without_key().get(JWKS).expect(200);
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    let request = published(&world, &sink);
    Receivers { home: &world.home, secrets: vec![&made["secret"]], key_sets: vec![&jwks] }.take(&request);
    // The same where the file has changed while no server ran: here, to a key of another kind.
    world.server.kill();
    let other = whole.replace("private_key: ed25519", "private_key: p256").replace("sign: ed25519", "sign: ecdsa-p256-sha256");
    fs::write(&file, other).unwrap();
    world.server = start();
    let jwks = world.server.api.without_key().get(JWKS).expect(200);
    assert_eq!(jwks["keys"][0]["crv"], "P-256");
    let request = published(&world, &sink);
    Receivers { home: &world.home, secrets: vec![&made["secret"]], key_sets: vec![] }.take(&request);
}
