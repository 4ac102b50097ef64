//! What `/metrics` says: the names and labels of one table, of what was done and of what is stored, and never whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use bellwire_api::metric::{METRICS, Metric, Values};
use bellwire_testkit::authority::{Authority, pem};
use bellwire_testkit::postgres::Cluster;
use serde_json::{Value, json};

use crate::harness::{Api, Caller, Gate, Home, LOCAL, Platform, Sink, send, until};

/// A line: its name, its labels, its value.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let mut left = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
    let mut found = BTreeMap::new();
    while let Some((label, rest)) = left.split_once("=\"") {
        let (value, rest) = rest.split_once('"').unwrap_or_else(|| panic!("{line}"));
        found.insert(label.to_owned(), value.to_owned());
        left = rest.trim_start_matches(',');
    }
    Sample { name: name.to_owned(), labels: found, value: value.parse().unwrap() }
}

/// The metric that a line belongs to.
fn metric_of(name: &str) -> &'static Metric {
    let parts = ["", "_bucket", "_sum", "_count"];
    let is_of = |metric: &&Metric| parts.iter().any(|part| name == format!("{}{part}", metric.name));
    METRICS.iter().find(is_of).unwrap_or_else(|| panic!("{name} is not in the table"))
}

fn metrics(api: &Api) -> String {
    api.without_key().get("/metrics").text().to_owned()
}

/// The value of one series, if it is there.
fn value(api: &Api, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let all = samples(&metrics(api));
    let is_wanted = |sample: &&Sample| {
        let has = |(label, value): &(&str, &str)| sample.labels.get(*label).is_some_and(|found| found == value);
        sample.name == name && labels.iter().all(has)
    };
    all.iter().find(is_wanted).map(|sample| sample.value)
}

/// Routes as the API and the contracts write them.
fn routes(api: &Api) -> BTreeSet<String> {
    let document = api.get("/v1/openapi.json").expect(200);
    let own = document["paths"].as_object().unwrap().keys().cloned();
    own.chain(["unmatched".to_owned()]).collect()
}

/// Holds `/metrics` against the table; the names that it has.
fn held_against_the_table(api: &Api) -> BTreeSet<&'static str> {
    let (text, routes) = (metrics(api), routes(api));
    let contracts = api.get("/v1/contracts").expect(200);
    let contracts: Vec<_> = contracts["items"].as_array().unwrap().iter().filter_map(|item| item["name"].as_str()).collect();
    let mut found = BTreeSet::new();
    for Sample { name, labels, .. } in samples(&text) {
        let metric = metric_of(&name);
        let wanted: BTreeSet<_> = metric.labels.iter().map(|label| label.name).collect();
        let has: BTreeSet<_> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
        assert_eq!(has, wanted, "{name}");
        for label in metric.labels {
            let value = labels[label.name].as_str();
            let is_known = match label.values {
                Values::Words(_) | Values::Outcome | Values::Health => label.values.words().unwrap().contains(&value),
                Values::Contract => contracts.contains(&value),
                Values::Route => routes.contains(value) || value.starts_with("/console") || value.starts_with("/assets"),
                Values::Status => value.len() == 3 && value.parse::<u16>().is_ok(),
                Values::Version => value == env!("CARGO_PKG_VERSION"),
            };
            assert!(is_known, "{name}: {} is `{value}`", label.name);
        }
        found.insert(metric.name);
    }
    for name in &found {
        let metric = metric_of(name);
        assert!(text.contains(&format!("# HELP {name} {}\n", metric.help())), "{name} is not described");
        assert!(text.contains(&format!("# TYPE {name} {}\n", metric.kind.as_str())), "{name} has another type");
    }
    found
}

/// Accounts with an endpoint each, an event for each, and strangers who make up routes, methods, contracts and keys.
struct Traffic<'a> {
    api: &'a Api,
    well: &'a Sink,
    ill: &'a Sink,
    /// What must not be in any metric.
    private: Vec<String>,
}

static ROUNDS: AtomicUsize = AtomicUsize::new(0);

impl Traffic<'_> {
    fn round(&mut self) {
        let round = ROUNDS.fetch_add(1, Ordering::Relaxed);
        for (contract, sink) in [("noyo", self.well), ("novamed", self.ill)] {
            let account = format!("planted-{contract}-{round}");
            let mut platform = Platform::set_up_as(self.api, contract, &account);
            let url = sink.url(&format!("/planted-url-{round}"));
            let endpoint = platform.add_endpoint(&url);
            let event = platform.publish_any();
            platform.attempted(&event, 1);
            self.private.extend([account, endpoint, event, url, format!("planted-url-{round}"), sink.url("")]);
        }
        for number in 0..5 {
            let made_up = format!("planted-{round}-{number}");
            assert_eq!(self.api.get(&format!("/{made_up}")).status, 404);
            assert_eq!(self.api.get(&format!("/v1/accounts/{made_up}")).status, 404);
            assert_eq!(self.api.put(&format!("/v1/accounts/{made_up}"), &json!({ "contract": made_up })).status, 422);
            let method = format!("PLANTED{round}{number}");
            send(self.api.address, &method, "/v1/accounts", &[], b"").unwrap();
            assert_eq!(self.api.with_key(&format!("bwk_{made_up}")).get("/v1/accounts").status, 401);
            self.private.extend([made_up, method]);
        }
    }
}

