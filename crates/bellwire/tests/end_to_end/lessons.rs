//! What systems of this kind got wrong before, and the test that would notice it here. What needs replay, a fleet or key
//! rotation has its place in other files.
//!
//! | mistake made elsewhere | noticed by |
//! | --- | --- |
//! | stored first and queued second, so that a crash between the two leaves an event that nobody sends | `crash::killed_ten_times_under_load_with_retries_under_way_it_keeps_its_promises` |
//! | the client's second try with the same id is a conflict, and hides that | the same: every event is posted until it is answered 2xx |
//! | "accepted" means held by a broker that may lose it | `crash::what_was_acknowledged_before_a_kill_arrives_after_it` |
//! | the intent to try again lives outside the store | `a_retry_that_waits_survives_a_kill`, `shutdown::what_waits_for_a_retry_is_kept_over_a_stop` |
//! | a store that is away for seconds ends the workers | `a_store_that_cannot_be_written_for_a_while_is_written_when_it_can` |
//! | work whose time passed while nobody looked is forgotten | `what_became_due_while_the_server_was_down_is_sent` |
//! | what cannot be built is tried for ever, or blocks what follows | `a_delivery_that_cannot_be_built_fails_with_the_reason_and_blocks_nothing`, `engine: what_cannot_be_signed_ends_as_failed_with_the_reason` |
//! | one failed endpoint makes the whole fan-out go again | `a_failure_at_one_endpoint_sends_nothing_again_to_the_others` |
//! | a name server's error ends a delivery | `a_name_that_does_not_resolve_is_tried_again`, `domain: a_dns_error_is_retried_and_an_unbuildable_request_is_not` |
//! | an event that nobody subscribed to is dropped | `an_event_for_nobody_is_in_the_log` |
//! | a lock shorter than a request, so that a slow one is sent twice | `a_request_that_takes_longer_than_several_beats_is_sent_once` |
//! | a deadline for the head of an answer only | `egress: the_deadline_covers_a_dripping_body` |
//! | an answer read whole, or counted before it is decompressed | `egress: an_answer_of_50_megabytes_is_cut_and_not_drained`, `a_gzip_bomb_costs_what_is_kept_of_it` |
//! | a redirect taken for success, or followed | `policy::a_delivery_fails_when_its_schedule_is_over`, `egress: a_redirect_is_an_answer_and_is_not_followed` |
//! | data parsed and printed again on its way | `bytes` |
//! | signed is one text and sent another | `receivers`: verified over the raw body by the platforms' own means |
//! | one counter of requests in flight, which one slow endpoint takes | `engine: an_endpoint_that_hangs_starves_no_other` |
//! | retries to a dead endpoint crowd out first attempts | `a_storm_of_retries_holds_up_no_first_attempt` |
//! | a dead endpoint is stormed rather than probed | `scheduler: an_endpoint_that_stops_answering_is_probed_one_at_a_time`, `any_number_of_dead_endpoints_leaves_three_quarters_of_the_room` |
//! | a rate limit that the API takes and nobody reads | `engine: an_endpoint_gets_no_more_than_its_rate_limit_says` |
//! | events from before an endpoint existed are out of its reach | `replay`, `replays` in the store's conformance suite |
//! | a new connection for each request | `egress: a_connection_is_used_again`, `http2_is_spoken_where_offered_and_one_connection_carries_all` |
//! | a database connection held while a receiver is waited for | `requests_that_hang_hold_nothing_of_the_store` |
//! | a rotated secret that takes effect when traffic pauses | `engine: rotating_a_secret_under_load_takes_effect_at_once` |
//! | no time in which both secrets sign | `api::two_secrets_sign_while_one_takes_over_from_the_other` |
//! | the address is checked, and the name resolved again | `egress: the_address_that_was_checked_is_the_one_connected_to` |
//! | a proxy from the environment goes around the check | `a_proxy_in_the_environment_is_not_used` |
//! | private ranges or IPv6 transition forms are open | `domain: every_range_is_judged_from_its_first_to_its_last_address_and_no_further` |
//! | the only exception is "everything" | `egress: an_exception_opens_its_network_and_no_other` |
//! | attempts without end | `policy::a_delivery_fails_when_its_schedule_is_over` |
//! | an endpoint's health is forgotten with the process | `how_long_an_endpoint_has_been_unhealthy_is_known_after_a_restart` |
//! | `Retry-After` and 410 are not heard | `retry_after_puts_the_next_attempt_off`, `api::gone_is_gone` |

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use bellwire_domain::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Api, Gate, Home, LOCAL, Reply, Server, Sink, now, until};

