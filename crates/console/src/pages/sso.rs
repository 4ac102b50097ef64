//! Signing in with the identity provider: to it, and back.

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use bellwire_sso::{Returned, SignOnError};
use cookie::{Cookie, SameSite};

use super::sign_in::{is_own_page, page, with_session};
use crate::query::Query;
use crate::{Console, Refusal, visitor};

/// What the browser keeps while its person is with the provider, and where to go afterwards.
const FLOW: &str = "bellwire_flow";
const FLOW_LASTS: cookie::time::Duration = cookie::time::Duration::minutes(10);

pub(super) async fn begin(State(console): State<Console>, query: Query) -> Result<Response, Refusal> {
    let Some(sso) = &console.options.sso else { return Err(Refusal::NoPage) };
    let to = query.get("to").filter(|to| is_own_page(to)).unwrap_or("/console");
    match sso.begin().await {
        Ok(begun) => {
            let kept = format!("{}.{}", begun.flow.expose(), hex::encode(to));
            let mut response = Redirect::to(&begun.url).into_response();
            keep(&mut response, &flow_cookie(&console, kept, FLOW_LASTS));
            Ok(response)
        }
        Err(error) => refuse(&console, to, &error),
    }
}

pub(super) async fn finish(
    State(console): State<Console>,
    extensions: Extensions,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Refusal> {
    let Some(sso) = &console.options.sso else { return Err(Refusal::NoPage) };
    let kept = visitor::cookie(&headers, FLOW).unwrap_or_default();
    let (flow, to) = kept.split_once('.').unwrap_or_default();
    let to = hex::decode(to).ok().and_then(|to| String::from_utf8(to).ok()).filter(|to| is_own_page(to));
    let to = to.as_deref().unwrap_or("/console");
    let text = |name: &str| query.get(name).map(str::to_owned);
    let error = text("error").map(|word| match text("error_description") {
        Some(description) => format!("{description} ({word})"),
        None => word,
    });
    let mut response = match sso.finish(flow, Returned { code: text("code"), state: text("state"), error }).await {
        Ok(person) => {
            let signed_in = console.app().sign_in_person(&person.name, person.role, visitor::origin(&extensions)).await?;
            with_session(&console, signed_in.token.expose(), to)
        }
        Err(error) => {
            console.app().count_refused_person(visitor::origin(&extensions));
            refuse(&console, to, &error)?
        }
    };
    keep(&mut response, &flow_cookie(&console, String::new(), cookie::time::Duration::ZERO));
    Ok(response)
}

fn flow_cookie(console: &Console, value: String, lasts: cookie::time::Duration) -> Cookie<'static> {
    Cookie::build((FLOW, value))
        .path("/console/sign-in")
        .http_only(true)
        .secure(!console.options.plain_http)
        .same_site(SameSite::Lax)
        .max_age(lasts)
        .build()
}

fn keep(response: &mut Response, cookie: &Cookie<'static>) {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The page to sign in at, with why it did not work.
fn refuse(console: &Console, to: &str, error: &SignOnError) -> Result<Response, Refusal> {
    tracing::warn!(error = %error, "somebody was not signed in by the identity provider");
    let status = match error {
        SignOnError::Provider(_) => StatusCode::BAD_GATEWAY,
        SignOnError::NotBegun | SignOnError::Refused(_) | SignOnError::Token(_) | SignOnError::NoRole { .. } => {
            StatusCode::FORBIDDEN
        }
    };
    let words = error.to_string();
    let sentence = words.chars().take(500).collect::<String>();
    Ok((status, Html(page(console, to, Some(format!("Not signed in: {sentence}.")))?)).into_response())
}
