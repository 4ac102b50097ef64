//! Contracts are read again while the server runs: by SIGHUP, and by the API.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Gate, Home, LOCAL, Reply, Server, Sink, bellwire, run, send, until};

/// A contract whose requests say which edition of it they were rendered by.
fn contract(name: &str, edition: &str) -> String {
    format!(
        "contract: {name}\ntitle: {edition}\nevents: any\nsubscription: {{ secret: {{ from: generated }} }}\n\
         request:\n  body: {{ edition: {edition}, id: \"{{{{ event.id }}}}\" }}\n\
         published:\n  authentication: {{ header: x-api-key }}\n  routes:\n\
         \x20   - {{ method: GET, path: /events, public: true, does: list_event_types, answer: {{ body: {{ edition: {edition} }} }} }}\n\
         \x20 errors: {{ body: {{ message: \"{{{{ error.message }}}}\" }} }}\n"
    )
}

/// A server with a contract, an account under it, and an endpoint there.
fn start(home: &Home, sink: &Sink) -> Server {
    let folder = home.path("contracts");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine.yaml"), contract("mine", "first")).unwrap();
    fs::write(folder.join("other.yaml"), contract("other", "first")).unwrap();
    let folder = folder.display().to_string();
    let flags = ["--contracts", &folder, "--publish", "mine=127.0.0.1:0", "--log", "info"];
    let server = home.start_with(&[&LOCAL[..], &flags].concat());
    server.api.put("/v1/accounts/a", &json!({ "contract": "mine" })).expect(201);
    server.api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    server
}

fn publish(server: &Server) -> String {
    server.api.publish("a", "thing.done", "{}")
}

/// Waits until the log has this more often than before.
fn signalled(server: &Server, home: &Home, words: &str) {
    let count = || fs::read_to_string(home.path("log")).unwrap().matches(words).count();
    let before = count();
    server.signal("HUP");
    until("the log says it", || (count() > before).then_some(()));
}

/// Which edition rendered each event.
fn editions(sink: &Sink) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let bodies = sink.requests().into_iter().map(|request| serde_json::from_slice::<Value>(&request.body).unwrap());
    bodies.map(|body| (text(&body["id"]), text(&body["edition"]))).collect()
}

fn write(home: &Home, file: &str, text: &str) {
    fs::write(Path::new(&home.path("contracts")).join(file), text).unwrap();
}

const DONE: &str = "the contracts were read again";
const KEPT: &str = "the contracts stay as they were";

#[test]
fn the_next_delivery_has_the_new_form_and_none_is_lost() {
    let (home, gate) = (Home::new(), Arc::new(Gate::default()));
    let waiting = Arc::clone(&gate);
    let sink = Sink::start_with(move |_| {
        waiting.pass();
        Reply::from(200)
    });
    let server = start(&home, &sink);
    let published = server.publishes("mine");
    let edition = || send(published, "GET", "/events", &[], b"").unwrap().expect(200)["edition"].clone();
    assert_eq!(edition(), "first");

    let mut events: Vec<String> = (0..50).map(|_| publish(&server)).collect();
    sink.wait_for(1); // in flight, and held
    write(&home, "mine.yaml", &contract("mine", "second"));
    signalled(&server, &home, DONE);
    assert_eq!(edition(), "second", "also on a listener of its own");
    assert_eq!(server.api.get("/v1/contracts/mine").expect(200)["title"], "second");
    events.push(publish(&server));
    gate.open();
    sink.wait_for(events.len());

    let arrived = editions(&sink);
    let mut ids: Vec<&String> = arrived.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), events.len(), "none twice");
    ids.sort();
    events.sort();
    assert!(ids.into_iter().eq(&events), "none is missing");
    assert_eq!(arrived[0].1, "first", "what was in flight was left alone");
    assert_eq!(arrived.last().unwrap().1, "second");
    let again = server.api.post("/v1/contracts/reload", &Value::Null).expect(200);
    assert_eq!((&again["changed"], &again["removed"]), (&json!([]), &json!([])), "{again}");
}

