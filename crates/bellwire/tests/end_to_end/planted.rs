//! Values that must not be seen, planted wherever a caller can put one, and looked for wherever Bellwire writes anything.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Home, LOCAL, Server, Sink, bellwire, until};

const PAYLOAD: &str = "planted-payload-7c1f";
const SECRET: &str = "planted-secret-0123456789abcdef";
const HEADER: &str = "planted-header-55e0";
const URL_TOKEN: &str = "planted-token-9a2b";
const SUBJECT: &str = "planted-subject-31d4";
const WRONG_KEY: &str = "planted-wrong-key-c0ffee";
const DOCUMENT: &str = "planted-document-8e8e";
const CREDENTIAL: &str = "planted-credential-4b1d";

/// What no file of the database may hold in the clear.
const SEALED: [&str; 7] = [PAYLOAD, SECRET, HEADER, URL_TOKEN, WRONG_KEY, DOCUMENT, CREDENTIAL];
/// What is written nowhere else either: not in the log, the metrics, problems, the audit log or its export.
const ALL: [&str; 8] = [PAYLOAD, SECRET, HEADER, URL_TOKEN, SUBJECT, WRONG_KEY, DOCUMENT, CREDENTIAL];

#[track_caller]
fn holds_none(place: &str, bytes: &[u8], planted: &[&str]) {
    for needle in planted {
        let found = bytes.windows(needle.len()).position(|window| window == needle.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(200)..bytes.len().min(at + 200)];
            panic!("{place} holds {needle}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Everything that a caller can plant, through to a delivery that fails and one that is delivered.
fn plant(server: &Server, sink: &Sink, dead: &str) {
    for (account, url) in [("good", sink.url(&format!("/in?token={URL_TOKEN}"))), ("bad", format!("{dead}?token={URL_TOKEN}"))] {
        let account_path = format!("/v1/accounts/{account}");
        server.api.put(&account_path, &json!({ "contract": "noyo" })).expect(201);
        let wanted = json!({ "url": url, "name": "clinic", "secret": SECRET });
        server.api.post(&format!("{account_path}/endpoints"), &wanted).expect(201);
        let data = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf78" });
        let event = json!({ "type": "difference.created", "data": data, "subjects": [SUBJECT] });
        server.api.post(&format!("{account_path}/events"), &event).expect(201);
    }
    let open = "/v1/accounts/open";
    server.api.put(open, &json!({ "contract": "standard-webhooks" })).expect(201);
    let wanted = json!({ "url": sink.url("/open"), "headers": { "x-planted": HEADER } });
    server.api.post(&format!("{open}/endpoints"), &wanted).expect(201);
    let event = json!({ "type": "order.shipped", "data": { "note": PAYLOAD }, "subjects": [SUBJECT] });
    server.api.post(&format!("{open}/events"), &event).expect(201);
    let basic = "/v1/accounts/basic";
    server.api.put(basic, &json!({ "contract": "credentials" })).expect(201);
    let given = json!({ "user": "planted", "password": CREDENTIAL, "token": CREDENTIAL });
    for url in [sink.url("/basic"), dead.to_owned()] {
        server.api.post(&format!("{basic}/endpoints"), &json!({ "url": url, "credentials": given })).expect(201);
    }
    let event = json!({ "type": "order.changed", "data": { "id": "1" } });
    server.api.post(&format!("{basic}/events"), &event).expect(201);
    let document = json!({ "id": "eb73184b-ae3c-4411-aa82-3c3bd877cf79", "status": "processing", "note": DOCUMENT });
    let path = "/v1/accounts/good/resources/difference/eb73184b-ae3c-4411-aa82-3c3bd877cf79";
    server.api.put(path, &document).expect(201);
    until("everything is delivered", || (sink.requests().len() >= 4).then_some(()));
    until("the dead one is tried", || {
        let incidents = server.api.get("/v1/incidents?account=bad").expect(200);
        (!incidents["items"].as_array()?.is_empty()).then_some(())
    });
}

/// Problems, each provoked with planted values.
fn problems(server: &Server) -> Vec<String> {
    let wrong = json!({ "type": "no.such", "data": { "note": PAYLOAD }, "subjects": [SUBJECT] });
    let broken = format!("{{ \"type\": \"order.shipped\", \"data\": {{ \"note\": \"{PAYLOAD}\" ");
    let answers = [
        server.api.post("/v1/accounts/open/events", &wrong),
        server.api.call("POST", "/v1/accounts/open/events", &broken),
        server
            .api
            .post("/v1/accounts/good/endpoints", &json!({ "url": "nonsense", "secret": SECRET, "headers": { "x": HEADER } })),
        server.api.post(
            "/v1/accounts/basic/endpoints",
            &json!({ "url": "nonsense", "credentials": { "user": CREDENTIAL, "pass": CREDENTIAL } }),
        ),
        server.api.with_key(WRONG_KEY).get("/v1/accounts"),
    ];
    answers.iter().map(|answer| answer.text().to_owned()).collect()
}

#[test]
fn nothing_that_was_planted_is_in_the_clear_where_it_must_not_be() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let contracts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contracts");
    let mut server = home.start_with(&[&LOCAL[..], &["--log", "trace", "--contracts", contracts]].concat());
    plant(&server, &sink, "http://127.0.0.1:1/in");
    for problem in problems(&server) {
        holds_none("a problem", problem.as_bytes(), &ALL);
    }
    // Somebody looks at all of it, which is recorded.
    server.api.get("/v1/accounts/open/events").expect(200);
    server.api.get("/v1/accounts/good/resources/difference/eb73184b-ae3c-4411-aa82-3c3bd877cf79").expect(200);
    let retry = json!({ "filter": { "account": "bad", "state": "pending" }, "reason": "it is up again" });
    server.api.post("/v1/bulk/retries", &retry).expect(202);
    holds_none("the metrics", server.api.get("/metrics").text().as_bytes(), &ALL);
    let audit: Value = server.api.get("/v1/audit?limit=200").expect(200);
    holds_none("the audit log", audit.to_string().as_bytes(), &ALL);
    let export = bellwire().args(["audit", "export", "--database", &home.database()]).output().unwrap();
    assert!(export.status.success());
    holds_none("an export", &export.stdout, &ALL);
    holds_none("what an export says", &export.stderr, &ALL);
    server.signal("TERM");
    assert!(server.end().success());
    holds_none("the log", &std::fs::read(home.path("log")).unwrap(), &ALL);
    for file in files(&home) {
        let bytes = std::fs::read(&file).unwrap();
        holds_none(&file.display().to_string(), &bytes, &SEALED);
    }
}

/// The files of the database.
fn files(home: &Home) -> Vec<PathBuf> {
    let folder = home.path("bellwire.db");
    let folder = std::fs::read_dir(folder.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        folder.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("bellwire.db")).collect();
    assert!(!files.is_empty());
    files
}
