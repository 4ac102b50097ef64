//! The sender against receivers and names of every kind. All traffic stays on loopback: where a test needs a public or a
//! private address, a resolver names it and a dialer that only takes notes is told to connect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic, and its receivers end with it"
)]

#[path = "egress/client_certificates.rs"]
mod client_certificates;
#[path = "egress/connections.rs"]
mod connections;
#[path = "egress/guard.rs"]
mod guard;
#[path = "egress/hostile_receivers.rs"]
mod hostile_receivers;
#[path = "egress/http2.rs"]
mod http2;
#[path = "egress/phases.rs"]
mod phases;
#[path = "egress/support.rs"]
mod support;
#[path = "egress/tls.rs"]
mod tls;
