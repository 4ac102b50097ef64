//! A consumer gets again what failed or what it missed, whatever happens to the server meanwhile.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Home, Platform, Sink, bellwire, run, until};

const SINCE: &str = "2020-01-01T00:00:00Z";

/// Waits for the end of a replay.
fn ended(platform: &Platform, path: &str) -> Value {
    until("the replay has ended", || {
        let replay = platform.api.get(path).expect(200);
        (replay["state"] != "running").then_some(replay)
    })
}

#[test]
fn what_failed_and_what_was_missed_arrives_after_all() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "silver"); // one attempt, no retries
    let broken = Sink::start(|_| 500);
    let endpoint = platform.add_endpoint(&broken.url("/in"));
    let events: BTreeSet<String> = (0..3).map(|_| platform.publish_any()).collect();
    for event in &events {
        assert_eq!(platform.attempted(event, 1)["state"], "failed");
    }
    broken.answer(|_| 200);
    let consumer = server.api.post("/v1/keys", &json!({ "role": "consumer", "account": platform.account })).expect(201);
    let consumer = server.api.with_key(consumer["key"].as_str().unwrap());
    let path = platform.path(&format!("/endpoints/{endpoint}"));
    let started = consumer.post(&format!("{path}/replay"), &json!({ "since": SINCE })).expect(202);
    let done = ended(&platform, &format!("{path}/replays/{}", started["id"].as_str().unwrap()));
    assert_eq!((&done["state"], &done["examined"], &done["created"]), (&json!("done"), &json!(3), &json!(3)));
    let again = broken.wait_for(6);
    let ids = |requests: &[crate::harness::Request]| -> BTreeSet<String> {
        requests.iter().map(|request| request.json()["eventId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&again[3..]), events, "each once more, under its own id");
    for event in &events {
        assert_eq!(platform.attempted(event, 1)["state"], "delivered");
    }

    let late = Sink::start(|_| 200);
    let newcomer = platform.add_endpoint(&late.url("/in"));
    let path = platform.path(&format!("/endpoints/{newcomer}/replay"));
    platform.api.post(&path, &json!({ "since": SINCE })).expect(202);
    assert_eq!(ids(&late.wait_for(3)), events, "a new endpoint catches up");
    assert_eq!(broken.count(), 6, "and nobody else hears of it");
}

#[test]
fn a_replay_goes_on_after_a_kill() {
    const EVENTS: usize = 3_000;
    let home = Home::new();
    let server = home.start();
    let platform = Platform::set_up(&server.api, "standard-webhooks");
    for start in (0..EVENTS).step_by(1_000) {
        let events: Vec<_> = (start..start + 1_000)
            .map(|index| json!({ "id": format!("evt_{index}"), "type": "invoice.paid", "data": index }))
            .collect();
        platform.api.post(&platform.path("/events"), &json!({ "events": events })).expect(201);
    }
    let mut platform = platform;
    let sink = Sink::start(|_| 200);
    let endpoint = platform.add_endpoint(&sink.url("/in"));
    let path = platform.path(&format!("/endpoints/{endpoint}"));
    let started = platform.api.post(&format!("{path}/replay"), &json!({ "since": SINCE })).expect(202);
    let replay = format!("{path}/replays/{}", started["id"].as_str().unwrap());
    until("it is under way", || (platform.api.get(&replay).expect(200)["created"] != json!(0)).then_some(()));
    let port = server.api.address.port();
    server.kill();
    let examined = run(bellwire().args(["doctor", "--database", &home.database()]));
    assert_eq!(examined.code, Some(0), "after a kill: {}", examined.stdout);

    let _server = home.start_at(port);
    let done = ended(&platform, &replay);
    assert_eq!((&done["state"], &done["created"]), (&json!("done"), &json!(EVENTS)), "each event once");
    until("everything has arrived", || {
        let arrived: BTreeSet<_> =
            sink.requests().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
        (arrived.len() == EVENTS).then_some(())
    });
    let examined = run(bellwire().args(["doctor", "--database", &home.database()]));
    assert_eq!(examined.code, Some(0), "beside the server: {}", examined.stdout);
}
