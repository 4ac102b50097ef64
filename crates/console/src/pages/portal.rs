//! A link to an account's portal. Reading it shows a button, and only the button uses it up: mail scanners and previews follow
//! links, and would spend it before its reader does. With JavaScript the button presses itself.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{Extensions, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::sign_in::with_session;
use crate::{Console, Refusal, visitor};

#[derive(Template)]
#[template(path = "portal.html")]
struct PortalPage {
    style: String,
    script: String,
    icon: String,
    is_used: bool,
}

fn page(console: &Console, is_used: bool) -> Result<String, Refusal> {
    let assets = &console.assets;
    let (style, script, icon) = (assets.style.path.clone(), assets.script.path.clone(), assets.icon.path.clone());
    Ok(PortalPage { style, script, icon, is_used }.render()?)
}

pub(super) async fn ask(State(console): State<Console>) -> Result<Html<String>, Refusal> {
    page(&console, false).map(Html)
}

pub(super) async fn open(
    State(console): State<Console>,
    extensions: Extensions,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let opened = console.app().open_portal_link(&token, visitor::origin(&extensions)).await?;
    if let Some(signed_in) = opened {
        let home = signed_in.actor.account.as_ref().map_or_else(
            || "/console".to_owned(), // the operator's
            |account| format!("/console/accounts/{account}"),
        );
        let target = format!("{home}{}", signed_in.path.as_deref().unwrap_or_default());
        return Ok(with_session(&console, signed_in.token.expose(), target.trim_end_matches('/')));
    }
    match &console.options.portal_refresh_url {
        Some(url) => Ok(Redirect::to(url).into_response()),
        None => Ok((StatusCode::GONE, Html(page(&console, true)?)).into_response()),
    }
}
