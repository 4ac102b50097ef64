//! The style sheet and the script, embedded, each under a name with its digest so that browsers keep it for ever.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::Console;

const STYLE: &str = include_str!("../assets/console.css");
const SCRIPT: &str = include_str!("../assets/console.js");
const ICON: &str = include_str!("../assets/icon.svg");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// One embedded file.
pub(crate) struct Asset {
    /// Its path, with the digest.
    pub(crate) path: String,
    name: String,
    kind: &'static str,
    text: &'static str,
}

/// The embedded files.
pub(crate) struct Assets {
    pub(crate) style: Asset,
    pub(crate) script: Asset,
    pub(crate) icon: Asset,
}

impl Assets {
    pub(crate) fn new() -> Self {
        Self {
            style: asset("console", "css", "text/css; charset=utf-8", STYLE),
            script: asset("console", "js", "text/javascript; charset=utf-8", SCRIPT),
            icon: asset("icon", "svg", "image/svg+xml", ICON),
        }
    }
}

fn asset(stem: &str, extension: &str, kind: &'static str, text: &'static str) -> Asset {
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    let name = format!("{stem}-{}.{extension}", digest.get(..16).unwrap_or_default());
    Asset { path: format!("/console/assets/{name}"), name, kind, text }
}

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/console/assets/{name}", get(send)).route("/console/accent/{colour}", get(accent))
}

async fn send(State(console): State<Console>, Path(name): Path<String>) -> Response {
    let assets = [&console.assets.style, &console.assets.script, &console.assets.icon];
    match assets.into_iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)), (header::CACHE_CONTROL, FOR_EVER)];
            (headers, asset.text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A contract's accent as a style sheet, since pages have no style of their own: `/console/accent/2563eb.css`.
async fn accent(Path(name): Path<String>) -> Response {
    let colour =
        name.strip_suffix(".css").filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match colour {
        Some(digits) => {
            let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/css")), (header::CACHE_CONTROL, FOR_EVER)];
            (headers, format!(":root {{ --brand: #{digits}; }}\n")).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
