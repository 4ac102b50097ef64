//! HTTP as every route of Bellwire has it, and the route that is asked most.
//!
//! Its job: what a request goes through whatever it asks for. The [`listener`] accepts connections and bounds what a stranger can hold;
//! [`observed`] gives a request its id and records it; [`extract`] says who calls and reads the path and the body; [`body`]
//! declares bodies; [`problem`] is how things are refused. Publishing an event is here too ([`publish`]): it is nearly all that a
//! busy server is asked, so it is compiled to be fast, while the other operations, in `bellwire-api`, are compiled to be built
//! quickly.
//!
//! Its promises: a caller is authenticated before anything is revealed, and authorised before its body is read; `data` passes
//! through as the bytes that were posted; every answer carries a request id; no body, secret or payload is ever logged.
//!
//! What it must not know: the store's tables, the meaning of contracts, sockets to customers, which other routes there are.

pub mod allowance;
pub mod body;
pub mod encoding;
pub mod extract;
mod large_bodies;
pub mod listener;
mod observe;
pub mod problem;
pub mod publish;
mod request_metrics;
mod route_label;
mod streams;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bellwire_app::App;
use bytes::Bytes;

use request_metrics::RequestMetrics;

pub use large_bodies::LargeBodies;
pub use observe::{METHODS, observed};
pub use route_label::RouteLabel;
pub use streams::{Place, Streams};

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

/// What handlers share. Clones share it, too.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

/// What [`Api`] holds.
pub struct Shared {
    /// The use-cases.
    pub app: App,
    /// The metrics as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the process takes new work.
    pub ready: Arc<AtomicBool>,
    /// Where people find the server, without a slash at the end.
    pub public_url: Arc<str>,
    /// The streams of events that are open.
    pub streams: Streams,
    /// The OpenAPI document, written once.
    pub document: Bytes,
    large_bodies: LargeBodies,
    requests: RequestMetrics,
}

impl Api {
    /// What handlers share, with the OpenAPI document that is served.
    pub fn new(options: ApiOptions, document: String) -> Self {
        let ApiOptions { app, metrics, ready, large_bodies, public_url } = options;
        let (requests, streams, document) = (RequestMetrics::default(), Streams::default(), document.into());
        Self(Arc::new(Shared { app, metrics, ready, public_url, streams, document, large_bodies, requests }))
    }
}

impl std::ops::Deref for Api {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}
