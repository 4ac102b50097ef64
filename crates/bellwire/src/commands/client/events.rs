//! `bellwire events`

use serde_json::Value;

use super::publication::publish;
use super::tail;
use crate::cli::{EventsArguments, EventsCommand, OutputForm, Paging};
use crate::client::failure::Failure;
use crate::client::input;
use crate::client::session::{Session, needed, path, with_query};
use crate::client::table::Column;
use crate::telemetry;

const COLUMNS: &[Column] = &[
    ("seq", "/seq"),
    ("created", "/created_at"),
    ("type", "/type"),
    ("id", "/id"),
    ("deliveries", "/deliveries"),
    ("test", "/test"),
];
const DELIVERIES: &[Column] =
    &[("delivery", "/id"), ("endpoint", "/endpoint"), ("state", "/state"), ("attempts", "/attempt_count")];

pub(super) async fn run(session: &Session, arguments: EventsArguments) -> Result<(), Failure> {
    let account = needed("--account", arguments.account.as_deref())?;
    match arguments.command {
        EventsCommand::List { paging, event_type, since, until, delivered, endpoint } => {
            let delivered = delivered.map(|delivered| delivered.to_string());
            let parameters = [
                ("type", event_type.as_deref()),
                ("since", since.as_deref()),
                ("until", until.as_deref()),
                ("delivered", delivered.as_deref()),
                ("endpoint", endpoint.as_deref()),
            ];
            session.list(&path(&["accounts", account, "events"]), &parameters, &paging, COLUMNS).await
        }
        EventsCommand::Show { seq } => show(session, account, seq).await,
        EventsCommand::Publish { event_type, data, fields } => {
            let data = input::json("--data", &data)?;
            publish(session, account, &event_type, &data, &fields).await
        }
        EventsCommand::Tail(arguments) => tail::run(session, account, &arguments).await,
    }
}

/// An event, and where it went.
async fn show(session: &Session, account: &str, seq: i64) -> Result<(), Failure> {
    let before = (seq - 1).to_string();
    let page = with_query(&path(&["accounts", account, "events"]), &[("after", Some(&before)), ("limit", Some("1"))]);
    let page = session.read(&page).await?;
    let event = page.pointer("/items/0").filter(|event| event.get("seq").and_then(Value::as_i64) == Some(seq));
    let event = event.ok_or_else(|| Failure::Nothing(format!("the account {account} has no event {seq}, or not any more")))?;
    if session.form() == OutputForm::Json {
        return session.print(event.to_string().as_bytes());
    }
    session.print(event.to_string().as_bytes())?;
    telemetry::print("");
    let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
    let parameters = [("account", Some(account)), ("event", Some(id))];
    let found = session.read(&with_query(&path(&["deliveries"]), &parameters)).await?;
    if found.pointer("/items/0").is_none() {
        telemetry::print("It went nowhere: when it was published, no endpoint that was switched on wanted it.");
        return Ok(());
    }
    session.list(&path(&["deliveries"]), &parameters, &Paging::default(), DELIVERIES).await
}
