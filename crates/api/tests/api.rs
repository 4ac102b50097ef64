//! The API in process: a real store on a temporary file, a clock that stands, and every answer held against the OpenAPI
//! document.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]

#[path = "api/accounts.rs"]
mod accounts;
#[path = "api/audit.rs"]
mod audit;
#[path = "api/authorisation.rs"]
mod authorisation;
#[path = "api/bulk_retries.rs"]
mod bulk_retries;
#[path = "api/contract_reload.rs"]
mod contract_reload;
#[path = "api/contract_versions.rs"]
mod contract_versions;
#[path = "api/contracts.rs"]
mod contracts;
#[path = "api/deliveries.rs"]
mod deliveries;
#[path = "api/document.rs"]
mod document;
#[path = "api/endpoints.rs"]
mod endpoints;
#[path = "api/events.rs"]
mod events;
#[path = "api/figures.rs"]
mod figures;
#[path = "api/keys.rs"]
mod keys;
#[path = "api/listening.rs"]
mod listening;
#[path = "api/overload.rs"]
mod overload;
#[path = "api/published.rs"]
mod published;
#[path = "api/published_sending.rs"]
mod published_sending;
#[path = "api/replays.rs"]
mod replays;
#[path = "api/resources.rs"]
mod resources;
#[path = "api/streams.rs"]
mod streams;
#[path = "api/support.rs"]
mod support;
#[path = "api/wire.rs"]
mod wire;
