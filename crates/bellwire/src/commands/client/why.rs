//! A delivery in words: whether it has arrived, what each attempt came to, what to do, and what happens next.

use bellwire_console::words;
use serde_json::Value;

use crate::client::plain::{instant, plain, value};
use crate::client::table;

/// What is to be said of a delivery; `endpoint` is where it goes, if it is still there.
pub(super) fn lines(delivery: &Value, endpoint: Option<&Value>) -> Vec<String> {
    let field = |name: &str| value(delivery.get(name));
    let place = endpoint.map_or_else(
        || "deleted, or not for this key to see".to_owned(),
        |endpoint| format!("{}, {}", value(endpoint.get("url")), standing(endpoint)),
    );
    let head = [
        vec!["delivery".to_owned(), format!("{}, the endpoint's number {}", field("id"), field("number"))],
        vec!["state".to_owned(), state(delivery)],
        vec!["account".to_owned(), field("account")],
        vec!["event".to_owned(), format!("{}, {}", field("event"), field("event_type"))],
        vec!["endpoint".to_owned(), format!("{}: {place}", field("endpoint"))],
        vec!["created".to_owned(), field("created_at")],
        vec!["next".to_owned(), next(delivery, endpoint)],
    ];
    let mut lines = table::aligned(&head);
    let attempts = delivery.get("attempts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for attempt in attempts {
        lines.push(String::new());
        push_attempt(delivery, attempt, &mut lines);
    }
    lines
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn state(delivery: &Value) -> String {
    let waits = delivery.get("waits_for_earlier").and_then(Value::as_bool) == Some(true);
    let count = delivery.get("attempt_count").and_then(Value::as_u64).unwrap_or(0);
    match text(delivery, "state") {
        "delivered" => "delivered: the receiver took it".to_owned(),
        "failed" => "failed: it did not arrive, and is not tried again by itself".to_owned(),
        "cancelled" => {
            "cancelled: it is not sent any more, as its endpoint was deleted or a newer event took its place".to_owned()
        }
        "pending" if waits => "pending: it waits for an earlier delivery to the same endpoint".to_owned(),
        "pending" if count == 0 => "pending: it has not been tried yet".to_owned(),
        "pending" => "pending: it has not arrived yet, and is tried again".to_owned(),
        other => plain(other),
    }
}

/// How the endpoint is.
fn standing(endpoint: &Value) -> &'static str {
    if endpoint.get("enabled").and_then(Value::as_bool) == Some(false) {
        return "switched off";
    }
    match text(endpoint, "health") {
        "failed" => "paused after failures",
        "unhealthy" => "failing",
        "pending" => "waiting for its handshake",
        _ => "switched on",
    }
}

/// What happens next, and what keeps it from happening.
fn next(delivery: &Value, endpoint: Option<&Value>) -> String {
    let id = value(delivery.get("id"));
    let ended = || instant(text(delivery, "ended_at"));
    match text(delivery, "state") {
        "delivered" => format!("nothing; it arrived at {}", ended()),
        "failed" => format!("nothing; it ended at {}. To send it again: bellwire deliveries retry {id}", ended()),
        "cancelled" => format!("nothing; it ended at {}", ended()),
        _ => {
            let due = delivery.get("due_at").and_then(Value::as_str).map(instant);
            let due = due.map_or_else(|| "after the delivery that it waits for".to_owned(), |due| format!("due at {due}"));
            match endpoint.map(standing) {
                Some("switched off") => format!("{due}; but nothing is sent until the endpoint is switched on"),
                Some("paused after failures") => format!("{due}; but nothing is sent until the endpoint is resumed"),
                Some("waiting for its handshake") => format!("{due}; but nothing is sent before its handshake"),
                _ => due,
            }
        }
    }
}

fn push_attempt(delivery: &Value, attempt: &Value, lines: &mut Vec<String>) {
    let number = attempt.get("number").and_then(Value::as_u64);
    let is_last = number.is_some() && number == delivery.get("attempt_count").and_then(Value::as_u64);
    let arrived = is_last && text(delivery, "state") == "delivered";
    let status = attempt.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
    let words = words(text(attempt, "outcome"), status, arrived);
    let manual = if text(attempt, "trigger") == "manual" { ", asked for by hand" } else { "" };
    let came_to = if arrived { "arrived" } else { "failed" };
    let status = status.map(|status| format!(" {status}")).unwrap_or_default();
    let outcome = value(attempt.get("outcome"));
    lines.push(format!(
        "attempt {}  {}  {} ms  {came_to}: {outcome}{status}{manual}",
        value(attempt.get("number")),
        value(attempt.get("started_at")),
        value(attempt.get("duration_ms")),
    ));
    if !arrived {
        lines.push(format!("  {}, {}.", words.what, words.side.words()));
        lines.push(format!("  What to do: {}", words.advice));
    }
    for (name, title) in [("detail", "Detail"), ("response", "Response")] {
        if let Some(said) = attempt.get(name).and_then(Value::as_str).filter(|said| !said.is_empty()) {
            lines.push(format!("  {title}: {}", plain(said)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery(state: &str) -> Value {
        json!({
            "id": "dlv_1", "number": 7, "account": "a", "event": "e", "event_type": "t.x", "endpoint": "p", "state": state,
            "created_at": "2025-01-15T10:30:00.000000Z", "due_at": "2025-01-15T10:31:00.000000Z", "waits_for_earlier": false,
            "ended_at": "2025-01-15T10:32:00.000000Z", "attempt_count": 1,
            "attempts": [{ "number": 1, "started_at": "2025-01-15T10:30:00.012000Z", "duration_ms": 85, "outcome": "response",
                "status": 503, "trigger": "automatic", "response": "try\u{1b} later" }]
        })
    }

    #[test]
    fn a_failure_is_told_with_what_to_do_and_what_comes_next() {
        let endpoint = json!({ "url": "https://c.example/in", "enabled": true, "health": "unhealthy" });
        let told = lines(&delivery("pending"), Some(&endpoint)).join("\n");
        let expected = "\
delivery  dlv_1, the endpoint's number 7
state     pending: it has not arrived yet, and is tried again
account   a
event     e, t.x
endpoint  p: https://c.example/in, failing
created   2025-01-15T10:30:00Z
next      due at 2025-01-15T10:31:00Z

attempt 1  2025-01-15T10:30:00Z  85 ms  failed: response 503
  The receiver is not available, on the receiver's side.
  What to do: It is starting, stopping or overloaded.
  Response: try\\u{1b} later";
        assert_eq!(told, expected);
    }

    #[test]
    fn what_keeps_a_delivery_is_said() {
        let next_of =
            |enabled: bool, health: &str| next(&delivery("pending"), Some(&json!({ "enabled": enabled, "health": health })));
        assert!(next_of(false, "active").ends_with("until the endpoint is switched on"));
        assert!(next_of(true, "failed").ends_with("until the endpoint is resumed"));
        assert!(next(&delivery("failed"), None).ends_with("bellwire deliveries retry dlv_1"));
        let arrived = lines(&delivery("delivered"), None).join("\n");
        assert!(arrived.contains("arrived: response") && !arrived.contains("What to do"), "{arrived}");
    }
}
