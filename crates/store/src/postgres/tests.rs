//! Tests against a real PostgreSQL server.

mod plans;
mod schema;
