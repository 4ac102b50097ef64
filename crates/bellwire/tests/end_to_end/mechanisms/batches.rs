//! Several events in one request, and answers that say which of them were taken.

use std::sync::atomic::{AtomicUsize, Ordering};

use bellwire_testkit::http::Request;
use bellwire_testkit::sink::Reply;
use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::harness::{Sink, until};

impl World {
    fn batched(&self, url: &str, options: &Value) {
        let endpoints = format!("/v1/accounts/{ACCOUNT}/endpoints");
        self.server.api.post(&endpoints, &json!({ "url": url, "options": options })).expect(201);
    }

    /// Publishes readings in one call; the ids of their events.
    fn readings(&self, numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
        let reading = |number: u32| self.server.api.publish(ACCOUNT, "reading.taken", &format!(r#"{{"id":"{number}"}}"#));
        numbers.map(reading).collect()
    }

    /// The state of an event's delivery, once it has ended, and its attempts.
    fn outcome(&self, event: &str) -> (String, usize) {
        let ended = until("the delivery has ended", || {
            self.server.api.delivery(ACCOUNT, event).filter(|delivery| delivery["state"] != "pending")
        });
        (ended["state"].as_str().unwrap().to_owned(), ended["attempts"].as_array().unwrap().len())
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// What the events of a request are about, in order.
fn read(request: &Request) -> Vec<String> {
    let events = body(request)["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["reading"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_request_has_as_many_events_as_the_endpoint_takes_and_waits_for_them() {
    let (world, sink) = (World::of("batches"), Sink::start(|_| 200));
    world.batched(&sink.url("/in"), &json!({}));
    let events = world.readings(1..=7);
    let requests = sink.wait_for(2);
    assert_eq!(requests.iter().map(read).collect::<Vec<_>>(), [["1", "2", "3"], ["4", "5", "6"]]);
    assert_eq!((requests[0].header("x-count"), &body(&requests[1])["count"]), (Some("3"), &json!(3)));
    let numbers: Vec<Value> = requests.iter().flat_map(|request| body(request)["events"].as_array().unwrap().clone()).collect();
    assert_eq!(numbers.iter().map(|event| event["number"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for event in &events[..6] {
        assert_eq!(world.outcome(event), ("delivered".to_owned(), 1));
    }
    // The last one waits for others. What a process died with goes alone; and one whose request has no place for others waits for
    // nobody, and nobody before it does.
    let world = world.killed_and_started();
    assert_eq!(read(&sink.wait_for(3)[2]), ["7"]);
    world.readings(8..=9);
    let removed = world.server.api.publish(ACCOUNT, "meter.removed", r#"{"id":"m"}"#);
    let requests = sink.wait_for(5);
    assert_eq!((read(&requests[3]), body(&requests[4])), (vec!["8".to_owned(), "9".to_owned()], json!({ "removed": "m" })));
    assert_eq!(world.outcome(&removed), ("delivered".to_owned(), 1));
}

#[test]
fn a_test_event_waits_for_nobody() {
    let (world, sink) = (World::of("batches"), Sink::start(|_| 200));
    world.batched(&sink.url("/in"), &json!({}));
    let page = world.server.api.get(&format!("/v1/accounts/{ACCOUNT}/endpoints")).expect(200);
    let endpoint = page["items"][0]["id"].as_str().unwrap().to_owned();
    world.readings(1..=1);
    world.server.api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints/{endpoint}/test"), &json!({})).expect(201);
    assert_eq!(sink.wait_for(2).iter().map(read).collect::<Vec<_>>(), [["1"], ["0"]], "nor does what is before it");
}

#[test]
fn what_an_answer_says_was_not_taken_is_tried_again_and_the_rest_is_not() {
    let (world, asked) = (World::of("batches"), AtomicUsize::new(0));
    let sink = Sink::start_with(move |request| {
        let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        let failed = if first { body(request)["events"][1]["id"].clone() } else { json!("none") };
        Reply { status: 200, headers: Vec::new(), body: json!({ "failed": [failed] }).to_string().into_bytes() }
    });
    world.batched(&sink.url("/in"), &json!({}));
    let events = world.readings(1..=3);
    let ended: Vec<_> = events.iter().map(|event| world.outcome(event)).collect();
    let delivered = |attempts| ("delivered".to_owned(), attempts);
    assert_eq!(ended, [delivered(1), delivered(2), delivered(1)]);
    assert_eq!(sink.requests().iter().map(read).collect::<Vec<_>>(), [vec!["1", "2", "3"], vec!["2"]]);
}

#[test]
fn what_fails_together_is_tried_again_together() {
    let asked = AtomicUsize::new(0);
    let (world, sink) =
        (World::of("batches"), Sink::start(move |_| if asked.fetch_add(1, Ordering::SeqCst) == 0 { 503 } else { 200 }));
    world.batched(&sink.url("/in"), &json!({}));
    let events = world.readings(1..=3);
    assert!(events.iter().all(|event| world.outcome(event) == ("delivered".to_owned(), 2)));
    assert_eq!(sink.requests().iter().map(read).collect::<Vec<_>>(), [["1", "2", "3"], ["1", "2", "3"]]);
}

#[test]
fn an_event_that_cannot_be_rendered_fails_alone() {
    let (world, sink) = (World::of("batches"), Sink::start(|_| 200));
    world.batched(&sink.url("/in"), &json!({}));
    let first = world.readings(1..=1);
    let broken = world.server.api.publish(ACCOUNT, "reading.taken", r#"{"value":1}"#); // there is no id
    let last = world.readings(3..=5);
    assert_eq!(world.outcome(&broken), ("failed".to_owned(), 1));
    assert!(first.iter().chain(&last).all(|event| world.outcome(event) == ("delivered".to_owned(), 1)));
    assert_eq!(sink.requests().iter().map(read).collect::<Vec<_>>(), [vec!["1"], vec!["3", "4", "5"]]);
}

#[test]
fn events_stand_on_a_line_each() {
    let (world, sink) = (World::of("batches"), Sink::start(|_| 200));
    world.batched(&sink.url("/in"), &json!({ "form": "lines", "most": 2 }));
    world.server.api.publish(ACCOUNT, "reading.taken", "{\"id\":\n\"1\",\"note\":\"a\\nb\"}");
    world.server.api.publish(ACCOUNT, "reading.taken", "{\"id\":\"2\"}");
    let sent = sink.wait_for(1).remove(0);
    assert_eq!(sent.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = sent.body.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines, [json!({ "id": "1", "note": "a\nb" }), json!({ "id": "2" })]);
}
