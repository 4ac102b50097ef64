//! What every store must do, told as an operator and an engine see it: one suite, here over SQLite, with what is said of files.
//! Its pair is `conformance_postgres.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "a test may panic")]

#[path = "conformance/account_retention.rs"]
mod account_retention;
#[path = "conformance/activation.rs"]
mod activation;
#[path = "conformance/audit.rs"]
mod audit;
#[path = "conformance/sqlite.rs"]
mod backend;
#[path = "conformance/bulk_retries.rs"]
mod bulk_retries;
#[path = "conformance/checkpoints.rs"]
mod checkpoints;
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
#[path = "conformance/endpoints.rs"]
mod endpoints;
#[path = "conformance/failing_commits.rs"]
mod failing_commits;
#[path = "conformance/figures.rs"]
mod figures;
#[path = "conformance/files.rs"]
mod files;
#[path = "conformance/filters.rs"]
mod filters;
#[path = "conformance/fixture.rs"]
mod fixture;
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
#[path = "conformance/sessions.rs"]
mod sessions;
#[path = "conformance/suspects.rs"]
mod suspects;
#[path = "conformance/triggers.rs"]
mod triggers;
#[path = "conformance/watching.rs"]
mod watching;
