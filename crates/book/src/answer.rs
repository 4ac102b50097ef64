//! How pages and files are answered: what browsers may do with them, and for how long they may keep them.

use askama::Template;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// What pages may load and do: nothing but styles and pictures of their own.
pub(crate) const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// Kept, and asked about each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");
/// For what has its digest in its address.
pub(crate) const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

/// Something that does not change while the process runs.
pub(crate) struct Kept {
    body: Bytes,
    tag: HeaderValue,
    kind: &'static str,
}

impl Kept {
    pub(crate) fn new(kind: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let tag = HeaderValue::try_from(format!("\"{}\"", digest(&body))).unwrap_or(ASK_AGAIN);
        Self { body, tag, kind }
    }

    /// It, or that it has not changed.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        let has_it = asked.get_all(header::IF_NONE_MATCH).iter().any(|tags| {
            let mut tags = tags.to_str().unwrap_or_default().split(',');
            tags.any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == self.tag.as_bytes())
        });
        let mut response = if has_it {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(self.kind))], self.body.clone()).into_response()
        };
        response.headers_mut().insert(header::ETAG, self.tag.clone());
        with_headers(response, PAGE_POLICY)
    }
}

/// A page that is written each time.
pub(crate) fn html(status: StatusCode, page: &impl Template, policy: HeaderValue) -> Response {
    match page.render() {
        Ok(text) => with_headers((status, Html(text)).into_response(), policy),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Adds the headers that every page has.
pub(crate) fn with_headers(mut response: Response, policy: HeaderValue) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, REFERRER),
        (header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING),
    ];
    response.headers_mut().extend(headers);
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(ASK_AGAIN);
    response
}

/// The beginning of a digest: enough to tell versions of one thing apart.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut digest = hex::encode(Sha256::digest(bytes));
    digest.truncate(16);
    digest
}