/// A contract with this `delivery`, whose body needs `person.id` in the data.
fn contract(delivery: &str) -> String {
    format!(
        "contract: plain\ntitle: Plain\nevents:\n  - {{ type: thing.done, example: {{ person: {{ id: 1 }} }} }}\n  \
         - {{ type: thing.undone, example: {{ person: {{ id: 1 }} }} }}\n\
         subscription: {{ secret: {{ from: generated }} }}\n\
         request:\n  headers: {{ webhook-id: \"{{{{ event.id }}}}\" }}\n  \
         body: {{ person: \"{{{{ event.data.person.id }}}}\", data: \"{{{{ event.data }}}}\" }}\n\
         delivery: {delivery}\n"
    )
}

const DATA: &str = r#"{"person":{"id":7}}"#;

fn start(home: &Home, delivery: &str) -> Server {
    let server = start_again(home, delivery);
    server.api.put("/v1/accounts/a", &json!({ "contract": "plain" })).expect(201);
    server
}

fn start_again(home: &Home, delivery: &str) -> Server {
    start_in(home, &[], delivery)
}

fn start_in(home: &Home, environment: &[(&str, &str)], delivery: &str) -> Server {
    let folder = home.path("contracts");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("plain.yaml"), contract(delivery)).unwrap();
    home.start_in(environment, &[&LOCAL[..], &["--contracts", &folder.display().to_string()]].concat())
}

fn register(api: &Api, url: &str) -> String {
    api.post("/v1/accounts/a/endpoints", &json!({ "url": url })).expect(201)["id"].as_str().unwrap().to_owned()
}

fn publish(api: &Api) -> String {
    api.publish("a", "thing.done", DATA)
}

/// The one delivery of an endpoint, with its attempts, once it is as `wanted` says.
#[track_caller]
fn delivery(api: &Api, endpoint: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until("the delivery is as it should be", || {
        let page = api.get(&format!("/v1/deliveries?endpoint={endpoint}")).expect(200);
        let id = page["items"][0]["id"].as_str()?.to_owned();
        Some(api.get(&format!("/v1/deliveries/{id}")).expect(200)).filter(|delivery| wanted(delivery))
    })
}

fn attempts(delivery: &Value) -> usize {
    delivery["attempts"].as_array().unwrap().len()
}

#[test]
fn a_retry_that_waits_survives_a_kill() {
    let home = Home::new();
    let policy = "{ retry: { schedule: [1s] } }";
    let server = start(&home, policy);
    let sink = Sink::start(|_| 500);
    let endpoint = register(&server.api, &sink.url("/in"));
    publish(&server.api);
    let before = delivery(&server.api, &endpoint, |delivery| attempts(delivery) == 1);
    server.kill();
    sink.answer(|_| 200);
    let server = start_again(&home, policy);
    let after = delivery(&server.api, &endpoint, |delivery| delivery["state"] == "delivered");
    assert_eq!((&after["id"], attempts(&after), sink.count()), (&before["id"], 2, 2), "{after}");
}

#[test]
fn what_became_due_while_the_server_was_down_is_sent() {
    let home = Home::new();
    let policy = "{ retry: { schedule: [200ms] } }";
    let mut server = start(&home, policy);
    let sink = Sink::start(|_| 500);
    let endpoint = register(&server.api, &sink.url("/in"));
    publish(&server.api);
    sink.wait_for(1);
    server.signal("TERM");
    server.end();
    let stopped = Instant::now();
    until("its time has passed", || (stopped.elapsed() > Duration::from_millis(400)).then_some(()));
    sink.answer(|_| 200);
    let server = start_again(&home, policy);
    delivery(&server.api, &endpoint, |delivery| delivery["state"] == "delivered");
}

/// Holds the database's write lock until it is dropped, as a backup or a curious operator may.
struct Lock(Child);

