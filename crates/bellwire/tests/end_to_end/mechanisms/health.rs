//! Health: which failures count, and an endpoint that is muted goes on by itself.

use serde_json::{Value, json};

use super::World;
use crate::harness::{Sink, until};

#[test]
fn what_counts_mutes_an_endpoint_which_then_goes_on_by_itself() {
    let (world, sink) = (World::of("health"), Sink::start(|_| 403));
    let api = &world.server.api;
    let (path, _) = world.registered(&json!({ "url": sink.url("/in") }));
    api.publish(super::ACCOUNT, "thing.happened", "{\"id\":1}");
    until("it has failed often", || Some(()).filter(|()| sink.requests().len() > 5));
    assert_eq!(api.get(&path).expect(200)["health"], "active", "a 403 counts for nothing");
    sink.answer_with(|_| 404.into());
    let muted = world.once(&path, "failed");
    assert!(muted["resumes_at"].is_string() && muted["enabled"] == true, "{muted}");
    sink.answer_with(|_| 200.into());
    let active = world.once(&path, "active");
    assert_eq!(active["resumes_at"], Value::Null);
    let deliveries = format!("/v1/deliveries?account={}&state=delivered", super::ACCOUNT);
    until("what waited has arrived", || api.get(&deliveries).expect(200)["items"].get(0).cloned());
}
