//! A node that is cut off from the database while the others are not: it says so, they do its work, nothing that it finds out
//! meanwhile is written, and when the way is open again it goes on by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use bellwire_testkit::postgres::{Cluster, psql};
use bellwire_testkit::proxy::{Cut, Proxy};
use serde_json::json;

use crate::fleet_postgres::{IN_FLIGHT, Logs, Publisher, doctor, nothing_pending, start_node};
use crate::harness::{Answer, Api, Gate, Home, PATIENCE, Sink, until, until_within};

/// Requests of the node that is cut off which are answered only afterwards.
const HELD: usize = 4;
/// What is stated: 20 seconds until whoever waits for an answer of the database gives up and has tried to connect anew.
const LONG: Duration = PATIENCE.saturating_mul(3);
const EVENTS: &str = "/v1/accounts/a/events";

#[test]
fn a_node_whose_connections_are_closed_is_replaced_and_comes_back() {
    cut_off(Cut::Closed);
}

#[test]
fn a_node_whose_connections_fall_silent_is_replaced_and_comes_back() {
    cut_off(Cut::Silent);
}

fn cut_off(cut: Cut) {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let proxy = Proxy::start(cluster);
    let homes = [Home::over(&proxy.url(&url)), Home::over(&url)];
    let _logs = Logs(&homes);
    let [cut_off, steady] = homes.each_ref().map(start_node);
    steady.api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    let (gate, met) = (Gate::default(), Mutex::new(BTreeSet::new()));
    let held_back = gate.clone();
    let sink = Sink::start(move |request| {
        let id = request.header("webhook-id").unwrap().to_owned();
        let is_first = met.lock().unwrap().insert(id.clone());
        if is_first && id.starts_with("held") {
            held_back.pass();
        } else {
            thread::sleep(Duration::from_millis(10));
        }
        200
    });
    steady.api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    let alive = || psql(&url, "SELECT count(*) FROM nodes").parse::<usize>().unwrap();
    until("both are known", || (alive() == 2).then_some(()));

    let asked = [[&cut_off, &steady], [&steady, &steady]].map(|nodes| nodes.map(|node| node.api.clone()));
    let publishers: Vec<_> = asked.into_iter().enumerate().map(|(number, nodes)| Publisher::start(number, nodes)).collect();
    let load = |more: usize| {
        let before = sink.count();
        until("the fleet is at work", || (sink.count() >= before + more).then_some(()));
    };
    load(50);
    // In flight at the instant of the cut: their contract gives them five seconds.
    let held: Vec<String> = (0..HELD).map(|number| hold(&cut_off.api, number)).collect();
    let sent = |times: usize| {
        let arrivals = arrivals(&sink);
        (0..HELD).all(|number| arrivals.get(&format!("held-{number}")) == Some(&times)).then_some(())
    };
    until("they are sent", || sent(1));

    proxy.cut(cut);
    let known = json!({ "type": "thing.done", "data": { "number": 0 }, "id": "while-cut-off" }).to_string();
    let refused = asked_until(&cut_off.api, "POST", EVENTS, &known, |answer| answer.status == 503);
    assert_eq!(refused.problem(503), "unavailable");
    assert!(refused.header("retry-after").is_some());
    asked_until(&cut_off.api, "GET", "/readyz", "", |answer| answer.status == 503);
    until("the other one takes over", || (alive() == 1).then_some(()));
    until("it sends again what was in flight", || sent(2));
    gate.open();
    load(50);

    proxy.heal();
    asked_until(&cut_off.api, "GET", "/readyz", "", |answer| answer.status == 200);
    until_within(LONG, "it begins anew", || (alive() == 2).then_some(()));
    asked_until(&cut_off.api, "POST", EVENTS, &known, |answer| [200, 201].contains(&answer.status));
    until_within(LONG, "what it found out too late is not written", || (lost(&cut_off.api) >= HELD).then_some(()));
    load(50);

    let acknowledged: BTreeSet<String> = publishers.into_iter().flat_map(Publisher::stop).collect();
    nothing_pending(&steady.api);
    for delivery in &held {
        let delivery = steady.api.get(&format!("/v1/deliveries/{delivery}")).expect(200);
        assert_eq!(delivery["state"], "delivered");
        assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "{delivery}");
    }
    let arrivals = arrivals(&sink);
    let is_lost = |id: &&String| !arrivals.contains_key(*id);
    let lost: Vec<_> = acknowledged.iter().filter(is_lost).collect();
    assert!(lost.is_empty() && arrivals.contains_key("while-cut-off"), "acknowledged and never sent: {lost:?}");
    // In flight is what no outcome is recorded of: see `crash.rs`.
    let repeated: usize = arrivals.values().map(|count| count - 1).sum();
    assert!((HELD..=4 * IN_FLIGHT).contains(&repeated), "{repeated} sent again of {}", arrivals.len());
    drop((cut_off, steady));
    doctor(&url);
}

/// Publishes an event whose first request is not answered; its delivery.
fn hold(api: &Api, number: usize) -> String {
    let id = format!("held-{number}");
    api.post(EVENTS, &json!({ "type": "thing.done", "data": { "number": number }, "id": id })).expect(201);
    api.delivery("a", &id).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Asks until it is answered so. A node may take its time, and must not say anything else of what is new.
fn asked_until(api: &Api, method: &str, path: &str, body: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
    until_within(LONG, &format!("{method} {path}"), || api.try_call(method, path, body).ok().filter(&is_so))
}

/// How often each event arrived.
fn arrivals(sink: &Sink) -> BTreeMap<String, usize> {
    let mut arrivals = BTreeMap::new();
    for request in sink.requests() {
        *arrivals.entry(request.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    arrivals
}

/// Outcomes that a node came to know when it did not hold their deliveries any more.
fn lost(api: &Api) -> usize {
    let metrics = api.get("/metrics");
    let count = metrics.text().lines().find_map(|line| line.strip_prefix("bellwire_outcomes_lost_total "));
    count.map_or(0, |count| count.parse().unwrap())
}