impl Lock {
    fn take(database: &Path) -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/venv/bin/python");
        let script = "import sqlite3, sys\n\
                      db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)\n\
                      db.execute('BEGIN IMMEDIATE')\n\
                      print('held', flush=True)\n\
                      sys.stdin.read()\n\
                      db.rollback()\n";
        let mut command = Command::new(python);
        command.args(["-c", script]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("scripts/setup makes a Python");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_store_that_cannot_be_written_for_a_while_is_written_when_it_can() {
    let home = Home::new();
    let server = start(&home, "{ retry: none }");
    let gate = Gate::default();
    let held = gate.clone();
    let sink = Sink::start(move |_| {
        held.pass();
        200
    });
    let endpoint = register(&server.api, &sink.url("/in"));
    publish(&server.api);
    sink.wait_for(1);
    let lock = Lock::take(&home.path("bellwire.db"));
    gate.open(); // its outcome meets the lock
    let (api, body) = (server.api.clone(), format!(r#"{{"type":"thing.done","data":{DATA},"id":"during"}}"#));
    let during = thread::spawn(move || api.call("POST", "/v1/accounts/a/events", &body).status);
    let log = || fs::read_to_string(home.path("log")).unwrap();
    until("it gives up waiting for the lock", || log().contains("outcomes not stored; trying again").then_some(()));
    drop(lock);
    let during = during.join().unwrap();
    assert!(during == 201 || during == 503, "{during}: stored, or to be tried again");

    delivery(&server.api, &endpoint, |delivery| delivery["state"] == "delivered");
    let after = publish(&server.api);
    until("work goes on", || {
        sink.requests().iter().any(|request| request.header("webhook-id") == Some(after.as_str())).then_some(())
    });
    let ids: Vec<_> = sink.requests().iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect();
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "nothing was sent twice: {ids:?}");
    assert_eq!(ids.contains(&"during".to_owned()), during == 201, "{ids:?}");
}

#[test]
fn a_delivery_that_cannot_be_built_fails_with_the_reason_and_blocks_nothing() {
    let home = Home::new();
    let server = start(&home, "{ in_flight: 1, retry: { schedule: [50ms, 50ms, 50ms] } }");
    let sink = Sink::start(|_| 200);
    register(&server.api, &sink.url("/in"));
    let poison = server.api.publish("a", "thing.done", r#"{"person":null}"#);
    let well = publish(&server.api);
    assert_eq!(sink.wait_for(1)[0].header("webhook-id"), Some(well.as_str()));
    let failed = server.api.attempted("a", &poison, 1);
    assert_eq!((&failed["state"], attempts(&failed)), (&json!("failed"), 1), "{failed}");
    assert_eq!(failed["attempts"][0]["outcome"], "unbuildable", "{failed}");
    assert!(failed["attempts"][0]["detail"].as_str().unwrap().contains("person"), "{failed}");
}

#[test]
fn a_failure_at_one_endpoint_sends_nothing_again_to_the_others() {
    let home = Home::new();
    let server = start(&home, "{ retry: { schedule: [20ms, 20ms, 20ms] } }");
    let wells = [Sink::start(|_| 200), Sink::start(|_| 200)];
    let ill = Sink::start(|_| 500);
    for sink in wells.iter().chain([&ill]) {
        register(&server.api, &sink.url("/in"));
    }
    for _ in 0..5 {
        publish(&server.api);
    }
    ill.wait_for(20);
    until("nothing is left to do", || {
        let pending = server.api.get("/v1/deliveries?state=pending&limit=1").expect(200);
        (pending["items"] == json!([])).then_some(())
    });
    assert_eq!((wells[0].count(), wells[1].count(), ill.count()), (5, 5, 20));
}

/// A label of more than 63 characters: the resolver itself sees that no such name can be, and asks nobody.
#[test]
fn a_name_that_does_not_resolve_is_tried_again() {
    let home = Home::new();
    let server = start(&home, "{ retry: { schedule: [20ms, 1h] } }");
    let endpoint = register(&server.api, &format!("http://{}.example/in", "a".repeat(70)));
    publish(&server.api);
    let delivery = delivery(&server.api, &endpoint, |delivery| attempts(delivery) == 2);
    assert_eq!(delivery["state"], "pending", "{delivery}");
    for attempt in delivery["attempts"].as_array().unwrap() {
        assert_eq!(attempt["outcome"], "dns", "{delivery}");
    }
}

#[test]
fn an_event_for_nobody_is_in_the_log() {
    let home = Home::new();
    let server = start(&home, "{ retry: none }");
    let post = |kind: &str| {
        let body = format!(r#"{{"type":"{kind}","data":{DATA}}}"#);
        server.api.call("POST", "/v1/accounts/a/events", &body).expect(201)
    };
    let before_anybody = post("thing.done");
    let sink = Sink::start(|_| 200);
    server.api.post("/v1/accounts/a/endpoints", &json!({ "url": sink.url("/in"), "events": ["thing.undone"] })).expect(201);
    let chosen_by_nobody = post("thing.done");
    let chosen = post("thing.undone");
    assert_eq!(
        (&before_anybody["deliveries"], &chosen_by_nobody["deliveries"], &chosen["deliveries"]),
        (&json!(0), &json!(0), &json!(1))
    );
    sink.wait_for(1);
    let log = server.api.get("/v1/accounts/a/events").expect(200);
    let ids: Vec<_> = log["items"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, [&before_anybody, &chosen_by_nobody, &chosen].map(|receipt| receipt["id"].clone()));
    assert_eq!(sink.count(), 1);
}

#[test]
fn a_request_that_takes_longer_than_several_beats_is_sent_once() {
    let home = Home::new();
    let server = start(&home, "{ timeout: 15s, retry: none }");
    let sink = Sink::start(|_| {
        thread::sleep(Duration::from_millis(3_500)); // the engine looks for due work every second
        200
    });
    let endpoint = register(&server.api, &sink.url("/in"));
    publish(&server.api);
    let delivery = delivery(&server.api, &endpoint, |delivery| delivery["state"] == "delivered");
    assert_eq!((attempts(&delivery), sink.count()), (1, 1), "{delivery}");
}

#[test]
fn a_storm_of_retries_holds_up_no_first_attempt() {
    let home = Home::new();
    let retries = ["10ms"; 60].join(", ");
    let server = start(&home, &format!("{{ in_flight: 4, retry: {{ schedule: [{retries}, 1h] }} }}"));
    let (dead, well) = (Sink::start(|_| 503), Sink::start(|_| 200));
    let endpoint = register(&server.api, &dead.url("/in"));
    for _ in 0..100 {
        publish(&server.api);
    }
    dead.wait_for(200); // the storm is on
    register(&server.api, &well.url("/in"));
    for number in 1..=20 {
        publish(&server.api);
        well.wait_for(number);
    }
    let page = server.api.get(&format!("/v1/deliveries?endpoint={endpoint}&state=pending&limit=1")).expect(200);
    assert_ne!(page["items"], json!([]), "and still is");
}

#[test]
fn requests_that_hang_hold_nothing_of_the_store() {
    let home = Home::new();
    let server = start(&home, "{ timeout: 60s, retry: none, in_flight: 64 }");
    let never = Gate::default();
    let hanging = Sink::start(move |_| {
        never.pass();
        200
    });
    register(&server.api, &hanging.url("/in"));
    for _ in 0..64 {
        publish(&server.api);
    }
    hanging.wait_for(64); // more than the store has connections
    let well = Sink::start(|_| 200);
    let endpoint = register(&server.api, &well.url("/in"));
    publish(&server.api);
    delivery(&server.api, &endpoint, |delivery| delivery["state"] == "delivered");
    assert_eq!(server.api.get("/readyz").status, 200);
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment = names.map(|name| (name, url.as_str()));
    let home = Home::new();
    let server = start_in(&home, &environment, "{ retry: none }");
    server.api.put("/v1/accounts/a", &json!({ "contract": "plain" })).expect(201);
    let sink = Sink::start(|_| 200);
    let plain = register(&server.api, &sink.url("/in"));
    let tls = register(&server.api, &sink.url("/in").replace("http:", "https:"));
    publish(&server.api);
    delivery(&server.api, &plain, |delivery| delivery["state"] == "delivered");
    let failed = delivery(&server.api, &tls, |delivery| delivery["state"] == "failed");
    assert_eq!(failed["attempts"][0]["outcome"], "tls", "it spoke to the receiver itself: {failed}");
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "nobody came to the proxy");
}

#[test]
fn how_long_an_endpoint_has_been_unhealthy_is_known_after_a_restart() {
    let home = Home::new();
    let policy = "{ retry: { schedule: [1h] }, health: { unhealthy: { after_failures: 1 }, \
                  failed: { after_unhealthy_for: 1s, then: pause } } }";
    let server = start(&home, policy);
    let sink = Sink::start(|_| 500);
    let endpoint = register(&server.api, &sink.url("/in"));
    let health = |api: &Api| api.get(&format!("/v1/accounts/a/endpoints/{endpoint}")).expect(200)["health"].clone();
    publish(&server.api);
    until("it is unhealthy", || (health(&server.api) == "unhealthy").then_some(()));
    let unhealthy = Instant::now();
    server.kill();
    until("it has been so for long enough", || (unhealthy.elapsed() > Duration::from_secs(1)).then_some(()));
    let server = start_again(&home, policy);
    assert_eq!(health(&server.api), "unhealthy");
    publish(&server.api);
    until("the first failure after the restart is one too many", || (health(&server.api) == "failed").then_some(()));
}

#[test]
fn retry_after_puts_the_next_attempt_off() {
    let busy = Sink::start_with(|_| Reply { headers: vec![("retry-after", "600".to_owned())], ..429.into() });
    let home = Home::new();
    let server = start(&home, "{ retry: { schedule: [20ms] }, retry_after: { max: 1h } }");
    let endpoint = register(&server.api, &busy.url("/in"));
    publish(&server.api);
    let delivery = delivery(&server.api, &endpoint, |delivery| attempts(delivery) == 1);
    let due = Timestamp::parse_rfc3339(delivery["due_at"].as_str().unwrap()).unwrap();
    let wait = due.since(now());
    assert!(wait > Duration::from_secs(500) && wait <= Duration::from_secs(600), "due in {wait:?}");
    // By the schedule alone it would be due within 20 ms: a neighbour's retries, asked for later, come meanwhile.
    let sink = Sink::start(|_| 500);
    let neighbour = register(&server.api, &sink.url("/in"));
    publish(&server.api);
    self::delivery(&server.api, &neighbour, |delivery| attempts(delivery) == 2);
    assert_eq!(busy.count(), 1, "no retry, and the second event waits, too");
}
