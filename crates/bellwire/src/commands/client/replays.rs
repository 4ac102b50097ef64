//! `bellwire replays`

use http::Method;
use serde_json::json;

use crate::cli::{ReplaysArguments, ReplaysCommand};
use crate::client::assign::set;
use crate::client::failure::Failure;
use crate::client::session::{Session, needed, path};
use crate::client::table::Column;

const COLUMNS: &[Column] = &[
    ("id", "/id"),
    ("endpoint", "/endpoint"),
    ("state", "/state"),
    ("examined", "/examined"),
    ("created", "/created"),
    ("since", "/since"),
    ("until", "/until"),
];

pub(super) async fn run(session: &Session, arguments: ReplaysArguments) -> Result<(), Failure> {
    if let (ReplaysCommand::List(paging), None) = (&arguments.command, &arguments.endpoint) {
        return session.list(&path(&["replays"]), &[], paging, COLUMNS).await;
    }
    let account = needed("--account", arguments.account.as_deref())?;
    let endpoint = needed("--endpoint", arguments.endpoint.as_deref())?;
    let below = |rest: &[&str]| path(&[&["accounts", account, "endpoints", endpoint], rest].concat());
    match arguments.command {
        ReplaysCommand::Start { since, until, states, dry_run } => {
            let mut body = json!({ "since": since });
            set(&mut body, "until", until);
            set(&mut body, "states", Some(states).filter(|states| !states.is_empty()));
            set(&mut body, "preview", dry_run.then_some(true));
            session.show(Method::POST, &below(&["replay"]), Some(&body)).await
        }
        ReplaysCommand::List(paging) => session.list(&below(&["replays"]), &[], &paging, COLUMNS).await,
        ReplaysCommand::Show { replay } => session.show(Method::GET, &below(&["replays", &replay]), None).await,
        ReplaysCommand::Cancel { replay } => {
            session.delete(&below(&["replays", &replay]), &format!("{replay} is cancelled; what it has sent stays sent")).await
        }
    }
}
