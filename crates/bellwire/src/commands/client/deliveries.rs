//! `bellwire deliveries`

use std::fmt::Write as _;

use http::Method;
use serde_json::Value;

use super::why;
use crate::cli::{DeliveriesCommand, DeliveryFilter, OutputForm, Paging};
use crate::client::failure::Failure;
use crate::client::plain::plain;
use crate::client::session::{Session, path};
use crate::client::table::Column;
use crate::telemetry;

const COLUMNS: &[Column] = &[
    ("id", "/id"),
    ("state", "/state"),
    ("attempts", "/attempt_count"),
    ("type", "/event_type"),
    ("account", "/account"),
    ("endpoint", "/endpoint"),
    ("created", "/created_at"),
    ("next try", "/due_at"),
];

pub(super) async fn run(session: &Session, command: DeliveriesCommand) -> Result<(), Failure> {
    match command {
        DeliveriesCommand::List { paging, filter } => list(session, &paging, &filter).await,
        DeliveriesCommand::Show { delivery } => show(session, &delivery).await,
        DeliveriesCommand::Request { delivery, attempt } => request(session, &delivery, attempt).await,
        DeliveriesCommand::Retry { delivery } => {
            session.show(Method::POST, &path(&["deliveries", &delivery, "retry"]), None).await
        }
    }
}

async fn list(session: &Session, paging: &Paging, filter: &DeliveryFilter) -> Result<(), Failure> {
    let status = filter.status.map(|status| status.to_string());
    let parameters = [
        ("account", filter.account.as_deref()),
        ("endpoint", filter.endpoint.as_deref()),
        ("event", filter.event.as_deref()),
        ("type", filter.event_type.as_deref()),
        ("state", filter.state.as_deref()),
        ("outcome", filter.outcome.as_deref()),
        ("status", status.as_deref()),
        ("since", filter.since.as_deref()),
        ("until", filter.until.as_deref()),
    ];
    session.list(&path(&["deliveries"]), &parameters, paging, COLUMNS).await
}

/// A delivery with its attempts, and in words why it has or has not arrived.
async fn show(session: &Session, id: &str) -> Result<(), Failure> {
    let answer = session.get(&path(&["deliveries", id])).await?;
    if session.form() == OutputForm::Json {
        return session.print(&answer);
    }
    let delivery = session.json(&answer)?;
    let field = |name: &str| delivery.get(name).and_then(Value::as_str).unwrap_or_default();
    // It may be deleted by now.
    let endpoint = session.read(&path(&["accounts", field("account"), "endpoints", field("endpoint")])).await.ok();
    for line in why::lines(&delivery, endpoint.as_ref()) {
        telemetry::print(&line);
    }
    Ok(())
}

/// The request of an attempt as it went over the wire, and what was signed of it.
async fn request(session: &Session, id: &str, attempt: Option<u32>) -> Result<(), Failure> {
    let mut place = path(&["deliveries", id, "request"]);
    if let Some(attempt) = attempt {
        let _ = write!(place, "?attempt={attempt}");
    }
    let answer = session.get(&place).await?;
    if session.form() == OutputForm::Json {
        return session.print(&answer);
    }
    for line in request_lines(&session.json(&answer)?) {
        telemetry::print(&line);
    }
    Ok(())
}

fn request_lines(request: &Value) -> Vec<String> {
    let list = |name: &str| request.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let of = |from: &Value, name: &str| exact(from.get(name).and_then(Value::as_str).unwrap_or_default());
    let mut lines = vec![format!("{} {}", of(request, "method"), of(request, "url"))];
    lines.extend(list("headers").iter().map(|header| format!("{}: {}", of(header, "name"), of(header, "value"))));
    lines.extend([String::new(), of(request, "body")]);
    for signed in list("signed") {
        let is_body = signed.get("text") == request.get("body");
        let text = if is_body { "the body, byte for byte".to_owned() } else { of(signed, "text") };
        lines.extend([String::new(), format!("what was signed ({}):", of(signed, "signature")), text]);
        if signed.get("claims").is_some_and(Value::is_string) {
            lines.extend(["with the claims:".to_owned(), of(signed, "claims")]);
        }
    }
    lines
}

/// A text as it is, but for what a terminal would obey.
fn exact(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}
