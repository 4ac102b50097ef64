//! Resources on the wire.

mod get;
mod list;
mod put;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get::get, put::put)).routes(routes!(list::list))
}

/// A version as an entity tag (RFC 9110 §8.8.3).
fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The versions in a list of entity tags. Weak and unknown tags name none.
fn versions(tags: &str) -> Vec<i64> {
    let version = |tag: &str| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    tags.split(',').filter_map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        assert_eq!(versions(&etag(7)), [7]);
        assert_eq!(versions("\"1\", W/\"2\" ,\"x\",3,\"4\""), [1, 4]);
    }
}
