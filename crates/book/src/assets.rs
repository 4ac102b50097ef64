//! Style sheets and scripts, each under a name with its digest so that browsers keep it for ever.

use std::io::Read;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::read::GzDecoder;

use crate::Library;
use crate::answer::{FOR_EVER, PAGE_POLICY, digest, with_headers};
use crate::embedded::{SWAGGER_SCRIPT, SWAGGER_STYLE};

const STYLE: &str = include_str!("../assets/book.css");
const REFERENCE_SCRIPT: &str = include_str!("../assets/reference.js");
const STYLE_KIND: &str = "text/css; charset=utf-8";
const SCRIPT_KIND: &str = "text/javascript; charset=utf-8";

pub(crate) fn routes() -> Router<Library> {
    Router::new().route("/docs/assets/{name}", get(send))
}

/// Where an asset is served.
pub(crate) fn path(name: &str) -> String {
    format!("/docs/assets/{name}")
}

/// The style sheet of all pages.
pub(crate) fn style_name() -> String {
    format!("book-{}.css", digest(STYLE.as_bytes()))
}

/// The script of the API reference.
pub(crate) fn reference_script_name() -> String {
    format!("reference-{}.js", digest(REFERENCE_SCRIPT.as_bytes()))
}

/// Swagger UI's script.
pub(crate) fn swagger_script_name() -> String {
    format!("swagger-ui-{}.js", digest(SWAGGER_SCRIPT))
}

/// Swagger UI's style sheet.
pub(crate) fn swagger_style_name() -> String {
    format!("swagger-ui-{}.css", digest(SWAGGER_STYLE))
}

async fn send(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let response = if name == style_name() {
        kept(STYLE, STYLE_KIND)
    } else if name == reference_script_name() {
        kept(REFERENCE_SCRIPT, SCRIPT_KIND)
    } else if name == swagger_script_name() {
        packed(SWAGGER_SCRIPT, SCRIPT_KIND, &headers)
    } else if name == swagger_style_name() {
        packed(SWAGGER_STYLE, STYLE_KIND, &headers)
    } else {
        StatusCode::NOT_FOUND.into_response()
    };
    with_headers(response, PAGE_POLICY)
}

fn kept(body: impl IntoResponse, kind: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, FOR_EVER)];
    (headers, body).into_response()
}

/// What is embedded compressed: as it is for who takes that, and unpacked for others.
fn packed(gzip: &'static [u8], kind: &'static str, asked: &HeaderMap) -> Response {
    let mut response = if takes_gzip(asked) {
        let mut response = kept(gzip, kind);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        let mut text = Vec::new();
        match GzDecoder::new(gzip).read_to_end(&mut text) {
            Ok(_) => kept(text, kind),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip")) && parts.all(|part| !matches!(part, "q=0" | "q=0.0"))
    })
}
