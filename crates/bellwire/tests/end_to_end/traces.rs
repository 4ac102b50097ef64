//! Traces: a span for each publication and each attempt, sent to a collector, and no harm where that is away.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Api, Home, LOCAL, Request, Server, Sink, until};

/// A span as the collector reads it.
struct Span {
    name: String,
    kind: i64,
    trace: String,
    id: String,
    starts: i64,
    ends: i64,
    attributes: BTreeMap<String, String>,
    links: Vec<(String, String)>,
    failed: bool,
}

fn id(value: &Value, length: usize) -> String {
    let id = value.as_str().unwrap();
    assert!(id.len() == length && id.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{id}");
    assert!(id.bytes().any(|byte| byte != b'0'), "{id}");
    id.to_owned()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let read = |attribute: &Value| {
        let value = &attribute["value"];
        let text = value["stringValue"].as_str().or_else(|| value["intValue"].as_str());
        (attribute["key"].as_str().unwrap().to_owned(), text.unwrap_or_else(|| panic!("{attribute}")).to_owned())
    };
    of["attributes"].as_array().unwrap().iter().map(read).collect()
}

fn span(span: &Value) -> Span {
    let nanos = |name: &str| span[name].as_str().unwrap().parse().unwrap();
    let links = span["links"].as_array().into_iter().flatten();
    Span {
        name: span["name"].as_str().unwrap().to_owned(),
        kind: span["kind"].as_i64().unwrap(),
        trace: id(&span["traceId"], 32),
        id: id(&span["spanId"], 16),
        starts: nanos("startTimeUnixNano"),
        ends: nanos("endTimeUnixNano"),
        attributes: attributes(span),
        links: links.map(|link| (id(&link["traceId"], 32), id(&link["spanId"], 16))).collect(),
        failed: span["status"]["code"] == 2,
    }
}

/// All that a collector was sent.
fn collected(collector: &Sink) -> Vec<Span> {
    let read = |request: &Request| {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/otlp/v1/traces"));
        let document = request.json();
        let resources = document["resourceSpans"].as_array().unwrap();
        assert_eq!(attributes(&resources[0]["resource"])["service.name"], "bellwire");
        let scopes = resources.iter().flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
        scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).map(span).collect::<Vec<_>>()
    };
    collector.requests().iter().flat_map(read).collect()
}

fn started(home: &Home, collector: &str) -> Server {
    home.start_in(&[("BELLWIRE_OTLP_ENDPOINT", collector)], &LOCAL)
}

