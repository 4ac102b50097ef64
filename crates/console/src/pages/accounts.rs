//! The operator's list of accounts, and adding one.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use bellwire_app::{AccountInput, AppError, Operation};
use bellwire_domain::RetentionPeriods;
use bellwire_store::{Account, AccountStanding, STANDING_ENDPOINTS_MAX};

use super::endpoint_form::told;
use crate::form::Form;
use crate::layout::{Area, Layout, html};
use crate::query::Query;
use crate::refusal::fault_of;
use crate::show::{Badge, When, counted};
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    layout: Layout,
    may_add: bool,
    search: String,
    rows: Vec<AccountRow>,
    next: Option<String>,
}

struct AccountRow {
    id: String,
    name: String,
    contract: String,
    sandbox: bool,
    is_being_deleted: bool,
    endpoints: String,
    health: Badge,
    created: When,
}

#[derive(Template)]
#[template(path = "account_form.html")]
struct AccountFormPage {
    layout: Layout,
    contracts: Vec<(String, String, bool)>,
    id: String,
    name: String,
    sandbox: bool,
    wrong_id: Option<String>,
    wrong_name: Option<String>,
    wrong_contract: Option<String>,
    wrong: Option<String>,
    /// The secret that was drawn for it, shown once.
    secret: Option<(String, String, &'static str)>,
}

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::AccountList)?;
    let now = app.clock().now();
    let mut page = query.page();
    let search = query.get("q").unwrap_or_default().to_owned();
    if page.after.is_none() && !search.is_empty() {
        page.after = before(&search); // ids are in their order: those that begin so follow
    }
    let found = app.list_accounts(&scope, page).await?;
    let fits = |account: &Account| search.is_empty() || account.id.as_str().starts_with(&search);
    let more = found.items.last().is_some_and(&fits);
    let shown: Vec<&Account> = found.items.iter().filter(|account| fits(account)).collect();
    let standings = app.account_standings(&scope, shown.iter().map(|account| account.id.clone()).collect()).await?;
    let rows = shown.into_iter().zip(standings).map(|(account, standing)| AccountRow {
        id: account.id.to_string(),
        name: account.name.clone().unwrap_or_default(),
        contract: account.contract.clone(),
        sandbox: account.sandbox,
        is_being_deleted: account.deleting_since.is_some(),
        endpoints: counted(standing.endpoints, STANDING_ENDPOINTS_MAX),
        health: standing_badge(standing),
        created: When::new(account.created_at, now),
    });
    let rows: Vec<AccountRow> = rows.collect();
    let next = query.next(found.next.as_ref().filter(|_| more));
    let layout = Layout::of_operator(&console, &visitor, Area::Accounts, "Accounts", &query).with_call("/v1/accounts");
    let may_add = app.permit(&visitor.actor, Operation::AccountManage).is_ok();
    html(&AccountsPage { layout, may_add, search, rows, next })
}

/// How an account stands, in a word.
const fn standing_badge(standing: AccountStanding) -> Badge {
    match standing {
        AccountStanding { endpoints: 0, .. } => Badge { word: "no endpoint", tone: "off" },
        AccountStanding { failing: 1.., .. } => Badge { word: "failing", tone: "bad" },
        AccountStanding { endpoints, disabled, .. } if endpoints == disabled => Badge { word: "disabled", tone: "off" },
        AccountStanding { .. } => Badge { word: "active", tone: "good" },
    }
}

/// The largest text before all that begin with `search`; `None`: every text is after it.
fn before(search: &str) -> Option<String> {
    let last = search.chars().last()?;
    let head = search.strip_suffix(last).unwrap_or_default();
    let smaller = char::from_u32(u32::from(last).checked_sub(1)?)?;
    Some(format!("{head}{smaller}~~~~"))
}

pub(super) async fn new(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    console.app().permit(&visitor.actor, Operation::AccountManage)?;
    html(&form_page(&console, &visitor, &query, &Form::default()))
}

fn form_page(console: &Console, visitor: &Visitor, query: &Query, form: &Form) -> AccountFormPage {
    let chosen = form.text("contract").or_else(|| query.get("contract")).unwrap_or_default();
    let contracts = console.app().contracts();
    let option = |name: &str, title: &str| (name.to_owned(), title.to_owned(), name == chosen);
    AccountFormPage {
        layout: Layout::of_operator(console, visitor, Area::Accounts, "Add account", query),
        contracts: contracts.defaults().map(|contract| option(contract.name(), contract.title())).collect(),
        id: form.text("id").unwrap_or_default().to_owned(),
        name: form.text("name").unwrap_or_default().to_owned(),
        sandbox: form.is_checked("sandbox"),
        wrong_id: None,
        wrong_name: None,
        wrong_contract: None,
        wrong: None,
        secret: None,
    }
}

pub(super) async fn add(State(console): State<Console>, visitor: Visitor, query: Query, form: Form) -> Result<Response, Refusal> {
    let app = console.app();
    let scope = app.permit(&visitor.actor, Operation::AccountManage)?;
    let id = form.text("id").unwrap_or_default();
    let mut page = form_page(&console, &visitor, &query, &form);
    // The use-case changes an account that exists; this form only adds.
    let exists = match app.open_account(&visitor.actor, Operation::AccountManage, id).await {
        Ok(_) => true,
        Err(AppError::NotFound(_)) => false,
        Err(error) => return Err(error.into()),
    };
    if exists {
        page.wrong_id = Some("an account with this id exists".to_owned());
        return Ok((StatusCode::CONFLICT, Html(page.render()?)).into_response());
    }
    let input = AccountInput {
        contract_version: None,
        id,
        contract: form.text("contract").unwrap_or_default(),
        name: form.text("name").map(str::to_owned),
        secret: None,
        sandbox: form.is_checked("sandbox"),
        entitlements: Vec::new(),
        retention: RetentionPeriods::default(),
    };
    match app.put_account(&scope, input).await {
        Ok(answer) => match answer.secret {
            Some(secret) => {
                page.secret = Some(told(&secret, "Secret".to_owned()));
                html(&page)
            }
            None => Ok(Redirect::to(&format!("/console/accounts/{}?said=added", answer.account.id)).into_response()),
        },
        Err(AppError::Invalid(faults)) => {
            page.wrong_id = fault_of(&faults, "/id");
            page.wrong_name = fault_of(&faults, "/name");
            page.wrong_contract = fault_of(&faults, "/contract");
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_begins_right_before_what_it_looks_for() {
        for (search, id) in [("clinic", "clinic"), ("clinic", "clinic-7"), ("a", "a"), ("hospital_", "hospital_1")] {
            let before = before(search).unwrap();
            assert!(before.as_str() < id, "{before} {id}");
        }
        assert!(before("b").unwrap().as_str() > "azzz");
        assert_eq!(before(""), None);
    }
}
