//! Signing in with an API key, and signing out.

use askama::Template;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use bellwire_app::AppError;
use url::form_urlencoded;

use crate::form::Form;
use crate::query::Query;
use crate::{Console, Refusal, refusal, visitor};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    style: String,
    script: String,
    icon: String,
    to: String,
    wrong: Option<String>,
    /// Where the identity provider's pages begin, if there is one.
    sso: Option<String>,
}

pub(super) fn page(console: &Console, to: &str, wrong: Option<String>) -> Result<String, Refusal> {
    let assets = &console.assets;
    let (style, script, icon) = (assets.style.path.clone(), assets.script.path.clone(), assets.icon.path.clone());
    let sso = console.options.sso.is_some().then(|| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        format!("/console/sign-in/sso?{query}")
    });
    Ok(SignInPage { style, script, icon, to: to.to_owned(), wrong, sso }.render()?)
}

pub(super) async fn show(State(console): State<Console>, query: Query) -> Result<Html<String>, Refusal> {
    page(&console, query.get("to").unwrap_or_default(), None).map(Html)
}

pub(super) async fn sign_in(State(console): State<Console>, extensions: Extensions, form: Form) -> Result<Response, Refusal> {
    let to = form.text("to").unwrap_or_default();
    match console.app().sign_in(form.text("key").unwrap_or_default(), visitor::origin(&extensions)).await {
        Ok(signed_in) => {
            let target = if is_own_page(to) { to } else { "/console" };
            Ok(with_session(&console, signed_in.token.expose(), target))
        }
        Err(error) => {
            let wrong = match &error {
                AppError::Unauthenticated(_) => "This key is unknown, revoked or expired.".to_owned(),
                _ => refusal::sentence(&error),
            };
            let (status, _) = refusal::kind(&error);
            Ok((status, Html(page(&console, to, Some(wrong))?)).into_response())
        }
    }
}

pub(super) async fn sign_out(
    State(console): State<Console>,
    extensions: Extensions,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if let Some(token) = visitor::token(&headers) {
        console.app().sign_out(&token, visitor::origin(&extensions)).await?;
    }
    let mut response = Redirect::to("/console/sign-in").into_response();
    if let Some(cookie) = visitor::forget(&console) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Goes to a page with a new session.
pub(super) fn with_session(console: &Console, token: &str, to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    match visitor::keep(console, token) {
        Some(cookie) => {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether somebody may be sent there after signing in: to these pages, and nowhere else.
pub(super) fn is_own_page(to: &str) -> bool {
    let rest = to.strip_prefix("/console");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?'])) && !to.contains(['\\', '\r', '\n']) && to.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_these_pages_only() {
        for to in ["/console", "/console/deliveries?state=failed", "/console?since=1h"] {
            assert!(is_own_page(to), "{to}");
        }
        for to in ["", "https://evil.example", "//evil.example/console", "/consolex", "/console\\evil", "/console/\r\nx: y"] {
            assert!(!is_own_page(to), "{to}");
        }
    }
}
