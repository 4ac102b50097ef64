//! SIGTERM: what is in flight is finished, nothing new is taken, nothing is sent twice.

use std::net::TcpStream;

use crate::harness::{Gate, Home, Platform, Sink, until};

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
