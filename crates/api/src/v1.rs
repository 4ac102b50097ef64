//! The operator's API: one folder per resource, one file per operation.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod bulk_retries;
pub(crate) mod clients;
pub(crate) mod contracts;
pub(crate) mod deliveries;
pub(crate) mod disclosures;
pub(crate) mod document;
pub(crate) mod endpoints;
pub(crate) mod erasures;
pub(crate) mod events;
pub(crate) mod holds;
pub(crate) mod incidents;
pub(crate) mod keys;
pub(crate) mod replays;
pub(crate) mod resources;
pub(crate) mod stats;
pub(crate) mod system;

use bellwire_http::Api;
use utoipa_axum::router::OpenApiRouter;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .merge(keys::routes())
        .merge(contracts::routes())
        .merge(accounts::routes())
        .merge(clients::routes())
        .merge(endpoints::routes())
        .merge(events::routes())
        .merge(resources::routes())
        .merge(deliveries::routes())
        .merge(replays::routes())
        .merge(incidents::routes())
        .merge(bulk_retries::routes())
        .merge(stats::routes())
        .merge(system::routes())
        .merge(audit::routes())
        .merge(disclosures::routes())
        .merge(erasures::routes())
        .merge(holds::routes())
        .merge(document::routes())
}
