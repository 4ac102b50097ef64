//! Who looks at a page: the session in the cookie.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, header};
use bellwire_app::{Actor, ClientAddress, SESSION_LASTS_S};
use bellwire_domain::{AuditOrigin, AuditVia};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

use crate::{Console, Refusal};

/// The cookie's name.
const SESSION: &str = "bellwire_session";

/// Somebody who is signed in.
pub(crate) struct Visitor {
    pub(crate) actor: Actor,
}

impl Visitor {
    /// Whether it sees every account: the operator, or an auditor.
    pub(crate) const fn sees_all(&self) -> bool {
        self.actor.account.is_none()
    }
}

/// From where a request for a page comes.
pub(crate) fn origin(extensions: &Extensions) -> AuditOrigin {
    ClientAddress::origin(extensions.get(), AuditVia::Console)
}

/// The session's token as the browser sent it.
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    cookie(headers, SESSION)
}

/// A cookie as the browser sent it.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let sent = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = sent.flat_map(|line| Cookie::split_parse(line.to_owned()).filter_map(Result::ok));
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// The cookie that keeps a session in the browser.
pub(crate) fn keep(console: &Console, token: &str) -> Option<HeaderValue> {
    let lasts = Duration::seconds(i64::try_from(SESSION_LASTS_S).unwrap_or(i64::MAX));
    set(console, token, lasts)
}

/// The cookie that removes it.
pub(crate) fn forget(console: &Console) -> Option<HeaderValue> {
    set(console, "", Duration::ZERO)
}

fn set(console: &Console, value: &str, lasts: Duration) -> Option<HeaderValue> {
    let cookie = Cookie::build((SESSION, value.to_owned()))
        .path("/console")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(!console.options.plain_http)
        .max_age(lasts);
    HeaderValue::from_str(&cookie.to_string()).ok()
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Refusal> {
        let to = if parts.method == Method::GET { parts.uri.path_and_query().map(ToString::to_string) } else { None };
        let token = token(&parts.headers).ok_or_else(|| Refusal::SignIn { to: to.clone() })?;
        match console.app().find_session(&token, origin(&parts.extensions)).await {
            Ok(Some(actor)) => Ok(Self { actor }),
            Ok(None) => Err(Refusal::SignIn { to }),
            Err(error) => Err(error.into()),
        }
    }
}
