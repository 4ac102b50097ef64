//! A delivery whose request brings the process down does so twice, and is set aside then.

use std::fs;

use serde_json::json;

use crate::harness::{Home, LOCAL, Server, Sink, until};

/// Its body takes seconds to build where an event has thousands of items: each is held against each, and none is in the body.
const SLOW: &str = "\
contract: slow
title: Slow
events:
  - { type: thing.done, example: { items: [] } }
subscription: { secret: { from: generated } }
request:
  body:
    id: \"{{ event.id }}\"
    pairs:
      $each: \"{{ event.data.items }}\"
      $as: one
      $then: { $each: \"{{ event.data.items }}\", $as: other, $when: \"{{ other }}\", $then: \"{{ one }}\" }
delivery: { in_flight: 1 }
";

fn start(home: &Home) -> Server {
    let folder = home.path("contracts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("slow.yaml"), SLOW).unwrap();
    // Building takes one of the threads; the API has the others.
    home.start_with(&[&LOCAL[..], &["--worker-threads", "3", "--contracts", &folder.display().to_string()]].concat())
}

#[test]
fn a_delivery_that_was_being_built_when_the_process_died_twice_is_set_aside_and_the_others_go_on() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let server = start(&home);
    server.api.put("/v1/accounts/a", &json!({ "contract": "slow" })).expect(201);
    server.api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    let items = vec!["0"; 2_000].join(",");
    let slow = server.api.publish("a", "thing.done", &format!(r#"{{"items":[{items}]}}"#));
    let quick = server.api.publish("a", "thing.done", r#"{"items":[]}"#);
    server.kill();

    let server = start(&home);
    let log = || fs::read_to_string(home.path("log")).unwrap();
    until("it has been built for long", || log().contains("takes long").then_some(()));
    assert_eq!(server.api.delivery("a", &slow).unwrap()["state"], "pending");
    server.kill();

    let server = start(&home);
    let set_aside = server.api.attempted("a", &slow, 1);
    assert_eq!((&set_aside["state"], &set_aside["attempts"][0]["outcome"]), (&json!("failed"), &json!("unbuildable")));
    let reason = set_aside["attempts"][0].to_string();
    assert!(reason.contains("the process died twice while it built this request"), "{reason}");
    let delivered = server.api.attempted("a", &quick, 1);
    assert_eq!(delivered["state"], "delivered", "{delivered}");
    assert_eq!(sink.requests().iter().map(|request| request.json()["id"].clone()).collect::<Vec<_>>(), [json!(quick)]);
    let log = log();
    let told = log.lines().find(|line| line.contains("the process died twice")).expect("it is logged");
    assert!(told.contains("WARN") && told.contains(set_aside["id"].as_str().unwrap()), "{told}");
}
