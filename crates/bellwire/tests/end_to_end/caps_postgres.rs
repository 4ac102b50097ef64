//! What an endpoint takes is shared by the nodes over one database: together they keep to its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bellwire_testkit::postgres::{Cluster, psql};
use serde_json::{Value, json};

use crate::fleet_postgres::{Logs, doctor, nothing_pending, start_node};
use crate::harness::{Home, Server, Sink, until};

const EVENTS: &str = "/v1/accounts/a/events";

/// Nodes that know of each other, over the database of a URL.
fn start_fleet(homes: &[Home; 2], url: &str) -> [Server; 2] {
    let nodes = homes.each_ref().map(start_node);
    let beats = || -> Vec<u64> {
        let beats = psql(url, "SELECT beat FROM nodes ORDER BY token");
        beats.lines().map(|beat| beat.parse().unwrap()).collect()
    };
    let first = until("both are registered", || Some(beats()).filter(|beats| beats.len() == 2));
    // A node looks at the others after it has said that it lives: at the second beat it has looked since.
    let has_looked = |(now, then): (&u64, &u64)| *now >= then + 2;
    until("both have looked", || beats().iter().zip(&first).all(has_looked).then_some(()));
    nodes
}

/// Publishes so many events, half of them at each node.
fn publish(nodes: &[Server; 2], count: usize) {
    for node in nodes {
        let events: Vec<Value> =
            (0..count / 2).map(|number| json!({ "type": "thing.done", "data": { "number": number } })).collect();
        node.api.post(EVENTS, &json!({ "events": events })).expect(201);
    }
}

#[test]
fn two_nodes_together_keep_to_the_requests_in_flight_that_an_endpoint_takes() {
    const LIMIT: usize = 5;
    let url = Cluster::shared().database();
    let homes = [Home::over(&url), Home::over(&url)];
    let _logs = Logs(&homes);
    let nodes = start_fleet(&homes, &url);
    nodes[0].api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    let (in_flight, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let sink = Sink::start(move |_| {
        seen.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        in_flight.fetch_sub(1, Ordering::SeqCst);
        200
    });
    let endpoint = json!({ "url": sink.url("/in"), "in_flight_max": LIMIT });
    nodes[0].api.post("/v1/accounts/a/endpoints", &endpoint).expect(201);
    publish(&nodes, 200);
    sink.wait_for(200);
    nothing_pending(&nodes[0].api);
    // Each node takes its half, rounded up: one more than the limit for the second node.
    let most = most.load(Ordering::SeqCst);
    assert!(most <= LIMIT + 1, "{most} at once");
    assert_eq!(sink.count(), 200, "each once");
    drop(nodes);
    doctor(&url);
}

#[test]
fn two_nodes_together_keep_to_the_rate_that_an_endpoint_takes() {
    const RATE: usize = 20;
    const EVENTS: usize = 100;
    /// Four seconds, after a burst of one second's worth, and a little less. A slow machine makes it longer, never shorter.
    const LEAST: Duration = Duration::from_millis(3_500);
    let url = Cluster::shared().database();
    let homes = [Home::over(&url), Home::over(&url)];
    let _logs = Logs(&homes);
    let nodes = start_fleet(&homes, &url);
    nodes[0].api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    let sink = Sink::start(|_| 200);
    let endpoint = json!({ "url": sink.url("/in"), "rate_limit": format!("{RATE}/s") });
    nodes[0].api.post("/v1/accounts/a/endpoints", &endpoint).expect(201);
    let started = Instant::now();
    publish(&nodes, EVENTS);
    sink.wait_for(EVENTS);
    assert!(started.elapsed() >= LEAST, "{:?} for {EVENTS}", started.elapsed());
    nothing_pending(&nodes[0].api);
    assert_eq!(sink.count(), EVENTS, "each once");
}
