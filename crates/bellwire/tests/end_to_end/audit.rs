//! An auditor's hour: who read what, a checkpoint to keep, and a log that cannot be changed without a trace. With the real binary.

use std::process::Output;

use serde_json::{Value, json};

use crate::doctor::damage;
use crate::harness::{Home, KEY, LOCAL, Server, Sink, bellwire, until};

fn audit(home: &Home, arguments: &[&str]) -> Output {
    bellwire().arg("audit").args(arguments).args(["--database", &home.database()]).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert!(server.end().success());
}

fn records(server: &Server, query: &str) -> Vec<Value> {
    server.api.get(&format!("/v1/audit?limit=200{query}")).expect(200)["items"].as_array().unwrap().clone()
}

/// An account with one event that was delivered.
fn furnish(server: &Server, sink: &Sink) -> String {
    server.api.put("/v1/accounts/clinic", &json!({ "contract": "standard-webhooks" })).expect(201);
    let wanted = json!({ "url": sink.url("/in?token=planted-url-token"), "headers": { "x-planted": "planted-header" } });
    server.api.post("/v1/accounts/clinic/endpoints", &wanted).expect(201);
    let data = json!({ "patient": "planted-payload" });
    let event = json!({ "type": "order.shipped", "data": data, "subjects": ["patient:planted-subject"] });
    let event = server.api.post("/v1/accounts/clinic/events", &event).expect(201)["id"].as_str().unwrap().to_owned();
    until("it is delivered", || (!sink.requests().is_empty()).then_some(()));
    event
}

#[test]
fn an_auditor_sees_who_did_what_and_proves_that_nothing_was_changed_also_after_a_kill() {
    let home = Home::new();
    let kept = home.path("kept");
    let file = home.path("checkpoints");
    let flags = [&LOCAL[..], &["--audit-checkpoints", file.to_str().unwrap()]].concat();
    let sink = Sink::start(|_| 200);
    let server = home.start_with(&flags);
    let event = furnish(&server, &sink);
    server.api.get("/v1/accounts/clinic/events").expect(200);
    let key = server.api.post("/v1/keys", &json!({ "role": "auditor" })).expect(201)["key"].as_str().unwrap().to_owned();
    let auditor = server.api.with_key(&key);

    let read = auditor.get("/v1/audit?action=payloads.read").expect(200);
    assert_eq!(read["items"][0]["detail"]["ids"], json!([event]), "{read}");
    assert_eq!(read["items"][0]["personal"]["origin"], "127.0.0.1");
    assert_eq!(auditor.get("/v1/accounts/clinic/events").expect(200)["items"][0]["data"], Value::Null);
    let note = auditor.get("/v1/audit/checkpoint").text().to_owned();
    std::fs::write(&kept, &note).unwrap();

    let beside = audit(&home, &["verify", "--since", kept.to_str().unwrap()]);
    assert!(beside.status.success() && said(&beside).contains("the log has only grown since"), "{}", said(&beside));
    server.kill();
    let server = home.start_with(&flags);
    let started = records(&server, "&action=node.started");
    assert_eq!(started.len(), 2, "before and after the kill");
    let given = started[1]["detail"]["flags"].as_array().unwrap();
    assert!(given.contains(&json!("--audit-checkpoints")) && given.contains(&json!("BELLWIRE_ADMIN_KEY")), "{given:?}");
    assert!(!started[1].to_string().contains(KEY), "names, and no values");
    stop(server);

    let at_the_stop = std::fs::read_to_string(&file).unwrap();
    assert!(at_the_stop.starts_with("bellwire/"), "signed at the stop: {at_the_stop}");
    let after = audit(&home, &["verify", "--since", file.to_str().unwrap()]);
    assert!(after.status.success(), "{}", said(&after));
    damage(&home, "UPDATE audit SET actor = 'key_somebody_else' WHERE seq = 3");
    let changed = audit(&home, &["verify", "--since", kept.to_str().unwrap()]);
    assert_eq!(changed.status.code(), Some(1));
    assert!(said(&changed).contains("record 3 has been changed"), "{}", said(&changed));
}

#[test]
fn an_export_holds_every_record_and_nothing_that_was_planted() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let server = home.start();
    furnish(&server, &sink);
    server.api.get("/v1/accounts/clinic/events").expect(200);
    assert_eq!(server.api.with_key("planted-wrong-key").get("/v1/audit").problem(401), "unauthenticated");
    let output = audit(&home, &["export"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("planted") && !text.contains(KEY), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1 + usize::try_from(lines[0]["size"].as_u64().unwrap()).unwrap());
    let last = &lines.last().unwrap()["record"];
    assert_eq!((&last["action"], &last["actor"]), (&json!("audit.exported"), &json!("command")), "the export is recorded itself");
    let of_account = audit(&home, &["export", "--account", "clinic"]);
    let of_account = String::from_utf8(of_account.stdout).unwrap();
    assert!(of_account.lines().skip(1).all(|line| line.contains(r#""account":"clinic""#)), "{of_account}");
    stop(server);
}

#[test]
fn refusals_of_the_command_name_the_flag() {
    let home = Home::new();
    let none = audit(&home, &["verify"]);
    assert_eq!(none.status.code(), Some(2));
    stop(home.start());
    let missing = audit(&home, &["verify", "--since", "nowhere"]);
    assert!(missing.status.code() == Some(2) && said(&missing).contains("--since nowhere"), "{}", said(&missing));
    let empty = home.path("empty");
    std::fs::write(&empty, "\n").unwrap();
    let nothing = audit(&home, &["verify", "--since", empty.to_str().unwrap()]);
    assert!(said(&nothing).contains("there is no checkpoint in it"), "{}", said(&nothing));
    std::fs::write(&empty, "no checkpoint at all\n").unwrap();
    let other = audit(&home, &["verify", "--since", empty.to_str().unwrap()]);
    assert!(other.status.code() == Some(1) && said(&other).contains("it is no signed note"), "{}", said(&other));
}
