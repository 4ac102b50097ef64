//! What can be done with an endpoint: switched, tested, resumed, replayed, its secret rotated, removed.

use std::borrow::Cow;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{AccountAccess, AppError, EventInput, Operation, SecretInput};
use bellwire_domain::Secret;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::account::label;
use super::endpoint_form::{SecretPage, told};
use crate::form::Form;
use crate::layout::{Area, Layout, html, words};
use crate::query::Query;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

/// Account and endpoint, from the path.
pub(super) type Place = Path<(String, String)>;

async fn open(console: &Console, visitor: &Visitor, account: &str) -> Result<AccountAccess, Refusal> {
    Ok(console.app().open_account(&visitor.actor, Operation::EndpointChange, account).await?)
}

pub(super) fn back(account: &str, endpoint: &str, said: &str) -> Response {
    Redirect::to(&format!("/console/accounts/{account}/webhooks/{endpoint}?said={said}")).into_response()
}

pub(super) async fn switch(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
    form: Form,
) -> Result<Response, Refusal> {
    let access = open(&console, &visitor, &account).await?;
    let said = if form.text("active") == Some("true") {
        console.app().enable_endpoint(&access, &id).await?;
        "enabled"
    } else {
        console.app().disable_endpoint(&access, &id).await?;
        "disabled"
    };
    if form.text("from") == Some("list") {
        return Ok(Redirect::to(&format!("/console/accounts/{account}?said={said}")).into_response());
    }
    Ok(back(&account, &id, said))
}

pub(super) async fn resume(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
) -> Result<Response, Refusal> {
    let access = open(&console, &visitor, &account).await?;
    console.app().resume_endpoint(&access, &id).await?;
    Ok(back(&account, &id, "resumed"))
}

pub(super) async fn delete(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
) -> Result<Response, Refusal> {
    let access = open(&console, &visitor, &account).await?;
    console.app().delete_endpoint(&access, &id).await?;
    Ok(Redirect::to(&format!("/console/accounts/{account}?said=deleted")).into_response())
}

/// Sends a test event and shows it, with its attempt.
pub(super) async fn test(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
    form: Form,
) -> Result<Response, Refusal> {
    let access = open(&console, &visitor, &account).await?;
    let input = match form.text("type") {
        None => None,
        Some(event_type) => Some(EventInput {
            pointer: String::new(),
            event_type: Cow::Borrowed(event_type),
            data: json(form.raw("data").unwrap_or_default())?,
            id: None,
            occurred_at: None,
            subjects: Vec::new(),
            redeliver: false,
        }),
    };
    let (receipt, _) = console.app().test_endpoint(&access, &id, input).await?;
    Ok(Redirect::to(&format!("/console/accounts/{account}/events/{}?said=tested", receipt.id)).into_response())
}

fn json(text: &str) -> Result<Bytes, AppError> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => Ok(Bytes::copy_from_slice(value.get().as_bytes())),
        Err(error) => Err(AppError::invalid("/data", format!("the data is not JSON: {error}"))),
    }
}

pub(super) async fn rotate(
    State(console): State<Console>,
    visitor: Visitor,
    Path((account, id)): Place,
    query: Query,
    form: Form,
) -> Result<Response, Refusal> {
    let access = open(&console, &visitor, &account).await?;
    let secret = form.raw("secret").filter(|secret| !secret.is_empty()).map(|secret| Secret::new(secret.to_owned()));
    let overlap = form.text("overlap").unwrap_or("24h");
    let (endpoint, secret) = console.app().rotate_secret(&access, &id, SecretInput { secret, overlap: Some(overlap) }).await?;
    let back = format!("/console/accounts/{account}/webhooks/{id}");
    let Some(secret) = secret else { return Ok(Redirect::to(&back).into_response()) };
    let (field, secret, text) = told(&secret, words(&access).fields.secret);
    html(&SecretPage {
        layout: Layout::of_account(&console, &visitor, &access, Area::Webhooks, "Rotated", &query),
        heading: format!("{} has a new secret", label(&endpoint)),
        secret,
        text: format!("{text} The one before it is valid for {overlap} more."),
        field,
        back,
    })
}
