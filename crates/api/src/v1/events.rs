//! Events on the wire.

mod following;
mod list;
mod listen;
mod stream;

use bellwire_http::{Api, publish};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(publish::routes())
        .routes(routes!(list::list))
        .routes(routes!(stream::stream))
        .routes(routes!(listen::listen))
}
