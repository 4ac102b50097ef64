//! Events on the wire.

mod following;
mod list;
mod listen;
mod publish;
mod stream;

use bellwire_store::EventReceipt;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;

pub(crate) use following::Streams;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(publish::publish, list::list))
        .routes(routes!(stream::stream))
        .routes(routes!(listen::listen))
}

/// The result of publishing an event.
#[derive(Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// The event's id.
    id: String,
    /// Its place in the account's log.
    seq: i64,
    /// How many deliveries it created when it was first published.
    deliveries: i64,
}

impl Receipt {
    pub(crate) fn sample() -> Self {
        Self { id: "01946a2e-7c40-7000-8000-00000000000b".to_owned(), seq: 41, deliveries: 2 }
    }

    pub(crate) fn show(receipt: &EventReceipt) -> Self {
        Self { id: receipt.id.to_string(), seq: receipt.seq, deliveries: receipt.deliveries }
    }
}
