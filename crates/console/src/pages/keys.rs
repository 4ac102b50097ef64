//! API keys: listed, created and revoked by the operator.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use bellwire_app::{AppError, KeyInput, Operation};
use bellwire_domain::Role;

use crate::form::Form;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::refusal::fault_of;
use crate::show::When;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    layout: Layout,
    rows: Vec<KeyRow>,
    next: Option<String>,
    roles: &'static [&'static str],
    wrong_role: Option<String>,
    wrong_account: Option<String>,
    wrong_name: Option<String>,
    /// The new key, shown once.
    made: Option<String>,
}

struct KeyRow {
    id: String,
    /// Its name, or the beginning of its text.
    label: String,
    role: &'static str,
    account: String,
    is_genuine: bool,
    used: Option<When>,
    created: When,
    expires: Option<When>,
}

async fn page(console: &Console, visitor: &Visitor, query: &Query) -> Result<KeysPage, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::KeyManage)?;
    let now = app.clock().now();
    let found = app.list_keys(&scope, query.page()).await?;
    let rows = found.items.iter().map(|key| KeyRow {
        id: key.id.to_string(),
        label: key.name.clone().or_else(|| key.prefix.as_ref().map(|prefix| format!("{prefix}…"))).unwrap_or_default(),
        is_genuine: key.is_genuine,
        used: key.last_used_at.map(|at| When::new(at, now)),
        role: key.role.as_str(),
        account: key.account_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        created: When::new(key.created_at, now),
        expires: key.expires_at.map(|at| When::new(at, now)),
    });
    Ok(KeysPage {
        layout: Layout::of_operator(console, visitor, Area::Keys, "Keys", query).with_call("/v1/keys"),
        rows: rows.collect(),
        next: query.next(found.next.as_ref()),
        roles: Role::WORDS,
        wrong_role: None,
        wrong_account: None,
        wrong_name: None,
        made: None,
    })
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    html(&page(&console, &visitor, &query).await?)
}

pub(super) async fn add(State(console): State<Console>, visitor: Visitor, query: Query, form: Form) -> Result<Response, Refusal> {
    let scope = console.app().permit(&visitor.actor, Operation::KeyManage)?;
    let input = KeyInput {
        role: form.text("role").unwrap_or_default(),
        account: form.text("account"),
        name: form.text("name").map(str::to_owned),
        ..KeyInput::default()
    };
    match console.app().create_key(&scope, input).await {
        Ok(new) => {
            let mut page = page(&console, &visitor, &query).await?;
            page.made = Some(new.text.expose().clone());
            html(&page)
        }
        Err(AppError::Invalid(faults)) => {
            let mut page = page(&console, &visitor, &query).await?;
            page.wrong_role = fault_of(&faults, "/role");
            page.wrong_account = fault_of(&faults, "/account");
            page.wrong_name = fault_of(&faults, "/name");
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn revoke(
    State(console): State<Console>,
    visitor: Visitor,
    Path(key): Path<String>,
) -> Result<Response, Refusal> {
    let scope = console.app().permit(&visitor.actor, Operation::KeyManage)?;
    console.app().delete_key(&scope, &key).await?;
    Ok(Redirect::to("/console/keys?said=revoked").into_response())
}
