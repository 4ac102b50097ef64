//! Its pair is `conformance.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "a test may panic")]

#[path = "conformance/account_retention.rs"]
mod account_retention;
#[path = "conformance/activation.rs"]
mod activation;
#[path = "conformance/audit.rs"]
mod audit;
#[path = "conformance/postgres.rs"]
mod backend;
#[path = "conformance/bulk_retries.rs"]
mod bulk_retries;
#[path = "conformance/claims.rs"]
mod claims;
#[path = "conformance/clients.rs"]
mod clients;
#[path = "conformance/clocks.rs"]
mod clocks;
#[path = "conformance/contract_keys.rs"]
mod contract_keys;
#[path = "conformance/contract_versions.rs"]
mod contract_versions;
#[path = "conformance/data_keys.rs"]
mod data_keys;
#[path = "conformance/doctor.rs"]
mod doctor;
#[path = "conformance/documents.rs"]
mod documents;
#[path = "conformance/earlier_nodes.rs"]
mod earlier_nodes;
#[path = "conformance/endpoints.rs"]
mod endpoints;
#[path = "conformance/figures.rs"]
mod figures;
#[path = "conformance/filters.rs"]
mod filters;
#[path = "conformance/fixture.rs"]
mod fixture;
#[path = "conformance/fleet.rs"]
mod fleet;
#[path = "conformance/heartbeats.rs"]
mod heartbeats;
#[path = "conformance/leases.rs"]
mod leases;
#[path = "conformance/log.rs"]
mod log;
#[path = "conformance/numbers.rs"]
mod numbers;
#[path = "conformance/opening.rs"]
mod opening;
#[path = "conformance/order.rs"]
mod order;
#[path = "conformance/outcomes.rs"]
mod outcomes;
#[path = "conformance/plans.rs"]
mod plans;
#[path = "conformance/privacy.rs"]
mod privacy;
#[path = "conformance/publishing.rs"]
mod publishing;
#[path = "conformance/recipients.rs"]
mod recipients;
#[path = "conformance/replays.rs"]
mod replays;
#[path = "conformance/resources.rs"]
mod resources;
#[path = "conformance/retention.rs"]
mod retention;
#[path = "conformance/rotation.rs"]
mod rotation;
#[path = "conformance/rotation_fleet.rs"]
mod rotation_fleet;
#[path = "conformance/sessions.rs"]
mod sessions;
#[path = "conformance/suspects.rs"]
mod suspects;
#[path = "conformance/triggers.rs"]
mod triggers;
#[path = "conformance/watching.rs"]
mod watching;
