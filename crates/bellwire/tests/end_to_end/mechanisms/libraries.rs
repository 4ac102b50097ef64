//! Formats that others have published, judged by the libraries that their customers use: what is sent is taken, and what was changed
//! on its way is not.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bellwire_testkit::sink::Reply;
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Request, Sink, bellwire, run, send};

/// A library, and what a receiver holds for it.
struct Library {
    name: &'static str,
    secret: Value,
    key: Value,
}

impl Library {
    fn with_secret(name: &'static str, made: &Value) -> Self {
        assert!(made["secret"].is_string(), "{made}");
        Self { name, secret: made["secret"].clone(), key: Value::Null }
    }

    fn with_key(name: &'static str, key: Value) -> Self {
        Self { name, secret: Value::Null, key }
    }

    /// Takes the request as it came, and not with another body.
    #[track_caller]
    fn judge(&self, sink: &Sink, request: &Request, change: (&str, &str)) {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let changed = body.replacen(change.0, change.1, 1);
        assert_ne!(body, changed, "the body has no `{}`", change.0);
        assert!(self.takes(sink, request, &body), "{} refuses {request:?}", self.name);
        assert!(!self.takes(sink, request, &changed), "{} takes {changed}", self.name);
    }

    fn takes(&self, sink: &Sink, request: &Request, body: &str) -> bool {
        let headers: serde_json::Map<String, Value> =
            request.headers.iter().map(|(name, value)| (name.to_lowercase(), value.as_str().into())).collect();
        let (method, url) = (&request.method, sink.url(&request.path));
        let told = json!({
            "library": self.name, "secret": self.secret, "key": self.key, "method": method, "url": url, "headers": headers, "body": body,
        });
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut python = Command::new(root.join(".tools/venv/bin/python"));
        let mut child = python.arg(root.join("tests/receivers/libraries.py")).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
        child.wait().unwrap().success()
    }
}

/// Answers with this text.
fn text(status: u16, body: &str) -> Reply {
    Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

#[test]
fn a_signature_inside_the_body_over_some_of_its_fields() {
    let (world, sink) = (World::of("selected-fields"), Sink::start_with(|_| text(200, "[accepted]")));
    let (_, made) = world.registered(&json!({ "url": sink.url("/in") }));
    let adyen = Library::with_secret("Adyen", &made);
    let without = r#"{"pspReference":"p1","merchantAccountCode":"Pharmacy","merchantReference":"o-1","amount":{"value":1130,"currency":"EUR"},"success":true}"#;
    let with = without.replacen('{', r#"{"originalReference":"p0","#, 1);
    for (index, data) in [without, &with].into_iter().enumerate() {
        let event = world.server.api.publish(ACCOUNT, "AUTHORISATION", data);
        assert_eq!(world.server.api.attempted(ACCOUNT, &event, 1)["state"], "delivered");
        let request = sink.wait_for(index + 1).remove(index);
        adyen.judge(&sink, &request, ("1130", "11300"));
        adyen.judge(&sink, &request, (r#""success":"true""#, r#""success":"false""#));
    }
}

/// The receiver answers the challenge in JSON, and a failure ends the retries where it says so.
#[test]
fn a_challenge_and_retries_that_say_what_they_are() {
    let sink = Sink::start_with(|request| {
        let told: Value = serde_json::from_slice(&request.body).unwrap();
        match told["challenge"].as_str() {
            Some(challenge) => text(200, &json!({ "challenge": challenge }).to_string()),
            None if request.header("x-slack-retry-num").is_some() => {
                Reply { headers: vec![("x-slack-no-retry", "1".to_owned())], ..500.into() }
            }
            None => 503.into(),
        }
    });
    let world = World::of("challenge");
    let (path, made) = world.registered(&json!({ "url": sink.url("/in") }));
    let slack = Library::with_secret("slack_sdk", &made);
    world.once(&path, "active");
    let event = world.server.api.publish(ACCOUNT, "app_mention", r#"{"type":"mine","text":"hello"}"#);
    let requests = sink.wait_for(3);
    slack.judge(&sink, &requests[0], ("url_verification", "event_callback"));
    for request in &requests[1..] {
        slack.judge(&sink, request, ("hello", "hullo"));
        let told: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(told["event"], json!({ "type": "app_mention", "text": "hello" }), "what is merged in gives way");
    }
    let said = |index: usize, name: &str| requests[index].header(name).map(ToOwned::to_owned);
    assert_eq!((said(1, "x-slack-retry-num"), said(1, "x-slack-retry-reason")), (None, None));
    let retry = (said(2, "x-slack-retry-num"), said(2, "x-slack-retry-reason"));
    assert_eq!(retry, (Some("1".to_owned()), Some("http_error".to_owned())));
    assert_eq!(world.server.api.attempted(ACCOUNT, &event, 2)["state"], "failed");
}

/// RFC 9421, with the key as a library takes it from a URL.
#[test]
fn http_message_signatures_with_a_key_that_is_read_as_pem() {
    let (world, sink) = (World::of("message-signatures"), Sink::start(|_| 200));
    world.registered(&json!({ "url": sink.url("/in?tenant=7") }));
    world.server.api.publish(ACCOUNT, "order.changed", r#"{"id": 1.10}"#);
    let request = sink.wait_for(1).remove(0);
    let id = request.header("signature-input").unwrap().split("keyid=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/published/message-signatures/keys/{id}");
    let answer = send(world.server.api.address, "GET", &path, &[], b"").unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-pem-file")));
    let pem = String::from_utf8(answer.body).unwrap();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
    Library::with_key("http-message-signatures", pem.into()).judge(&sink, &request, ("1.10", "1.1"));
    let refused = send(world.server.api.address, "GET", "/published/message-signatures/none", &[], b"").unwrap();
    assert_eq!((refused.status, refused.header("content-type")), (404, Some("text/plain; charset=utf-8")));
}

#[test]
fn a_token_with_the_digest_of_the_body_by_a_key_that_is_asked_for() {
    let (world, sink) = (World::of("token-digest"), Sink::start(|_| 200));
    world.registered(&json!({ "url": sink.url("/in") }));
    let listed = world.server.api.get("/v1/contracts/token-digest/keys").expect(200);
    let id = &listed["items"][0]["id"];
    let asked = world.server.api.without_key();
    let asking = "/published/token-digest/webhook_verification_key/get";
    let found = asked.post(asking, &json!({ "key_id": id })).expect(200);
    assert_eq!((&found["key"]["kid"], &found["key"]["crv"]), (id, &json!("P-256")));
    assert_eq!(asked.post(asking, &json!({ "key_id": "other" })).expect(200)["key"], Value::Null);
    world.server.api.publish(ACCOUNT, "item.initial_update", r#"{"item_id":"é"}"#);
    let request = sink.wait_for(1).remove(0);
    let body: &[u8] = br#"{"webhook_type": "ITEM", "webhook_code": "INITIAL_UPDATE", "item_id": "\u00e9"}"#;
    assert_eq!(request.body, body);
    Library::with_key("PyJWT", found["key"].clone()).judge(&sink, &request, ("ITEM", "AUTH"));
}

/// A private key in PEM starts with a dash, and so may any secret.
#[test]
fn a_secret_that_starts_with_a_dash_is_no_flag() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts/challenge.yaml");
    let shown =
        run(bellwire().args(["contract", "render", file, "--handshake", "1", "--secret", "-----a secret of dashes-----"]));
    assert!(shown.success().contains("X-Slack-Signature: v0="), "{shown:?}");
}
