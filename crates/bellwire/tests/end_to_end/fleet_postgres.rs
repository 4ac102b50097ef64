//! Nodes over one PostgreSQL database: what kills, freezes and cuts them off loses nothing, and repeats only what was in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bellwire_testkit::postgres::{Cluster, psql};
use bellwire_testkit::process::Process;
use serde_json::{Value, json};

use crate::crash::RETRYING;
use crate::harness::{
    Api, Gate, Home, KEY, LOCAL, MASTER_KEY, PATIENCE, Platform, Server, Sink, bellwire, run, until, until_within,
};

/// Seconds that a node may be silent.
const LEASE: &str = "2";
pub(crate) const IN_FLIGHT: usize = 16;

pub(crate) fn start_node(home: &Home) -> Server {
    let folder = home.path("contracts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("retrying.yaml"), RETRYING).unwrap();
    home.start_with(&[&LOCAL[..], &["--node-lease", LEASE, "--contracts", &folder.display().to_string()]].concat())
}

/// Shows what the nodes logged when a test fails.
pub(crate) struct Logs<'h>(pub(crate) &'h [Home]);

impl Drop for Logs<'_> {
    #[expect(clippy::print_stderr, reason = "what a failed test shows")]
    fn drop(&mut self) {
        if thread::panicking() {
            for home in self.0 {
                eprintln!("{}\n", fs::read_to_string(home.path("log")).unwrap_or_default());
            }
        }
    }
}

pub(crate) fn doctor(url: &str) {
    let examined = run(bellwire().args(["doctor", "--database", url]).env("BELLWIRE_MASTER_KEY", MASTER_KEY));
    assert!(examined.success().contains("is sound"), "{examined:?}");
}

#[test]
fn one_node_delivers_and_after_a_kill_the_next_one_goes_on() {
    let url = Cluster::shared().database();
    let (first, second) = (Home::over(&url), Home::over(&url));
    let server = start_node(&first);
    let mut platform = Platform::set_up(&server.api, "silver");
    let never = Gate::default();
    let sink = Sink::start(move |_| {
        never.pass();
        200
    });
    platform.add_endpoint(&sink.url("/in"));
    let posted: BTreeSet<String> = (0..40).map(|_| platform.publish_any()).collect();
    sink.wait_for(1);
    server.kill();
    sink.answer(|_| 200);
    let next = start_node(&second);
    until("every acknowledged event arrives", || {
        let arrived: BTreeSet<_> =
            sink.requests().iter().map(|request| request.json()["eventId"].as_str().unwrap().to_owned()).collect();
        arrived.is_superset(&posted).then_some(())
    });
    nothing_pending(&next.api);
    drop(next);
    doctor(&url);
}

pub(crate) fn nothing_pending(api: &Api) {
    until("nothing is left to do", || {
        let pending = api.get("/v1/deliveries?state=pending&limit=1").expect(200);
        (pending["items"] == json!([])).then_some(())
    });
}