fn publish(api: &Api) -> String {
    api.publish("clinic", "visit.booked", r#"{"planted":"a private value"}"#)
}

fn add_endpoint(api: &Api, url: &str) {
    api.put("/v1/accounts/clinic", &json!({ "contract": "standard-webhooks" })).expect(201);
    api.post("/v1/accounts/clinic/endpoints", &json!({ "url": url })).expect(201);
}

fn spans_total(api: &Api, result: &str) -> Option<u64> {
    let metrics = api.without_key().get("/metrics").text().to_owned();
    let series = format!("bellwire_spans_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
}

#[test]
fn each_attempt_is_a_trace_that_links_to_the_publication_of_its_event() {
    let home = Home::new();
    let (collector, sink) = (Sink::start(|_| 200), Sink::start(|_| 500));
    let server = started(&home, &collector.url("/otlp/"));
    add_endpoint(&server.api, &sink.url("/in/T0KEN?key=planted-secret"));
    let event = publish(&server.api);
    let delivery = server.api.attempted("clinic", &event, 1)["id"].as_str().unwrap().to_owned();
    until("the first attempt is told", || (collected(&collector).len() == 2).then_some(()));
    server.kill();
    sink.answer(|_| 200);
    // Another process, which has seen nothing of the first.
    let server = started(&home, &collector.url("/otlp"));
    server.api.post(&format!("/v1/deliveries/{delivery}/retry"), &json!({})).expect(200);
    let spans = until("both attempts are told", || {
        let spans = collected(&collector);
        (spans.iter().filter(|span| span.kind == 3).count() == 2).then_some(spans)
    });

    let published: Vec<_> = spans.iter().filter(|span| span.kind == 4).collect();
    assert_eq!(published.len(), 1);
    let published = published[0];
    assert!(published.name.starts_with("publish ") && published.links.is_empty() && !published.failed);
    assert_eq!(
        (&published.attributes["bellwire.event.id"], &published.attributes["bellwire.account.id"][..]),
        (&event, "clinic")
    );
    let attempts: Vec<_> = spans.iter().filter(|span| span.kind == 3).collect();
    for (number, (attempt, status)) in attempts.iter().zip(["500", "200"]).enumerate() {
        let of = |name: &str| attempt.attributes.get(name).map(String::as_str);
        assert_eq!(attempt.links, [(published.trace.clone(), published.id.clone())]);
        assert!(attempt.trace != published.trace && attempt.starts >= published.starts && attempt.ends > attempt.starts);
        assert_eq!((attempt.name.as_str(), of("http.request.method")), ("POST", Some("POST")));
        assert_eq!(of("http.response.status_code"), Some(status));
        assert_eq!((of("server.address"), of("url.scheme")), (Some("127.0.0.1"), Some("http")));
        assert!(sink.url("/").ends_with(&format!(":{}/", of("server.port").unwrap())));
        assert_eq!(of("bellwire.delivery.id"), Some(delivery.as_str()));
        assert_eq!(of("bellwire.attempt"), Some((number + 1).to_string().as_str()));
        assert_eq!(of("http.request.resend_count"), (number == 1).then_some("1"));
        assert_eq!((of("error.type"), attempt.failed), ((status == "500").then_some("500"), status == "500"));
    }
    assert_ne!(attempts[0].trace, attempts[1].trace);
    for request in collector.requests() {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!["planted", "private value", "T0KEN", "key="].iter().any(|secret| text.contains(secret)), "{text}");
    }
    until("what was sent is counted", || spans_total(&server.api, "sent").filter(|sent| *sent > 0));
}

#[test]
fn what_came_in_place_of_an_answer_is_the_type_of_the_error() {
    let home = Home::new();
    let collector = Sink::start(|_| 200);
    let server = started(&home, &collector.url("/otlp"));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    add_endpoint(&server.api, &format!("http://{closed}/in"));
    let event = publish(&server.api);
    server.api.attempted("clinic", &event, 1);
    let attempt = until("it is told", || collected(&collector).into_iter().find(|span| span.kind == 3));
    assert_eq!((attempt.attributes["error.type"].as_str(), attempt.failed), ("connect", true));
    assert!(!attempt.attributes.contains_key("http.response.status_code"));
}

#[test]
fn a_collector_that_takes_nothing_holds_up_nothing() {
    let home = Home::new();
    let (collector, sink) = (Sink::start(|_| 503), Sink::start(|_| 200));
    let mut server = started(&home, &collector.url("/otlp"));
    add_endpoint(&server.api, &sink.url("/in"));
    let event = publish(&server.api);
    assert_eq!(server.api.attempted("clinic", &event, 1)["state"], "delivered");
    until("the spans are counted as dropped", || spans_total(&server.api, "dropped").filter(|dropped| *dropped >= 2));
    assert_eq!(spans_total(&server.api, "sent"), Some(0));
    server.signal("TERM");
    assert!(server.end().success());
}

#[test]
fn without_a_collector_nothing_is_told() {
    let home = Home::new();
    let sink = Sink::start(|_| 200);
    let server = home.start();
    add_endpoint(&server.api, &sink.url("/in"));
    let event = publish(&server.api);
    server.api.attempted("clinic", &event, 1);
    assert_eq!((spans_total(&server.api, "sent"), spans_total(&server.api, "dropped")), (Some(0), Some(0)));
}

/// A contract that hands the trace on.
const TRACED: &str = r#"
contract: traced
title: Traced
events: any
subscription: { url: any, secret: { from: generated } }
request:
  headers: { traceparent: "{{ attempt.traceparent }}" }
  body: "{{ event.data }}"
"#;

#[test]
fn a_receiver_is_handed_the_trace_of_each_attempt_where_the_contract_says_so() {
    let home = Home::new();
    std::fs::write(home.path("traced.yaml"), TRACED).unwrap();
    let (collector, sink) = (Sink::start(|_| 200), Sink::start(|_| 500));
    let contracts = home.path("traced.yaml");
    let flags = [&LOCAL[..], &["--contracts", contracts.to_str().unwrap()]].concat();
    let server = home.start_in(&[("BELLWIRE_OTLP_ENDPOINT", &collector.url("/otlp"))], &flags);
    server.api.put("/v1/accounts/clinic", &json!({ "contract": "traced" })).expect(201);
    server.api.post("/v1/accounts/clinic/endpoints", &json!({ "url": sink.url("/in") })).expect(201);
    let event = publish(&server.api);
    let delivery = server.api.attempted("clinic", &event, 1)["id"].as_str().unwrap().to_owned();
    let handed = |count: usize| {
        let seen = sink.wait_for(count);
        seen.iter().map(|request| request.header("traceparent").unwrap().to_owned()).collect::<Vec<_>>()
    };
    let told = |count: usize| {
        let attempts = || collected(&collector).into_iter().filter(|span| span.kind == 3).collect::<Vec<_>>();
        until("the attempts are told", || Some(attempts()).filter(|attempts| attempts.len() >= count))
    };
    let first = handed(1);
    assert_eq!(first[0], format!("00-{}-{}-01", told(1)[0].trace, told(1)[0].id));
    server.kill();
    // Nobody collects, and the next attempt has its trace all the same.
    let server = home.start_with(&flags);
    server.api.post(&format!("/v1/deliveries/{delivery}/retry"), &json!({})).expect(200);
    let both = handed(2);
    let ids = |text: &str| text.split('-').map(ToOwned::to_owned).collect::<Vec<_>>();
    let (one, other) = (ids(&both[0]), ids(&both[1]));
    assert_eq!((one[0].as_str(), other[3].as_str(), other[1].len(), other[2].len()), ("00", "01", 32, 16));
    assert!(one[1] != other[1] && one[2] != other[2], "a retry is a trace of its own: {both:?}");
}
