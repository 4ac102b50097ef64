//! Killed at any instant, Bellwire loses nothing that it has acknowledged, and repeats only what was in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::harness::{Api, Gate, Home, Platform, Request, Sink, until};

/// Requests in flight to one endpoint under a contract that says nothing of it.
const IN_FLIGHT_MAX: usize = 32;

#[test]
fn what_was_acknowledged_before_a_kill_arrives_after_it() {
    let home = Home::new();
    let server = home.start();
    let mut platform = Platform::set_up(&server.api, "silver");
    let never = Gate::default();
    let sink = Sink::start(move |_| {
        never.pass();
        200
    });
    platform.add_endpoint(&sink.url("/in"));
    let posted: BTreeSet<String> = (0..50).map(|_| platform.publish_any()).collect();
    assert_eq!(posted.len(), 50);
    sink.wait_for(IN_FLIGHT_MAX);
    server.kill();
    sink.answer(|_| 200);
    let _server = home.start();

    let arrivals = until("every acknowledged event arrives", || {
        let arrivals = arrivals(&sink.requests());
        let is_all = posted.iter().all(|id| arrivals.contains_key(id));
        (is_all && arrivals.values().sum::<usize>() >= posted.len() + IN_FLIGHT_MAX).then_some(arrivals)
    });
    assert!(arrivals.keys().all(|id| posted.contains(id)), "nothing else arrives");
    let repeated = arrivals.values().filter(|count| **count == 2).count();
    assert_eq!(repeated, IN_FLIGHT_MAX, "what was in flight is sent again: {arrivals:?}");
    assert!(arrivals.values().all(|count| *count <= 2), "once: {arrivals:?}");
}

#[test]
fn killed_again_and_again_under_load_it_loses_nothing() {
    let home = Home::new();
    let mut server = home.start();
    let port = server.api.address.port();
    let mut platform = Platform::set_up(&server.api, "standard-webhooks");
    let sink = Sink::start(|_| 200);
    platform.add_endpoint(&sink.url("/in"));
    let producer = Producer::start(platform.api.clone(), platform.path("/events"));
    for _ in 0..3 {
        let before = producer.count();
        until("the server takes events", || (producer.count() >= before + 40).then_some(()));
        server.kill();
        server = home.start_at(port);
    }
    let acknowledged = producer.stop();

    until("every acknowledged event arrives", || {
        let arrivals = arrivals(&sink.requests());
        acknowledged.iter().all(|id| arrivals.contains_key(id)).then_some(())
    });
    until("nothing is left to do", || {
        let pending = server.api.get("/v1/deliveries?state=pending&limit=1").expect(200);
        (pending["items"] == json!([])).then_some(())
    });
    let log = log(&server.api, &platform.path("/events"));
    assert!(log.iter().zip(1..).all(|((seq, _), expected)| *seq == expected), "seq has no gaps: {log:?}");
    let stored: BTreeSet<String> = log.into_iter().map(|(_, id)| id).collect();
    assert!(acknowledged.is_subset(&stored));
    assert!(arrivals(&sink.requests()).keys().all(|id| stored.contains(id)), "nothing arrives that was not stored");
}

/// How often each event arrived.
fn arrivals(requests: &[Request]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let id = match request.header("webhook-id") {
            Some(id) => id.to_owned(),
            None => request.json()["eventId"].as_str().unwrap().to_owned(),
        };
        *counts.entry(id).or_insert(0) += 1;
    }
    counts
}

/// The whole log of an account: `seq` and id.
fn log(api: &Api, path: &str) -> Vec<(i64, String)> {
    let mut log = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let page = api.get(&format!("{path}?limit=200&after={after}")).expect(200);
        let items = page["items"].as_array().unwrap();
        log.extend(items.iter().map(|item| (item["seq"].as_i64().unwrap(), item["id"].as_str().unwrap().to_owned())));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut after),
            None => return log,
        }
    }
}

/// Posts events without end, each once, and knows which were acknowledged.
struct Producer {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Producer {
    fn start(api: Api, path: String) -> Self {
        let (acknowledged, stop) = (Arc::<Mutex<BTreeSet<String>>>::default(), Arc::<AtomicBool>::default());
        let (noted, stopped) = (Arc::clone(&acknowledged), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for number in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let id = format!("event-{number}");
                let body = json!({ "type": "thing.done", "data": { "number": number }, "id": id }).to_string();
                match api.try_call("POST", &path, &body) {
                    Ok(answer) => {
                        assert_eq!(answer.status, 201, "{}", answer.text());
                        noted.lock().unwrap().insert(id);
                    }
                    Err(_) => thread::yield_now(), // the server is down, and whether it stored this one is not known
                }
            }
        });
        Self { acknowledged, stop, thread }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.acknowledged.lock().unwrap().clone()
    }
}
