//! `bellwire accounts`

use http::Method;
use serde_json::json;

use crate::cli::AccountsCommand;
use crate::client::assign::{assign_all, set};
use crate::client::failure::Failure;
use crate::client::session::{Session, path};
use crate::client::table::Column;

const COLUMNS: &[Column] =
    &[("id", "/id"), ("name", "/name"), ("contract", "/contract"), ("sandbox", "/sandbox"), ("created", "/created_at")];

pub(super) async fn run(session: &Session, command: AccountsCommand) -> Result<(), Failure> {
    match command {
        AccountsCommand::List(paging) => session.list(&path(&["accounts"]), &[], &paging, COLUMNS).await,
        AccountsCommand::Show { account } => session.show(Method::GET, &path(&["accounts", &account]), None).await,
        AccountsCommand::Put { account, contract, name, entitlements, sandbox, set: assignments } => {
            let mut body = json!({ "contract": contract });
            set(&mut body, "name", name);
            set(&mut body, "entitlements", Some(entitlements).filter(|types| !types.is_empty()));
            set(&mut body, "sandbox", sandbox.then_some(true));
            assign_all(&mut body, &assignments)?;
            session.show(Method::PUT, &path(&["accounts", &account]), Some(&body)).await
        }
        AccountsCommand::Delete { account } => {
            let done = format!("the deletion of {account} has begun");
            session.delete(&path(&["accounts", &account]), &done).await
        }
    }
}