#[test]
fn a_broken_file_changes_nothing_and_says_why() {
    let (home, sink) = (Home::new(), Sink::start(|_| 200));
    let server = start(&home, &sink);
    write(&home, "mine.yaml", &contract("mine", "second"));
    write(&home, "other.yaml", "contract: other\ntitle: Other\n");
    signalled(&server, &home, KEPT);
    let log = fs::read_to_string(home.path("log")).unwrap();
    assert!(log.contains("other.yaml:1:1: events: missing"), "{log}");
    let refused = server.api.post("/v1/contracts/reload", &Value::Null);
    assert_eq!(refused.problem(422), "contract_files");
    assert!(refused.text().contains("other.yaml:1:1: request: missing"), "{}", refused.text());
    publish(&server);
    sink.wait_for(1);
    assert_eq!(editions(&sink)[0].1, "first");

    write(&home, "other.yaml", &contract("other", "second"));
    signalled(&server, &home, DONE);
    publish(&server);
    sink.wait_for(2);
    assert_eq!(editions(&sink)[1].1, "second");
}

#[test]
fn what_an_account_or_a_flag_needs_is_not_removed() {
    let (home, sink) = (Home::new(), Sink::start(|_| 200));
    let server = start(&home, &sink);
    fs::remove_file(home.path("contracts").join("mine.yaml")).unwrap();
    signalled(&server, &home, KEPT);
    let log = fs::read_to_string(home.path("log")).unwrap();
    assert!(log.contains("--publish mine=127.0.0.1:0: there is no contract `mine`"), "{log}");
    server.api.put("/v1/accounts/b", &json!({ "contract": "other" })).expect(201);
    write(&home, "mine.yaml", &contract("mine", "second"));
    fs::remove_file(home.path("contracts").join("other.yaml")).unwrap();
    let refused = server.api.post("/v1/contracts/reload", &Value::Null);
    assert_eq!(refused.problem(409), "contract_in_use");
    assert!(refused.text().contains("is gone, and an account has it"), "{}", refused.text());
    publish(&server);
    sink.wait_for(1);
    assert_eq!(editions(&sink)[0].1, "first");
    server.api.delete("/v1/accounts/b").expect(204);
    let changes = server.api.post("/v1/contracts/reload", &Value::Null).expect(200);
    assert_eq!(changes["removed"], json!([{ "name": "other", "version": null }]));
}

#[test]
fn two_versions_stand_side_by_side_and_one_put_moves_an_account() {
    let (home, sink) = (Home::new(), Sink::start(|_| 200));
    let server = start(&home, &sink);
    publish(&server);
    sink.wait_for(1);
    let next = contract("mine", "second").replace("contract: mine\n", "contract: mine\nversion: \"2025-01\"\n");
    write(&home, "mine-2025.yaml", &next);
    let added = server.api.post("/v1/contracts/reload", &Value::Null).expect(200);
    assert_eq!(added["added"], json!([{ "name": "mine", "version": "2025-01" }]));

    let pinned = json!({ "contract": "mine", "contract_version": "2025-01" });
    server.api.put("/v1/accounts/b", &pinned).expect(201);
    server.api.post("/v1/accounts/b/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    let of_b = server.api.publish("b", "thing.done", "{}");
    let of_a = publish(&server);
    sink.wait_for(3);
    let edition_of = |event: &str| editions(&sink).into_iter().find(|(id, _)| id == event).unwrap().1;
    assert_eq!((edition_of(&of_a), edition_of(&of_b)), ("first".to_owned(), "second".to_owned()));

    server.api.put("/v1/accounts/a", &pinned).expect(200);
    let moved = publish(&server);
    sink.wait_for(4);
    assert_eq!(edition_of(&moved), "second");
    fs::remove_file(home.path("contracts").join("mine-2025.yaml")).unwrap();
    let refused = server.api.post("/v1/contracts/reload", &Value::Null);
    assert_eq!(refused.problem(409), "contract_in_use");
    assert!(refused.text().contains("mine-2025.yaml) is gone, and 2 accounts have it"), "{}", refused.text());
    server.api.put("/v1/accounts/a", &json!({ "contract": "mine" })).expect(200);
    let back = publish(&server);
    sink.wait_for(5);
    assert_eq!(edition_of(&back), "first");
}

#[test]
fn a_folder_is_checked_as_a_server_loads_it() {
    let home = Home::new();
    let folder = home.path("contracts");
    fs::create_dir(&folder).unwrap();
    write(&home, "a.yaml", &contract("mine", "first"));
    write(&home, "b.yaml", &contract("mine", "second"));
    let check = || run(bellwire().args(["contract", "check"]).arg(&folder));
    let refused = check();
    let line = refused.refusal();
    assert!(line.contains("b.yaml: there is a contract named `mine` already, in ") && line.contains("a.yaml"), "{line}");
    write(&home, "b.yaml", &contract("mine", "second").replace("title:", "version: \"2\"\ntitle:"));
    let fine = check();
    assert!(fine.success().contains("b.yaml: contract `mine@2` is fine"), "{}", fine.stdout);
}
