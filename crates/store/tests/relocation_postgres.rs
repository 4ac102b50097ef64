//! A store is moved from an SQLite file to a PostgreSQL database: everything arrives, wherever the move is stopped, and at no
//! instant could a server start on both sides.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "a test may panic")]

#[allow(dead_code, reason = "shared with the suite")]
#[path = "conformance/sqlite.rs"]
mod backend;
#[path = "relocation/everything.rs"]
mod everything;
#[allow(dead_code, reason = "shared with the suite")]
#[path = "conformance/fixture.rs"]
mod fixture;
#[path = "relocation/furnished.rs"]
mod furnished;
#[path = "relocation/kept_schemas.rs"]
mod kept_schemas;
#[allow(dead_code, reason = "shared with the suite")]
#[path = "conformance/privacy.rs"]
mod privacy;
#[path = "relocation/refusals.rs"]
mod refusals;
#[path = "relocation/stops.rs"]
mod stops;
