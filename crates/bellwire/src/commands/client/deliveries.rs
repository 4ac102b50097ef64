//! `bellwire deliveries`

use http::Method;
use serde_json::Value;

use super::why;
use crate::cli::{DeliveriesCommand, DeliveryFilter, OutputForm, Paging};
use crate::client::failure::Failure;
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
