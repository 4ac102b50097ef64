//! Publishing one event, with its data as it is written.

use std::fmt::Write as _;

use http::Method;
use serde_json::json;
use serde_json::value::RawValue;

use crate::cli::EventFields;
use crate::client::failure::Failure;
use crate::client::session::{Session, path};

/// Publishes an event, and shows what came of it.
pub(super) async fn publish(
    session: &Session,
    account: &str,
    event_type: &str,
    data: &RawValue,
    fields: &EventFields,
) -> Result<(), Failure> {
    let mut body = format!("{{\"type\":{},\"data\":{}", json!(event_type), data.get());
    if let Some(id) = &fields.id {
        let _ = write!(body, ",\"id\":{}", json!(id));
    }
    if !fields.subjects.is_empty() {
        let _ = write!(body, ",\"subjects\":{}", json!(fields.subjects));
    }
    body.push('}');
    let answer = session.http().send(Method::POST, &path(&["accounts", account, "events"]), Some(body.into_bytes())).await?;
    session.print(&answer)
}
