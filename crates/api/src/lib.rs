//! Bellwire's HTTP API.
//!
//! Its job: the wire. It reads requests, calls the use-cases of `bellwire-app`, and writes answers; it decides nothing itself.
//! `/v1` is JSON, and every error is an `application/problem+json` with a code from one table ([`problem::Code`]) and JSON
//! pointers to what is wrong. `/published/{contract}` is whatever the contract says.
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
//! there with `body!`, which makes its type, schema and reader; its example stands in the `#[utoipa::path]`, and an answer's is
//! made by its type's `sample`. List the handler in the `routes` of that resource, and add its row to the table in
//! `tests/api/authorisation.rs`; tests fail until all of that is there. Then regenerate `docs/openapi.json` as
//! `tests/api/document.rs` says.

mod allowance;
mod answer;
mod body;
mod encoding;
mod extract;
mod health;
mod large_bodies;
pub mod metric;
mod observe;
mod openapi;
pub mod problem;
mod published;
mod query;
mod request_metrics;
mod route_label;
mod v1;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::middleware::from_fn_with_state;
use bellwire_app::App;
use bytes::Bytes;

use problem::{Code, Problem};
use request_metrics::RequestMetrics;

pub use large_bodies::LargeBodies;
use v1::events::Streams;

/// What the API needs.
#[derive(Clone)]
pub struct ApiOptions {
    /// The use-cases.
    pub app: App,
    /// The metrics as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the process takes new work: false while it starts and while it stops.
    pub ready: Arc<AtomicBool>,
    /// Room for large bodies, shared by all listeners.
    pub large_bodies: LargeBodies,
    /// Where people find the server, without a slash at the end: for links to the portal.
    pub public_url: Arc<str>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) metrics: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) large_bodies: LargeBodies,
    pub(crate) public_url: Arc<str>,
    pub(crate) requests: RequestMetrics,
    /// Those that are open.
    pub(crate) streams: Streams,
    /// The OpenAPI document, written once.
    pub(crate) document: Bytes,
}

impl Api {
    fn new(options: ApiOptions, document: String) -> Self {
        let ApiOptions { app, metrics, ready, large_bodies, public_url } = options;
        let (requests, streams, document) = (RequestMetrics::default(), Streams::default(), document.into());
        Self(Arc::new(Shared { app, metrics, ready, large_bodies, public_url, requests, streams, document }))
    }
}

impl std::ops::Deref for Api {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// All routes of the API.
pub fn router(options: ApiOptions) -> Router {
    let (router, document) = openapi::routes().split_for_parts();
    let document = openapi::finish(document).to_pretty_json().unwrap_or_default();
    let api = Api::new(options, document);
    let router = router.merge(published::routes());
    router
        .fallback(async || Problem::new(Code::RouteNotFound, "there is no such route; /v1/openapi.json lists them all"))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed, "this route does not take that method"))
        .layer(from_fn_with_state(api.clone(), observe::observe))
        .with_state(api)
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
