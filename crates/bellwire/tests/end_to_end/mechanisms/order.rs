//! Events that wait for the one before: by what they say, or all of an endpoint's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwire_testkit::http::Request;
use bellwire_testkit::postgres::{Cluster, psql};
use serde_json::{Value, json};

use super::{ACCOUNT, World, start_with};
use crate::harness::{Api, Gate, Home, Sink, until};

fn changed(api: &Api, order: &str, state: u32) -> String {
    api.publish(ACCOUNT, "order.changed", &format!(r#"{{"order":"{order}","state":{state}}}"#))
}

/// Which change a request tells of.
fn told(request: &Request) -> (String, u64) {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    (body["order"].as_str().unwrap().to_owned(), body["state"].as_u64().unwrap())
}

fn all_told(sink: &Sink) -> Vec<(String, u64)> {
    sink.requests().iter().map(told).collect()
}

fn of(order: &str, states: &[u64]) -> Vec<(String, u64)> {
    states.iter().map(|state| (order.to_owned(), *state)).collect()
}

#[test]
fn changes_of_one_order_wait_for_each_other_and_nobody_else_does() {
    let (world, gate) = (World::of("order"), Gate::default());
    let closed = gate.clone();
    let sink = Sink::start(move |request| {
        if told(request) == ("a".to_owned(), 1) {
            closed.pass();
        }
        200
    });
    world.endpoint(&sink.url("/in"));
    let api = &world.server.api;
    changed(api, "a", 1);
    let second = changed(api, "a", 2);
    changed(api, "b", 1);
    until("the other order has arrived", || all_told(&sink).contains(&("b".to_owned(), 1)).then_some(()));
    let waiting = api.delivery(ACCOUNT, &second).unwrap();
    assert_eq!((&waiting["waits_for_earlier"], &waiting["due_at"]), (&json!(true), &Value::Null), "{waiting}");
    gate.open();
    sink.wait_for(3);
    api.attempted(ACCOUNT, &second, 1);
    let of_a: Vec<_> = all_told(&sink).into_iter().filter(|(order, _)| order == "a").collect();
    assert_eq!(of_a, of("a", &[1, 2]));
}

#[test]
fn a_retry_is_waited_for_and_who_is_too_late_is_not() {
    let world = World::of("order");
    let failing = AtomicUsize::new(0);
    let sink = Sink::start(move |request| {
        let fails = told(request).1 == 1 && failing.fetch_add(1, Ordering::SeqCst) < 3;
        if fails { 500 } else { 200 }
    });
    world.endpoint(&sink.url("/in"));
    let api = &world.server.api;
    let first = changed(api, "a", 1);
    changed(api, "a", 2);
    let last = changed(api, "a", 3);
    api.attempted(ACCOUNT, &last, 1);
    assert_eq!(all_told(&sink), of("a", &[1, 1, 1, 2, 3]), "its fourth attempt would be an hour later");
    let late = api.delivery(ACCOUNT, &first).unwrap();
    assert_eq!((&late["state"], &late["attempt_count"]), (&json!("pending"), &json!(3)));
    api.post(&format!("/v1/deliveries/{}/retry", late["id"].as_str().unwrap()), &Value::Null).expect(200);
    api.attempted(ACCOUNT, &first, 4);
}

#[test]
fn a_crash_does_not_let_anybody_overtake() {
    let (world, gate) = (World::of("order"), Gate::default());
    let closed = gate.clone();
    let sink = Sink::start(move |_| {
        closed.pass();
        200
    });
    world.endpoint(&sink.url("/in"));
    for state in 1..=20 {
        changed(&world.server.api, "a", state);
        changed(&world.server.api, "b", state);
    }
    sink.wait_for(2);
    let world = world.killed_and_started();
    sink.wait_for(4);
    gate.open();
    let last = changed(&world.server.api, "a", 21);
    world.server.api.attempted(ACCOUNT, &last, 1);
    until("all have arrived", || (all_told(&sink).len() >= 43).then_some(()));
    let mut by_order: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (order, state) in all_told(&sink) {
        by_order.entry(order).or_default().push(state);
    }
    let twice_the_first = |end: u64| std::iter::once(1).chain(1..=end).collect::<Vec<u64>>();
    assert_eq!(by_order, BTreeMap::from([("a".to_owned(), twice_the_first(21)), ("b".to_owned(), twice_the_first(20))]));
}

#[test]
fn in_a_strict_order_what_fails_for_good_pauses_the_endpoint_until_it_is_resumed() {
    let (world, sink) = (World::of("order_strict"), Sink::start(|_| 500));
    let api = &world.server.api;
    let (path, _) = world.registered(&json!({ "url": sink.url("/in") }));
    for state in 1..=3 {
        changed(api, "any", state);
    }
    world.once(&path, "failed");
    assert_eq!(all_told(&sink), of("any", &[1, 1]));
    sink.answer_with(|_| 200.into());
    api.post(&format!("{path}/resume"), &Value::Null).expect(200);
    until("the others have arrived", || (sink.count() == 4).then_some(()));
    assert_eq!(all_told(&sink)[2..], of("any", &[2, 3]));
}

#[test]
fn of_a_document_that_could_not_be_delivered_only_the_newest_version_is_tried() {
    let (world, sink) = (World::of("order_newest"), Sink::start(|_| 503));
    let api = &world.server.api;
    world.endpoint(&sink.url("/in"));
    let put = |version: u32| {
        let path = format!("/v1/accounts/{ACCOUNT}/resources/document/d1");
        let answer = api.put(&path, &json!({ "id": "d1", "status": "open", "version": version }));
        assert!(answer.status == 200 || answer.status == 201, "{answer:?}");
    };
    let versions = || sink.requests().iter().map(|request| request.json()["version"].as_u64().unwrap()).collect::<Vec<_>>();
    for version in 1..=2 {
        put(version);
        until("it was tried", || (sink.count() == version as usize).then_some(()));
        until("and that is recorded", || {
            let pending = api.get(&format!("/v1/deliveries?account={ACCOUNT}&state=pending")).expect(200);
            let items = pending["items"].as_array().unwrap().clone();
            (items.len() == 1 && items[0]["attempt_count"] == 1).then_some(())
        });
    }
    sink.answer_with(|_| 200.into());
    put(3);
    sink.wait_for(3);
    assert_eq!(versions(), [1, 2, 3]);
    let ended = until("all have ended", || {
        let all = api.get(&format!("/v1/deliveries?account={ACCOUNT}")).expect(200)["items"].as_array().unwrap().clone();
        all.iter().all(|delivery| delivery["state"] != "pending").then_some(all)
    });
    let mut states: Vec<_> = ended.iter().map(|delivery| (delivery["number"].as_i64(), delivery["state"].as_str())).collect();
    states.sort_unstable();
    assert_eq!(states, [(Some(1), Some("cancelled")), (Some(2), Some("cancelled")), (Some(3), Some("delivered"))]);
}

#[test]
fn two_nodes_keep_one_order_also_where_one_of_them_is_killed() {
    let url = Cluster::shared().database();
    let homes = [(); 2].map(|()| Home::over(&url));
    let [doomed, steady] = homes.each_ref().map(|home| start_with(home, &["--node-lease", "2"]));
    steady.api.put(&format!("/v1/accounts/{ACCOUNT}"), &json!({ "contract": "order" })).expect(201);
    let sink = Sink::start(|_| 200);
    steady.api.post(&format!("/v1/accounts/{ACCOUNT}/endpoints"), &json!({ "url": sink.url("/in") })).expect(201);
    until("both nodes are there", || (psql(&url, "SELECT count(*) FROM nodes") == "2").then_some(()));
    for state in 1..=30 {
        let node = if state % 2 == 0 { &doomed } else { &steady };
        for order in ["a", "b"] {
            changed(&node.api, order, state);
        }
    }
    doomed.kill();
    for state in 31..=40 {
        for order in ["a", "b"] {
            changed(&steady.api, order, state);
        }
    }
    until("all have arrived", || {
        let told = all_told(&sink);
        ["a", "b"].iter().all(|order| told.contains(&((*order).to_owned(), 40))).then_some(())
    });
    for order in ["a", "b"] {
        let states: Vec<u64> = all_told(&sink).into_iter().filter(|(of, _)| of == order).map(|(_, state)| state).collect();
        assert!(states.is_sorted(), "{order}: {states:?}");
        let mut once = states.clone();
        once.dedup();
        assert_eq!(once, (1..=40).collect::<Vec<_>>());
    }
}
