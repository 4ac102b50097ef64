//! Attempts that say who asked for them.

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Sink, until};

#[test]
fn an_attempt_that_somebody_asked_for_says_so_and_the_next_by_schedule_is_automatic_again() {
    let (world, sink) = (World::of("triggers"), Sink::start(|_| 503));
    let api = &world.server.api;
    let (path, _) = world.registered(&json!({ "url": sink.url("/in") }));
    let event = api.publish(ACCOUNT, "thing.happened", "{}");
    let delivery = api.attempted(ACCOUNT, &event, 1);
    api.post(&format!("/v1/deliveries/{}/retry", delivery["id"].as_str().unwrap()), &Value::Null).expect(200);
    let requests = sink.wait_for(3);
    let said = |name: &'static str| requests.iter().map(move |request| request.header(name).unwrap()).collect::<Vec<_>>();
    assert_eq!(said("x-trigger"), ["automatic", "manual", "automatic"]);
    assert_eq!(said("x-first-at"), [said("x-at")[0]; 3]);
    let ended = until("it has failed", || api.delivery(ACCOUNT, &event).filter(|delivery| delivery["state"] == "failed"));
    let recorded: Vec<&Value> = ended["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["trigger"]).collect();
    assert_eq!(recorded, ["automatic", "manual", "automatic"]);

    // One that has ended, and one that is made by a replay.
    api.post(&format!("/v1/deliveries/{}/retry", ended["id"].as_str().unwrap()), &Value::Null).expect(200);
    sink.wait_for(4);
    api.attempted(ACCOUNT, &event, 4);
    api.post(&format!("{path}/replay"), &json!({ "since": "2020-01-01T00:00:00Z", "states": ["failed"] })).expect(202);
    let requests = sink.wait_for(5);
    let said: Vec<Option<&str>> = requests[3..].iter().map(|request| request.header("x-trigger")).collect();
    assert_eq!(said, [Some("manual"); 2]);
    assert_eq!(requests[3].header("x-first-at"), requests[0].header("x-at"), "what came before is counted on");
    assert_eq!(requests[4].header("x-first-at"), requests[4].header("x-at"), "a replay makes a delivery of its own");
}
