//! The API reference: Swagger UI over the API's own document, in the reader's browser. It is the one page with a script.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;

use crate::Library;
use crate::address::API_DOCUMENT;
use crate::answer::html;
use crate::assets;
use crate::frame::Frame;

/// What the page may load and do: Swagger UI has pictures in its style sheet, and asks this server alone.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

pub(crate) fn routes() -> Router<Library> {
    Router::new().route("/docs/api", get(reference))
}

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage<'p> {
    frame: &'p Frame,
    title: &'p str,
    current: &'p str,
    query: &'p str,
    document: &'static str,
    swagger_style: String,
    swagger_script: String,
    script: String,
}

async fn reference(State(library): State<Library>) -> Response {
    let page = ReferencePage {
        frame: &library.frame,
        title: "API reference",
        current: "/docs/api",
        query: "",
        document: API_DOCUMENT,
        swagger_style: assets::path(&assets::swagger_style_name()),
        swagger_script: assets::path(&assets::swagger_script_name()),
        script: assets::path(&assets::reference_script_name()),
    };
    html(StatusCode::OK, &page, POLICY)
}