#[test]
fn metrics_are_those_of_the_table_and_do_not_grow_with_what_others_make_up() {
    let home = Home::new();
    let server = home.start_with(&[&LOCAL[..], &["--wrong-keys-max", "0"]].concat());
    let (well, ill) = (Sink::start(|_| 200), Sink::start(|_| 500));
    let mut traffic = Traffic { api: &server.api, well: &well, ill: &ill, private: Vec::new() };
    traffic.round();
    let open = || value(&server.api, "bellwire_incidents", &[("state", "open")]);
    until("the incident is seen", || open().filter(|open| *open > 0.0));

    let found = held_against_the_table(&server.api);
    let absent: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).filter(|name| !found.contains(name)).collect();
    let rare = [
        "bellwire_access_tokens_total", // of contracts that have any
        "bellwire_activations_total",
        "bellwire_heartbeats_total",
        "bellwire_listener_certificate_days_left", // where there is one
    ];
    assert_eq!(absent, rare.into(), "all others are there");
    let of = |name, labels: &[(&str, &str)]| value(&server.api, name, labels);
    assert_eq!(of("bellwire_build_info", &[("store", "sqlite")]), Some(1.0));
    assert_eq!(of("bellwire_oldest_due_seconds", &[]), Some(0.0));
    assert_eq!(of("bellwire_queue_deliveries", &[("state", "scheduled")]), Some(1.0), "the retry");
    assert_eq!(of("bellwire_endpoints", &[("health", "active")]), Some(2.0));
    assert_eq!(of("bellwire_end_to_end_seconds_count", &[]), Some(1.0));
    assert!(of("bellwire_audit_head", &[]).unwrap() > 3.0);

    traffic.round(); // whatever needs a second time
    let series = || samples(&metrics(&server.api)).len();
    let before = series();
    for _ in 0..8 {
        traffic.round();
    }
    assert_eq!(series(), before, "there are no more series");
    held_against_the_table(&server.api);
    let text = metrics(&server.api);
    for private in &traffic.private {
        assert!(!text.contains(private), "{private} is in the metrics");
    }
    assert!(!text.to_lowercase().contains("planted") && !text.contains("http://"), "{text}");
}

#[test]
fn a_delivery_that_nobody_begins_to_send_is_late_until_somebody_does() {
    let home = Home::new();
    let server = home.start();
    let gate = Gate::default();
    let held = gate.clone();
    let sink = Sink::start(move |_| {
        held.pass();
        200
    });
    server.api.put("/v1/accounts/clinic", &json!({ "contract": "standard-webhooks" })).expect(201);
    let wanted = json!({ "url": sink.url("/in"), "in_flight_max": 1 });
    server.api.post("/v1/accounts/clinic/endpoints", &wanted).expect(201);
    for _ in 0..2 {
        server.api.publish("clinic", "visit.booked", "{}");
    }
    let oldest = || value(&server.api, "bellwire_oldest_due_seconds", &[]);
    until("the second one is late", || oldest().filter(|seconds| *seconds > 0.0));
    assert!(value(&server.api, "bellwire_queue_deliveries", &[("state", "held")]).is_some_and(|held| held > 0.0));
    gate.open();
    until("it is sent", || oldest().filter(|seconds| *seconds == 0.0));
    until("it has arrived", || value(&server.api, "bellwire_end_to_end_seconds_count", &[]).filter(|count| *count > 1.0));
}

#[test]
fn a_listener_s_certificate_tells_how_long_it_is_good() {
    let (home, authority) = (Home::new(), Authority::new("ours"));
    let identity = authority.issue("127.0.0.1");
    let write = |name: &str, kind: &str, der: &[u8]| {
        std::fs::write(home.path(name), pem(kind, der)).unwrap();
        home.path(name).to_str().unwrap().to_owned()
    };
    let certificate = write("cert.pem", "CERTIFICATE", &identity.certificate);
    let key = write("key.pem", "PRIVATE KEY", &identity.key);
    let server = home.start_with(&["--tls-cert", &certificate, "--tls-key", &key]);
    let caller = Caller::new(&authority, None);
    let days = until("it is told", || {
        let (answer, _) = caller.ask(server.api.address, "GET", "/metrics", &[], "").unwrap();
        let all = samples(answer.text());
        all.iter().find(|sample| sample.name == "bellwire_listener_certificate_days_left").map(|sample| sample.value)
    });
    assert!(days > 365.0, "{days}");
}

#[test]
fn nodes_over_one_database_say_the_same_of_it() {
    let url = Cluster::shared().database();
    let homes = [Home::over(&url), Home::over(&url)];
    let nodes = homes.each_ref().map(Home::start);
    let sink = Sink::start(|_| 500);
    let mut platform = Platform::set_up(&nodes[0].api, "novamed");
    platform.add_endpoint(&sink.url("/in"));
    platform.publish_any();
    for node in &nodes {
        let of = |name, labels: &[(&str, &str)]| value(&node.api, name, labels);
        until("the incident is seen", || of("bellwire_incidents", &[("state", "open")]).filter(|open| *open > 0.0));
        assert_eq!(of("bellwire_build_info", &[("store", "postgres")]), Some(1.0));
        assert_eq!(of("bellwire_endpoints", &[("health", "active")]), Some(1.0));
        assert_eq!(of("bellwire_queue_deliveries", &[("state", "scheduled")]), Some(1.0));
        assert!(of("bellwire_store_read_at_seconds", &[]).is_some_and(|at| at > 1_700_000_000.0));
        held_against_the_table(&node.api);
    }
    let kept: Value = nodes[1].api.get("/v1/incidents?state=open").expect(200);
    assert_eq!(kept["items"].as_array().unwrap().len(), 1);
}
