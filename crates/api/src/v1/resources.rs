//! Resources on the wire.

mod get;
mod list;
mod precondition;
mod put;

use bellwire_http::Api;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get::get, put::put)).routes(routes!(list::list))
}

/// A version as an entity tag (RFC 9110 §8.8.3).
fn etag(version: i64) -> String {
    format!("\"{version}\"")
}
