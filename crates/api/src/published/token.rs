//! What a published API serves for access tokens beside its routes: the endpoint at which clients get one, and the document about it.
//!
//! Both look as the standards say (RFC 6749 §5), whatever the contract's own refusals look like.

use axum::extract::Request;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bellwire_app::{ClientAddress, TokenRefusal, TokenRequest};
use bellwire_contract::{Contract, ErrorKind, PublishedApi, TokenRules};
use bellwire_domain::AuditVia;
use bellwire_http::Api;
use bellwire_http::RouteLabel;
use bellwire_http::extract::JsonBody;
use bellwire_http::problem::Failure;
use bellwire_store::StoreError;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::refusal::Refusal;
use super::serve;

/// Bytes of a request for a token.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Whether a path is one of these two.
pub(super) fn is_about(published: &PublishedApi, path: &str) -> bool {
    published.tokens().is_some_and(|tokens| tokens.path() == path || tokens.configuration_path() == Some(path))
}

/// The answer to a request for one of them.
pub(super) async fn answer(api: &Api, contract: &Contract, published: &PublishedApi, path: &str, request: Request) -> Response {
    let Some(tokens) = published.tokens() else { return StatusCode::NOT_FOUND.into_response() };
    let is_document = tokens.configuration_path() == Some(path);
    let mut response = match (is_document, request.method()) {
        (true, &Method::GET | &Method::HEAD) => ([(CONTENT_TYPE, "application/json")], tokens.configuration()).into_response(),
        (false, &Method::POST) => issue(api, contract, tokens, request).await,
        (_, _) => {
            let refusal = Refusal::new(ErrorKind::MethodNotAllowed, "this route does not take that method");
            let mut refused = serve::refuse(published, refusal);
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static(if is_document { "GET" } else { "POST" }));
            refused
        }
    };
    response.extensions_mut().insert(RouteLabel(format!("/published/{}{path}", contract.name()).into()));
    response
}

async fn issue(api: &Api, contract: &Contract, tokens: &TokenRules, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let origin = ClientAddress::origin(parts.extensions.get(), AuditVia::Published);
    let refuse = |error: TokenRefusal| refused(&error);
    if !serve::is_form(&parts.headers) {
        return refuse(TokenRefusal::InvalidRequest("send a form as `application/x-www-form-urlencoded`"));
    }
    // The server's own URL is the operator's word. What a request calls it is not: it may have been signed for somebody else.
    let below = format!("{}/published/{}{}", api.public_url, contract.name(), tokens.path());
    let body = match JsonBody::new(parts.headers, body, api).at_most(BODY_BYTES_MAX).read_encoded("").await {
        Ok(body) => body,
        Err(problem) => return problem_answer(&problem.into()),
    };
    let Some(wanted) = read_form(&body) else {
        return refuse(TokenRefusal::InvalidRequest("a parameter comes twice"));
    };
    match api.app.issue_token(contract, tokens, &[tokens.url(), &below], wanted, origin).await {
        Ok(issued) => answer_json(
            StatusCode::OK,
            &json!({
                "access_token": issued.token.expose(),
                "token_type": "bearer",
                "expires_in": issued.lifetime.as_secs(),
                "scope": issued.scope,
            }),
        ),
        Err(error) => refuse(error),
    }
}

/// The parameters (RFC 6749 §3.2: none comes twice, one without a value is not there, and unknown ones are passed over).
fn read_form(form: &[u8]) -> Option<TokenRequest> {
    let mut wanted = TokenRequest::default();
    for (name, value) in form_urlencoded::parse(form) {
        let parameter = match name.as_ref() {
            "grant_type" => &mut wanted.grant_type,
            "scope" => &mut wanted.scope,
            "client_assertion_type" => &mut wanted.assertion_type,
            "client_assertion" => &mut wanted.assertion,
            "client_id" => &mut wanted.client_id,
            _ => continue,
        };
        if parameter.is_some() {
            return None;
        }
        *parameter = Some(value.into_owned()).filter(|value| !value.is_empty());
    }
    Some(wanted)
}

/// A body that could not be read.
fn problem_answer(refusal: &Refusal) -> Response {
    let status = match refusal.kind {
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let error = if status == StatusCode::SERVICE_UNAVAILABLE { "temporarily_unavailable" } else { "invalid_request" };
    waiting(answer_json(status, &json!({ "error": error, "error_description": refusal.message })), refusal.retry_after)
}

fn refused(refusal: &TokenRefusal) -> Response {
    let (status, error, retry_after) = match refusal {
        TokenRefusal::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request", None),
        TokenRefusal::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type", None),
        TokenRefusal::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope", None),
        TokenRefusal::InvalidClient(_) => (StatusCode::UNAUTHORIZED, "invalid_client", None),
        TokenRefusal::TooMany { retry_after } => {
            (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", Some(retry_after.as_secs() + 1))
        }
        TokenRefusal::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", Some(20)),
        TokenRefusal::Store(StoreError::Busy | StoreError::Closed | StoreError::Unavailable(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", Some(1))
        }
        TokenRefusal::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None),
    };
    let description = match refusal {
        TokenRefusal::Store(_) => "something failed inside; the log says what, under this answer's request id".to_owned(),
        // RFC 6749 §5.2 allows no quotes.
        other => other.to_string().replace(['`', '"'], "'"),
    };
    let mut response = waiting(answer_json(status, &json!({ "error": error, "error_description": description })), retry_after);
    if let TokenRefusal::Store(error) = refusal {
        response.extensions_mut().insert(Failure(error.to_string()));
    }
    response
}

fn waiting(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// JSON that nobody keeps (RFC 6749 §5.1).
fn answer_json(status: StatusCode, body: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    (status, headers, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_each_parameter_once() {
        let read = |form: &str| read_form(form.as_bytes());
        let wanted = read("grant_type=a&scope=x+y%20z&other=1&other=2&client_id=").unwrap();
        assert_eq!((wanted.grant_type.as_deref(), wanted.scope.as_deref()), (Some("a"), Some("x y z")));
        assert_eq!((wanted.client_id, wanted.assertion), (None, None));
        assert!(read("grant_type=a&grant_type=a").is_none());
        assert!(read("").is_some());
    }
}
