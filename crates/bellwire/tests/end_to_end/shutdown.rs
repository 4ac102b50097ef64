//! SIGTERM: what is in flight is finished, nothing new is taken, nothing is sent twice. And whatever a stop cuts short, or who
//! hangs meanwhile, nothing is lost.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use serde_json::json;

use crate::harness::{Gate, Home, LOCAL, Platform, Request, Sink, until};

/// More than one endpoint's requests in flight, so that some wait in memory and some in the store.
const EVENTS: usize = 100;

#[test]
fn a_request_in_flight_is_waited_for_and_not_sent_again() {
    let home = Home::new();
    let mut server = home.start();
    let mut platform = Platform::set_up(&server.api, "noyo");
    let (gate, sink) = gated_sink();
    platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    sink.wait_for(1);

    server.signal("TERM");
    until("new connections are refused", || TcpStream::connect(server.api.address).err());
    assert!(!server.has_ended(), "a request is in flight");
    gate.open();
    assert_eq!(server.end().code(), Some(0));

    let server = home.start();
    let delivery = server.api.attempted(&platform.account, &event, 1);
    assert_eq!((delivery["state"].as_str(), delivery["attempt_count"].as_u64()), (Some("delivered"), Some(1)), "{delivery}");
    // One that comes after it arrives, so the first would have come again by now.
    platform.api.address = server.api.address;
    let later = platform.publish_any();
    platform.attempted(&later, 1);
    let ids: Vec<_> = sink.requests().iter().map(|request| request.json()["event"]["id"].clone()).collect();
    assert_eq!(ids, [event, later]);
}

#[test]
fn a_second_signal_ends_at_once_and_what_was_in_flight_is_sent_again() {
    let home = Home::new();
    let mut server = home.start();
    let mut platform = Platform::set_up(&server.api, "noyo");
    let (gate, sink) = gated_sink();
    platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    sink.wait_for(1);

    server.signal("TERM");
    until("new connections are refused", || TcpStream::connect(server.api.address).err());
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(1), "it tells that not all was finished");
    assert_eq!(sink.count(), 1);

    gate.open();
    let server = home.start();
    let requests = sink.wait_for(2);
    assert!(requests.iter().all(|request| request.json()["event"]["id"] == event));
    let delivery = server.api.attempted(&platform.account, &event, 1);
    assert_eq!(delivery["state"], "delivered", "{delivery}");
}

#[test]
fn what_waits_for_a_retry_is_kept_over_a_stop() {
    let home = Home::new();
    let mut server = home.start();
    let mut platform = Platform::set_up(&server.api, "novamed");
    let sink = Sink::start(|_| 503);
    platform.add_endpoint(&sink.url("/in"));
    let event = platform.publish_any();
    let before = platform.attempted(&event, 1);
    assert_eq!(before["state"], "pending", "{before}");
    server.signal("INT");
    assert_eq!(server.end().code(), Some(0));

    let server = home.start();
    let after = server.api.attempted(&platform.account, &event, 1);
    assert_eq!(after, before, "the retry is due when it was");
}

/// The receiver never answers: the stop waits as long as it was told to, and no longer.
#[test]
fn a_hanging_receiver_ends_with_the_grace_and_all_of_its_events_arrive_after_the_restart() {
    let home = Home::new();
    let mut server = home.start_with(&[&LOCAL[..], &["--shutdown-grace", "1"]].concat());
    let mut platform = Platform::set_up(&server.api, "standard-webhooks");
    let (gate, sink) = gated_sink();
    platform.add_endpoint(&sink.url("/in"));
    let events: BTreeSet<String> = (0..EVENTS).map(|_| platform.publish_any()).collect();
    sink.wait_for(64);
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    gate.open();
    all_arrive_after_a_restart(&home, &sink, &events);
}

/// The second signal may be the other one.
#[test]
fn a_stop_that_is_cut_short_loses_nothing() {
    for (first, second) in [("TERM", "INT"), ("INT", "TERM")] {
        let home = Home::new();
        let mut server = home.start();
        let mut platform = Platform::set_up(&server.api, "standard-webhooks");
        let (gate, sink) = gated_sink();
        platform.add_endpoint(&sink.url("/in"));
        let events: BTreeSet<String> = (0..EVENTS).map(|_| platform.publish_any()).collect();
        sink.wait_for(64);
        server.signal(first);
        until("new connections are refused", || TcpStream::connect(server.api.address).err());
        assert!(!server.has_ended(), "requests are in flight");
        server.signal(second);
        assert_eq!(server.end().code(), Some(1));
        gate.open();
        all_arrive_after_a_restart(&home, &sink, &events);
    }
}

#[test]
fn what_was_acknowledged_while_the_server_stopped_arrives_after_the_restart() {
    let home = Home::new();
    let mut server = home.start();
    let mut platform = Platform::set_up(&server.api, "standard-webhooks");
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let (api, path) = (platform.api.clone(), platform.path("/events"));
            thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let id = format!("event-{publisher}-{number}");
                    let body = json!({ "type": "thing.done", "data": number, "id": id }).to_string();
                    match api.try_call("POST", &path, &body) {
                        Ok(answer) if answer.status == 201 => acknowledged.push(id),
                        Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                        Err(_) => break, // it has stopped
                    }
                }
                acknowledged
            })
        })
        .collect();
    sink.wait_for(100);
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    let events = publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect();
    all_arrive_after_a_restart(&home, &sink, &events);
    let distinct: BTreeSet<_> = sink.requests().iter().map(id).collect();
    assert_eq!(sink.count(), distinct.len(), "and nothing twice: the stop was in order");
}

#[test]
fn clients_with_half_a_request_hold_up_no_stop() {
    let home = Home::new();
    let mut server = home.start();
    let mut holding = Vec::new();
    for half in ["", "POST /v1/keys HT", "POST /v1/keys HTTP/1.1\r\nhost: a\r\n"] {
        let mut stream = TcpStream::connect(server.api.address).unwrap();
        stream.write_all(half.as_bytes()).unwrap();
        holding.push(stream);
    }
    assert_eq!(server.api.get("/healthz").status, 200);
    server.signal("TERM");
    assert_eq!(server.end().code(), Some(0));
    drop(holding);
}

#[track_caller]
fn all_arrive_after_a_restart(home: &Home, sink: &Sink, events: &BTreeSet<String>) {
    let server = home.start();
    until("all that was acknowledged arrives", || {
        let arrived: BTreeSet<_> = sink.requests().iter().map(id).collect();
        events.is_subset(&arrived).then_some(())
    });
    until("nothing is left to do", || {
        let pending = server.api.get("/v1/deliveries?state=pending&limit=1").expect(200);
        (pending["items"] == json!([])).then_some(())
    });
}

fn id(request: &Request) -> String {
    request.header("webhook-id").unwrap().to_owned()
}

/// A sink that answers once its gate is open.
fn gated_sink() -> (Gate, Sink) {
    let gate = Gate::default();
    let held = gate.clone();
    let sink = Sink::start(move |_| {
        held.pass();
        200
    });
    (gate, sink)
}
