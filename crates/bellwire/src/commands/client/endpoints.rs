//! `bellwire endpoints`

use http::Method;
use serde_json::{Value, json};

use crate::cli::{EndpointFields, EndpointsArguments, EndpointsCommand};
use crate::client::assign::{assign_all, set};
use crate::client::failure::Failure;
use crate::client::input;
use crate::client::session::{Session, needed, path};
use crate::client::table::Column;

const COLUMNS: &[Column] =
    &[("id", "/id"), ("name", "/name"), ("url", "/url"), ("enabled", "/enabled"), ("health", "/health"), ("events", "/events")];

pub(super) async fn run(session: &Session, arguments: EndpointsArguments) -> Result<(), Failure> {
    let account = needed("--account", arguments.account.as_deref())?;
    let all = path(&["accounts", account, "endpoints"]);
    let one = |endpoint: &str| path(&["accounts", account, "endpoints", endpoint]);
    let act = |endpoint: &str, verb: &str| path(&["accounts", account, "endpoints", endpoint, verb]);
    match arguments.command {
        EndpointsCommand::List(paging) => session.list(&all, &[], &paging, COLUMNS).await,
        EndpointsCommand::Show { endpoint } => session.show(Method::GET, &one(&endpoint), None).await,
        EndpointsCommand::Create { url, fields } => session.show(Method::POST, &all, Some(&body(Some(url), fields)?)).await,
        EndpointsCommand::Update { endpoint, url, fields } => {
            if fields.secret.is_some() {
                return Err(Failure::Usage("--secret: `endpoints rotate-secret` changes it".to_owned()));
            }
            session.show(Method::PATCH, &one(&endpoint), Some(&body(url, fields)?)).await
        }
        EndpointsCommand::Delete { endpoint } => session.delete(&one(&endpoint), &format!("{endpoint} is deleted")).await,
        EndpointsCommand::Enable { endpoint } => session.show(Method::POST, &act(&endpoint, "enable"), None).await,
        EndpointsCommand::Disable { endpoint } => session.show(Method::POST, &act(&endpoint, "disable"), None).await,
        EndpointsCommand::Resume { endpoint } => session.show(Method::POST, &act(&endpoint, "resume"), None).await,
        EndpointsCommand::RotateSecret { endpoint, overlap, secret } => {
            let mut body = json!({});
            set(&mut body, "overlap", overlap);
            set(&mut body, "secret", secret.map(|given| input::text("--secret", &given)).transpose()?);
            session.show(Method::POST, &act(&endpoint, "secrets"), Some(&body)).await
        }
        EndpointsCommand::Test { endpoint, event_type } => {
            let mut body = json!({});
            set(&mut body, "type", event_type);
            session.show(Method::POST, &act(&endpoint, "test"), Some(&body)).await
        }
    }
}

fn body(url: Option<String>, fields: EndpointFields) -> Result<Value, Failure> {
    let mut body = json!({});
    set(&mut body, "url", url);
    set(&mut body, "name", fields.name);
    set(&mut body, "events", Some(fields.events).filter(|types| !types.is_empty()));
    set(&mut body, "secret", fields.secret.map(|given| input::text("--secret", &given)).transpose()?);
    assign_all(&mut body, &fields.set)?;
    Ok(body)
}
