//! What keeps other sites out: headers on every answer, and no POST that comes from elsewhere.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::Console;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors ";

/// Adds the headers of every answer. Pages are never kept; assets say otherwise themselves.
pub(crate) async fn add_headers(State(console): State<Console>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let frames = &console.options.frame_origins;
    let frames = if frames.is_empty() { "'none'".to_owned() } else { frames.join(" ") };
    if let Ok(policy) = HeaderValue::from_str(&format!("{POLICY}{frames}")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Refuses what would change something on behalf of another site.
pub(crate) async fn refuse_foreign_posts(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && is_foreign(request.headers()) {
        return (StatusCode::FORBIDDEN, "this request comes from another site, and was refused\n").into_response();
    }
    next.run(request).await
}

/// Whether the browser says that another site sends this. Programs that say neither send no cookie by themselves.
fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return !(site == "same-origin" || site == "none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own = origin.zip(host).is_some_and(|(origin, host)| origin.authority() == host);
    !is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_posts_from_these_pages_are_taken() {
        let foreign = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_foreign(&pairs.collect())
        };
        assert!(!foreign(&[("sec-fetch-site", "same-origin")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]));
        for site in ["cross-site", "same-site", ""] {
            assert!(foreign(&[("sec-fetch-site", site), ("origin", "http://a:1"), ("host", "a:1")]), "{site}");
        }
        assert!(!foreign(&[("origin", "https://a.example"), ("host", "a.example")]));
        assert!(!foreign(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080")]));
        for origin in ["https://b.example", "null", "https://a.example:8443", "https://a.example.evil"] {
            assert!(foreign(&[("origin", origin), ("host", "a.example")]), "{origin}");
        }
        assert!(foreign(&[("origin", "https://a.example")]), "without a host");
        assert!(!foreign(&[]));
    }
}
