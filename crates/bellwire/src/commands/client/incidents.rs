//! `bellwire incidents`

use bellwire_console::words;
use http::Method;
use serde_json::Value;

use crate::cli::{IncidentsCommand, OutputForm};
use crate::client::failure::Failure;
use crate::client::session::{Session, path};
use crate::client::table::Column;
use crate::telemetry;

const COLUMNS: &[Column] = &[
    ("id", "/id"),
    ("state", "/state"),
    ("account", "/account"),
    ("endpoint", "/endpoint"),
    ("outcome", "/outcome"),
    ("status", "/status"),
    ("failures", "/failures"),
    ("first", "/first_at"),
    ("last", "/last_at"),
];

pub(super) async fn run(session: &Session, command: IncidentsCommand) -> Result<(), Failure> {
    match command {
        IncidentsCommand::List { paging, account, state } => {
            let parameters = [("account", account.as_deref()), ("state", state.as_deref())];
            session.list(&path(&["incidents"]), &parameters, &paging, COLUMNS).await
        }
        IncidentsCommand::Show { incident } => show(session, &incident).await,
        IncidentsCommand::Acknowledge { incident } => {
            session.show(Method::POST, &path(&["incidents", &incident, "acknowledge"]), None).await
        }
    }
}

async fn show(session: &Session, id: &str) -> Result<(), Failure> {
    let answer = session.get(&path(&["incidents", id])).await?;
    session.print(&answer)?;
    if session.form() == OutputForm::Table {
        let incident = session.json(&answer)?;
        let status = incident.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let words = words(incident.get("outcome").and_then(Value::as_str).unwrap_or_default(), status, false);
        telemetry::print(&format!("\n{}, {}.\nWhat to do: {}", words.what, words.side.words(), words.advice));
    }
    Ok(())
}