#[test]
fn three_nodes_of_which_one_is_killed_and_one_frozen_while_the_database_restarts() {
    let cluster = Cluster::start(&["fsync=on"]);
    let url = cluster.database();
    let homes = [(); 3].map(|()| Home::over(&url));
    let _logs = Logs(&homes);
    let [doomed, frozen, steady] = homes.each_ref().map(start_node);
    steady.api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    let sink = Sink::start(|request| {
        let number = request.json()["data"]["number"].as_u64().unwrap();
        thread::sleep(Duration::from_millis(if number % 7 == 0 { 200 } else { 30 }));
        200
    });
    for endpoint in ["/one", "/two"] {
        steady.api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url(endpoint) })).expect(201);
    }
    // A frozen node does not answer at all: one publisher waits for it, the others go on.
    let asked = [[&doomed, &steady], [&doomed, &steady], [&frozen, &steady]];
    let asked = asked.map(|nodes| nodes.map(|node| node.api.clone()));
    let publishers: Vec<_> = asked.into_iter().enumerate().map(|(number, nodes)| Publisher::start(number, nodes)).collect();
    let load = |more: usize| {
        let before = sink.count();
        until("the fleet is at work", || (sink.count() >= before + more).then_some(()));
    };
    let alive = || psql(&url, "SELECT count(*) FROM nodes").parse::<usize>().unwrap();
    load(100);
    assert_eq!(alive(), 3);

    doomed.kill();
    until("it is found out", || (alive() == 2).then_some(()));
    load(100);

    frozen.signal("STOP");
    until("the others take over", || (alive() == 1).then_some(()));
    load(50);
    frozen.signal("CONT");
    until("it begins anew", || (alive() == 2).then_some(()));
    load(100);

    cluster.stop();
    let refused = until("publishers are told to come back", || {
        let answer = steady.api.post("/v1/accounts/a/events", &json!({ "type": "thing.done", "data": { "number": 1 } }));
        (answer.status != 201).then_some(answer)
    });
    assert_eq!(refused.problem(503), "unavailable");
    assert!(refused.header("retry-after").is_some());
    cluster.resume();
    load(100);

    let acknowledged: BTreeSet<String> = publishers.into_iter().flat_map(Publisher::stop).collect();
    nothing_pending(&steady.api);
    for endpoint in ["/one", "/two"] {
        let mut arrivals: BTreeMap<String, usize> = BTreeMap::new();
        for request in sink.requests().iter().filter(|request| request.path == endpoint) {
            *arrivals.entry(request.header("webhook-id").unwrap().to_owned()).or_default() += 1;
        }
        let lost: Vec<_> = acknowledged.iter().filter(|id| !arrivals.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and never sent to {endpoint}: {lost:?}");
        // In flight is what no outcome is recorded of: see `crash.rs`. Three nodes, and three times something happened.
        let repeated: usize = arrivals.values().map(|count| count - 1).sum();
        assert!(repeated <= 3 * 4 * IN_FLIGHT, "{repeated} sent again to {endpoint} of {}", arrivals.len());
    }
    drop((frozen, steady));
    doctor(&url);
}

/// Posts one event after another, each to one node after another until one of them answers 2xx.
pub(crate) struct Publisher {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<String>>,
}

impl Publisher {
    pub(crate) fn start(publisher: usize, nodes: [Api; 2]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let turn = AtomicUsize::new(publisher);
        let thread = thread::spawn(move || {
            let mut acknowledged = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let number = acknowledged.len();
                let id = format!("event-{publisher}-{number}");
                let body = json!({ "type": "thing.done", "data": { "number": number }, "id": id }).to_string();
                until_within(PATIENCE * 3, "somebody answers", || {
                    let node = &nodes[turn.fetch_add(1, Ordering::Relaxed) % nodes.len()];
                    let answer = node.try_call("POST", "/v1/accounts/a/events", &body).ok()?;
                    assert!([200, 201, 503].contains(&answer.status), "{}: {}", answer.status, answer.text());
                    (answer.status != 503).then_some(())
                });
                acknowledged.push(id);
            }
            acknowledged
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_stream_of_one_node_shows_what_another_has_taken() {
    let url = Cluster::shared().database();
    let (first, second) = (Home::over(&url), Home::over(&url));
    let (one, other) = (start_node(&first), start_node(&second));
    let platform = Platform::set_up(&one.api, "silver");
    let server = format!("http://{}", other.api.address);
    let words =
        ["events", "tail", "--after", "0", "--output", "json", "--account", &platform.account, "--server", &server, "--key", KEY];
    let tail = Process::start(bellwire().args(words));
    let seen = || serde_json::from_str::<Value>(&tail.line()).unwrap()["seq"].as_i64().unwrap();
    for seq in 1..=5 {
        platform.publish_any();
        assert_eq!(seen(), seq);
    }
}
