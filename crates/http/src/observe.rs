//! What is recorded of every request: its id, a line in the log, metrics. Never its content.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use crate::problem::Failure;
use crate::route_label::RouteLabel;
use crate::{Api, allowance};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_LENGTH_MAX: usize = 128;

/// What a request's method is counted as.
pub const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];

/// These routes, with each request recorded.
pub fn observed(router: Router<Api>, api: &Api) -> Router {
    router.layer(from_fn_with_state(api.clone(), observe)).with_state(api.clone())
}

/// Runs the request and records its result.
async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let clock = api.app.clock();
    let started = clock.now();
    let id = request_id(&api, request.headers());
    let method = method_label(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = allowance::showing(next.run(request)).await;

    let published = response.extensions_mut().remove::<RouteLabel>();
    let route = published.as_ref().map(|RouteLabel(label)| label.as_ref());
    let route = route.or(path.as_ref().map(MatchedPath::as_str)).unwrap_or("unmatched");
    let status = response.status();
    let duration = clock.now().since(started);
    if let Some(Failure(error)) = response.extensions_mut().remove::<Failure>() {
        tracing::error!(request.id = ?id, http.method = method, http.route = route, error, "request failed inside");
    }
    tracing::debug!(
        request.id = ?id,
        http.method = method,
        http.route = route,
        http.status = status.as_u16(),
        duration_ms = duration.as_secs_f64() * 1_000.0,
        "request answered"
    );
    api.requests.record(route, method, status.as_u16(), duration.as_secs_f64());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The caller's request id if it is sane, otherwise a new one.
fn request_id(api: &Api, headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:".contains(byte);
        !bytes.is_empty() && bytes.len() <= REQUEST_ID_LENGTH_MAX && bytes.iter().all(allowed)
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(sane) {
        return given.clone();
    }
    let mut drawn = [0; 32];
    let written = hex::encode_to_slice(api.app.entropy().bytes::<16>(), &mut drawn);
    written.ok().and_then(|()| HeaderValue::from_bytes(&drawn).ok()).unwrap_or_else(|| HeaderValue::from_static("none"))
}

/// The method as a label. Strangers can invent methods, and each label takes memory forever.
fn method_label(method: &axum::http::Method) -> &'static str {
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}
