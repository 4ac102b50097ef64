//! Killed at any instant, Bellwire loses nothing that it has acknowledged, and repeats only what was in flight.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Api, Gate, Home, LOCAL, Platform, Request, Server, Sink, bellwire, run, until};

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

const KILLS: usize = 10;
const ENDPOINTS: [&str; 2] = ["/one", "/two"];
/// Requests in flight to one endpoint under the contract below.
const IN_FLIGHT: usize = 16;
pub(crate) const RETRYING: &str = "\
contract: retrying
title: Retrying
events:
  - { type: thing.done, example: { id: 1 } }
subscription: { secret: { from: generated } }
request:
  headers: { webhook-id: \"{{ event.id }}\" }
  body: { data: \"{{ event.data }}\" }
delivery:
  timeout: 5s
  in_flight: 16
  retry: { schedule: [50ms, 100ms, 200ms, 400ms, 1s, 1s, 1s, 1s] }
";

/// Ten lives under load, each ended by SIGKILL: some in full work, some right after the start, while it takes over what the
/// life before had in hand. Publishers choose ids and post each event until it is answered 2xx, whoever answers. Receivers
/// refuse every fifth event at first, so that retries are under way, and take their time for every seventh.
#[test]
fn killed_ten_times_under_load_with_retries_under_way_it_keeps_its_promises() {
    let home = Home::new();
    let mut server = start_retrying(&home, "127.0.0.1:0");
    let listen = server.api.address.to_string();
    server.api.put("/v1/accounts/a", &json!({ "contract": "retrying" })).expect(201);
    let receiver = Judged::start();
    for endpoint in ENDPOINTS {
        server.api.post("/v1/accounts/a/endpoints", &json!({ "url": receiver.sink.url(endpoint) })).expect(201);
    }
    let publishers: Vec<_> = (0..3).map(|number| Persistent::start(number, server.api.clone())).collect();
    for kill in 0..KILLS {
        let is_at_once = kill % 4 == 3;
        let before = receiver.sink.count();
        if !is_at_once {
            until("the server is at work", || (receiver.sink.count() >= before + 60 + 20 * kill).then_some(()));
        }
        server.kill();
        // What was sent before the kill is judged as of the life that sent it.
        until("the receiver has read what was sent", || (receiver.sink.connections() == 0).then_some(()));
        receiver.life.fetch_add(1, Ordering::SeqCst);
        server = start_retrying(&home, &listen);
    }
    let acknowledged: BTreeSet<String> = publishers.into_iter().flat_map(Persistent::stop).collect();
    // The faster the machine, the more was published and still waits for receivers that take their time.
    loop {
        let arrived = receiver.sink.count();
        let is_done = || server.api.get("/v1/deliveries?state=pending&limit=1").expect(200)["items"] == json!([]);
        until("nothing is left to do, or it gets on", || (is_done() || receiver.sink.count() >= arrived + 100).then_some(()));
        if is_done() {
            break;
        }
    }

    let log = log(&server.api, "/v1/accounts/a/events");
    assert!(log.iter().zip(1..).all(|((seq, _), expected)| *seq == expected), "seq has no gaps: {log:?}");
    let stored: BTreeSet<String> = log.into_iter().map(|(_, id)| id).collect();
    assert!(acknowledged.is_subset(&stored), "what was acknowledged is in the log");
    for endpoint in ENDPOINTS {
        receiver.check(endpoint, &acknowledged, &stored);
    }
    let examined = run(bellwire().args(["doctor", "--database", &home.database()]));
    assert!(examined.success().contains("is sound"), "{examined:?}");
}

fn start_retrying(home: &Home, listen: &str) -> Server {
    let folder = home.path("contracts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("retrying.yaml"), RETRYING).unwrap();
    home.start_with(&[&LOCAL[..], &["--listen", listen, "--contracts", &folder.display().to_string()]].concat())
}

/// One request as it was judged.
struct Judgement {
    endpoint: String,
    event: String,
    /// How many kills came before it.
    life: usize,
    status: u16,
}

/// A receiver that fails and dawdles by rule.
struct Judged {
    sink: Sink,
    life: Arc<AtomicUsize>,
    judgements: Arc<Mutex<Vec<Judgement>>>,
}

impl Judged {
    fn start() -> Self {
        let (life, judgements) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<Judgement>>>::default());
        let (lives, noted) = (Arc::clone(&life), Arc::clone(&judgements));
        let sink = Sink::start(move |request| {
            let (endpoint, event) = (request.path.clone(), request.header("webhook-id").unwrap().to_owned());
            let number = request.json()["data"]["number"].as_u64().unwrap();
            let mut judgements = noted.lock().unwrap();
            let is_first = !judgements.iter().any(|seen| seen.endpoint == endpoint && seen.event == event);
            let status = if number % 5 == 0 && is_first { 500 } else { 200 };
            judgements.push(Judgement { endpoint, event, life: lives.load(Ordering::SeqCst), status });
            drop(judgements);
            thread::sleep(Duration::from_millis(if number % 7 == 0 { 200 } else { 50 }));
            status
        });
        Self { sink, life, judgements }
    }

    /// Everything arrived. What had succeeded came again only where its success could not be recorded any more: never within
    /// one life, and at each kill for no more than were in flight. A request counts as in flight until its outcome is
    /// recorded, which is done in groups: while one group is written and the next one gathers, each of them may be answered
    /// and followed by another. Answers here take longer than a group does, so four times the cap leaves room for a slow disk.
    fn check(&self, endpoint: &str, acknowledged: &BTreeSet<String>, stored: &BTreeSet<String>) {
        let judgements = self.judgements.lock().unwrap();
        let mut successes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for judgement in judgements.iter().filter(|judgement| judgement.endpoint == endpoint) {
            assert!(stored.contains(&judgement.event), "{} arrived and was never stored", judgement.event);
            if judgement.status == 200 {
                successes.entry(&judgement.event).or_default().push(judgement.life);
            }
        }
        let lost: Vec<_> = acknowledged.iter().filter(|event| !successes.contains_key(event.as_str())).collect();
        assert!(lost.is_empty(), "acknowledged and never taken at {endpoint}: {lost:?}");
        let mut repeated = [0; KILLS + 1];
        for (event, lives) in successes {
            assert!(lives.windows(2).all(|pair| pair[0] < pair[1]), "{event} was sent again in one life: {lives:?}");
            lives.iter().rev().skip(1).for_each(|life| repeated[*life] += 1);
        }
        assert!(repeated.iter().all(|count| *count <= 4 * IN_FLIGHT), "repeated at {endpoint}, by kill: {repeated:?}");
    }
}

/// Posts one event after another, each again and again until it is answered.
struct Persistent {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<String>>,
}

impl Persistent {
    fn start(publisher: usize, api: Api) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut acknowledged = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let number = acknowledged.len();
                let id = format!("event-{publisher}-{number}");
                let body = json!({ "type": "thing.done", "data": { "number": number }, "id": id }).to_string();
                until("somebody answers", || match api.try_call("POST", "/v1/accounts/a/events", &body) {
                    Ok(answer) => {
                        assert!([200, 201].contains(&answer.status), "{}: {}", answer.status, answer.text());
                        Some(())
                    }
                    Err(_) => None,
                });
                acknowledged.push(id);
            }
            acknowledged
        });
        Self { stop, thread }
    }

    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
