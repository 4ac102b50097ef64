//! What is about somebody is erased under load, over a kill in the middle, and once more after an older backup was restored.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Api, Home, LOCAL, Server, Sink, bellwire, run, until};

const GONE: &str = "patient:gone";
const EVENTS: usize = 400;

/// An account with an endpoint that is slow to answer, so that much of it is live.
fn set_up(server: &Server, sink: &Sink) {
    server.api.put("/v1/accounts/clinic", &json!({ "contract": "standard-webhooks" })).expect(201);
    server.api.post("/v1/accounts/clinic/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
}

fn event(number: usize, subject: &str) -> Value {
    let data = json!({ "note": format!("about {subject}"), "number": number });
    json!({ "id": format!("{}-{number}", subject.replace(':', "-")), "type": "order.shipped", "data": data, "subjects": [subject] })
}

fn publish(api: &Api, numbers: std::ops::Range<usize>, subject: &str) {
    let events: Vec<Value> = numbers.map(|number| event(number, subject)).collect();
    api.post("/v1/accounts/clinic/events", &json!({ "events": events })).expect(201);
}

fn erasure(api: &Api, id: &str) -> Value {
    api.get(&format!("/v1/accounts/clinic/erasures/{id}")).expect(200)
}

fn wait_until_done(api: &Api, id: &str) -> Value {
    until("the erasure is done", || {
        let found = erasure(api, id);
        (found["state"] == "done").then_some(found)
    })
}

#[track_caller]
fn assert_sound(home: &Home) {
    let doctor = run(bellwire().args(["doctor", "--database", &home.database()]));
    assert!(doctor.success().ends_with("is sound\n"), "{doctor:?}");
}

#[test]
fn an_erasure_under_load_ends_after_a_kill() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let server = home.start();
    set_up(&server, &sink);
    publish(&server.api, 0..EVENTS, GONE);
    sink.wait_for(EVENTS / 2);
    let over = AtomicBool::new(false);
    let (port, api) = (server.api.address.port(), server.api.clone());
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                // The server is killed meanwhile: what it does not take is posted again under the same id.
                let posted = api.try_call("POST", "/v1/accounts/clinic/events", &event(number, "patient:kept").to_string());
                if posted.is_ok_and(|answer| answer.status == 201) {
                    number += 1;
                }
            }
        });
        let asked = json!({ "subject": GONE, "reason": "asked for by the patient" });
        let started = server.api.post("/v1/accounts/clinic/erasures", &asked).expect(202);
        let id = started["id"].as_str().unwrap().to_owned();
        let payloads = |found: &Value| found["erased"]["payloads"].as_u64().unwrap();
        until("it is under way", || (payloads(&erasure(&server.api, &id)) > 0).then_some(()));
        server.kill();
        let mut server = home.start_at(port);
        let done = wait_until_done(&server.api, &id);
        assert_eq!(payloads(&done), u64::try_from(EVENTS).unwrap());
        over.store(true, Ordering::SeqCst);
        let log = server.api.get("/v1/accounts/clinic/events?limit=100").expect(200);
        let of_gone: Vec<&Value> = log["items"].as_array().unwrap().iter().collect();
        assert!(of_gone.iter().all(|event| event["data"].is_null() && event["removed"] == "erased"), "{}", of_gone[0]);
        let told = server.api.get(&format!("/v1/accounts/clinic/disclosures?subject={GONE}")).expect(200);
        assert!(!told["items"].as_array().unwrap().is_empty(), "that it was told stays known");
        server.signal("TERM");
        assert!(server.end().success());
    });
    assert_sound(&home);
}

#[test]
fn erasures_of_the_list_are_done_again_where_an_older_backup_was_restored() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let list = home.path("erasures.ndjson");
    let arguments = [&LOCAL[..], &["--erasures", list.to_str().unwrap()]].concat();
    let mut server = home.start_with(&arguments);
    set_up(&server, &sink);
    publish(&server.api, 0..20, GONE);
    sink.wait_for(20);
    server.signal("TERM");
    assert!(server.end().success());
    let backup = home.path("backup");
    fs::copy(home.path("bellwire.db"), &backup).unwrap();

    let mut server = home.start_with(&arguments);
    let asked = json!({ "subject": GONE, "reason": "asked for by the patient" });
    let id = server.api.post("/v1/accounts/clinic/erasures", &asked).expect(202)["id"].as_str().unwrap().to_owned();
    wait_until_done(&server.api, &id);
    server.signal("TERM");
    assert!(server.end().success());
    let listed = fs::read_to_string(&list).unwrap();
    assert!(listed.contains(&id) && !listed.contains("gone"), "{listed}");

    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.path(&format!("bellwire.db{ending}")));
    }
    fs::rename(&backup, home.path("bellwire.db")).unwrap();
    let server = home.start_with(&arguments);
    let done = wait_until_done(&server.api, &id);
    assert_eq!((&done["erased"]["payloads"], &done["asked_by"]), (&json!(20), &json!("node")));
    assert_eq!(fs::read_to_string(&list).unwrap(), listed, "it is listed once");
}
