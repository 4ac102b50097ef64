//! The search field: an id leads to its page, and a URL to its endpoint's.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use bellwire_app::{AppError, Operation};
use bellwire_store::Found;

use crate::query::Query;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

/// Goes to what has this id: a delivery, a retry of many, an account, an event or an endpoint; or to the endpoint with this URL.
pub(super) async fn find(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let Some(wanted) = query.get("q") else { return Ok(Redirect::to("/console").into_response()) };
    let app = console.app();
    let go = |path: String| Ok(Redirect::to(&path).into_response());
    let scope = app.permit(&visitor.actor, Operation::DeliveryRead)?;
    if exists(app.get_delivery_head(&scope, wanted).await)? {
        return go(format!("/console/deliveries/{wanted}"));
    }
    if exists(app.get_bulk_retry(&scope, wanted).await)? {
        return go(format!("/console/bulk-retries/{wanted}"));
    }
    if exists(app.open_account(&visitor.actor, Operation::AccountRead, wanted).await)? {
        return go(format!("/console/accounts/{wanted}"));
    }
    if let Some(account) = &visitor.actor.account {
        let access = app.open_account(&visitor.actor, Operation::EventRead, account.as_str()).await?;
        if exists(app.get_event_head(&access, wanted).await)? {
            return go(format!("/console/accounts/{account}/events/{wanted}"));
        }
        if exists(app.get_endpoint(&access, wanted).await)? {
            return go(format!("/console/accounts/{account}/webhooks/{wanted}"));
        }
        return Err(Refusal::NoPage);
    }
    if wanted.starts_with("key_") {
        return go("/console/keys".to_owned());
    }
    match app.find_anywhere(&scope, wanted).await? {
        Some(Found::Event(account, event)) => go(format!("/console/accounts/{account}/events/{event}")),
        Some(Found::Endpoint(lane)) => go(format!("/console/accounts/{}/webhooks/{}", lane.account_id, lane.endpoint_id)),
        None => Err(Refusal::NoPage),
    }
}

fn exists<T>(found: Result<T, AppError>) -> Result<bool, Refusal> {
    match found {
        Ok(_) => Ok(true),
        Err(AppError::NotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
