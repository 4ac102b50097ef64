//! Bellwire's HTTP API.
//!
//! Its job: the wire. Each operation reads a request, calls the use-cases of `bellwire-app`, and writes an answer; it decides nothing
//! itself. `/v1` is JSON, and every error is an `application/problem+json` with a code from one table ([`Code`]) and JSON pointers to
//! what is wrong. `/published/{contract}` is whatever the contract says. What all requests have in common is in `bellwire-http`.
//!
//! Its promises: a caller is authenticated before anything is revealed, and authorised before its body is read; `data` passes
//! through as the bytes that were posted; every answer carries a request id; no body, secret or payload is ever logged.
//!
//! What it must not know: the store's tables, the meaning of contracts, sockets to customers.
//!
//! To add a verb of published APIs: name it and its inputs in `bellwire-contract` (`published`), carry it out in
//! `published/act.rs`, with a route of it in `tests/api/published.rs`.
//!
//! To add a metric: count it where it happens, and give it a row in the table in `metric/table.rs`; tests fail until it is there.
//!
//! To add an operation: write a file under `v1/<resource>/` with its `#[utoipa::path]` and its handler. A JSON body is declared
//! there with [`bellwire_http::body!`], which makes its type, schema and reader; its example stands in the `#[utoipa::path]`, and an answer's is
//! made by its type's `sample`. List the handler in the `routes` of that resource, and add its row to the table in
//! `tests/api/authorisation.rs`; tests fail until all of that is there. Then regenerate `docs/openapi.json` as
//! `tests/api/document.rs` says.

mod answer;
mod health;
pub mod metric;
mod openapi;
mod published;
mod query;
mod v1;

use axum::Router;
use bellwire_http::problem::{Code, Problem};
use bellwire_http::{Api, ApiOptions, observed};

/// All routes of the API.
pub fn router(options: ApiOptions) -> Router {
    let (router, document) = openapi::routes().split_for_parts();
    let document = openapi::finish(document).to_pretty_json().unwrap_or_default();
    let api = Api::new(options, document);
    let router = router
        .merge(published::routes())
        .fallback(async || Problem::new(Code::RouteNotFound, "there is no such route; /v1/openapi.json lists them all"))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed, "this route does not take that method"));
    observed(router, &api)
}

/// `/healthz`, `/readyz` and `/metrics` alone, for a listener of their own.
pub fn health_router(options: ApiOptions) -> Router {
    let (router, _) = health::routes().split_for_parts();
    router
        .fallback(async || Problem::new(Code::RouteNotFound, "there is no such route; here are /healthz, /readyz and /metrics"))
        .with_state(Api::new(options, String::new()))
}

/// The OpenAPI 3.1 document of all routes, as served at `/v1/openapi.json`.
pub fn openapi_json() -> String {
    let (_, document) = openapi::routes().split_for_parts();
    openapi::finish(document).to_pretty_json().unwrap_or_default()
}

pub use published::published_router;
pub use v1::contracts::webhooks_document;
