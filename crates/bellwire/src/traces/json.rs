//! Spans as the JSON of OTLP: ids in hex, 64-bit numbers as texts. Names of attributes are OpenTelemetry's where it has them.

use bellwire_domain::Timestamp;
use bellwire_domain::trace::{AttemptSpan, PublishSpan, SpanIds, Target, TracedEvent};
use serde_json::{Value, json};

/// One of either kind.
#[derive(Debug)]
pub(super) enum Span {
    Published(PublishSpan),
    Attempted(AttemptSpan),
}

/// `SPAN_KIND_CLIENT` and `SPAN_KIND_PRODUCER`.
const CLIENT: u8 = 3;
const PRODUCER: u8 = 4;
/// `STATUS_CODE_ERROR`.
const FAILED: u8 = 2;

/// What a collector is posted.
pub(super) fn document(spans: &[Span]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let resource = [text("service.name", "bellwire"), text("service.version", env!("CARGO_PKG_VERSION"))];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "bellwire", "version": env!("CARGO_PKG_VERSION") }, "spans": spans }],
    }] })
}

fn span(span: &Span) -> Value {
    match span {
        Span::Published(span) => published(span),
        Span::Attempted(span) => attempted(span),
    }
}

fn published(PublishSpan { event, started_at, ended_at }: &PublishSpan) -> Value {
    let ids = SpanIds::of_event(&event.account, &event.id);
    let mut attributes = of_event(event);
    attributes.push(text("messaging.operation.type", "send"));
    json!({
        "traceId": hex(&ids.trace), "spanId": hex(&ids.span), "name": format!("publish {}", event.event_type), "kind": PRODUCER,
        "startTimeUnixNano": nanos(*started_at), "endTimeUnixNano": nanos(*ended_at), "attributes": attributes,
    })
}

fn attempted(span: &AttemptSpan) -> Value {
    let AttemptSpan { event, delivery, attempt, target, started_at, duration, status, error } = span;
    let (ids, publish) = (SpanIds::of_attempt(*delivery, *attempt), SpanIds::of_event(&event.account, &event.id));
    let mut attributes = of_event(event);
    attributes.push(text("bellwire.delivery.id", &delivery.to_string()));
    attributes.push(number("bellwire.attempt", i64::from(*attempt)));
    if *attempt > 1 {
        attributes.push(number("http.request.resend_count", i64::from(attempt - 1)));
    }
    let method = target.as_ref().map_or("POST", |target| &target.method);
    if let Some(Target { method, scheme, host, port }) = target {
        attributes.extend([text("http.request.method", method), text("url.scheme", scheme), text("server.address", host)]);
        attributes.push(number("server.port", i64::from(*port)));
    }
    attributes.extend(status.map(|status| number("http.response.status_code", i64::from(status))));
    let error = status.filter(|status| *status >= 400).map(|status| status.to_string()).or_else(|| error.map(str::to_owned));
    attributes.extend(error.as_deref().map(|error| text("error.type", error)));
    let status = if error.is_some() { json!({ "code": FAILED }) } else { json!({}) };
    json!({
        "traceId": hex(&ids.trace), "spanId": hex(&ids.span), "name": method, "kind": CLIENT, "status": status,
        "startTimeUnixNano": nanos(*started_at), "endTimeUnixNano": nanos(started_at.plus(*duration)), "attributes": attributes,
        "links": [{ "traceId": hex(&publish.trace), "spanId": hex(&publish.span) }],
    })
}

fn of_event(event: &TracedEvent) -> Vec<Value> {
    let TracedEvent { account, contract, id, event_type } = event;
    vec![
        text("bellwire.account.id", account.as_str()),
        text("bellwire.contract", contract),
        text("bellwire.event.id", id.as_str()),
        text("bellwire.event.type", event_type.as_str()),
    ]
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn nanos(at: Timestamp) -> String {
    (i128::from(at.as_micros()) * 1_000).to_string()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
