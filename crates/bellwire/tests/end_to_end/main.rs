//! The real binary, driven as its users drive it: over HTTP, by signals, on a command line, with receivers that were written
//! from the platforms' own documents. One file for each promise; what they share is in `harness`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, and says where"
)]

mod api;
mod audit;
mod bytes;
mod caps_postgres;
mod client;
mod client_help;
mod clients;
mod configuration;
mod contract_writers;
mod crash;
mod cut_off_postgres;
mod demo;
mod disclosures;
mod docs;
mod doctor;
mod erasure;
mod fleet_postgres;
mod flows;
mod harness;
mod install;
mod lessons;
mod listen;
mod listen_screen;
mod listen_server;
mod logs_postgres;
mod mechanisms;
mod metrics;
mod migrate;
mod minimise;
mod node;
mod operations;
mod overload;
mod package;
mod pages;
mod planted;
mod policy;
mod published;
mod readme;
mod receivers;
mod reload;
mod replay;
mod resources;
mod rotation;
mod schemathesis;
mod seed;
mod shutdown;
mod startup;
mod supervised;
mod supervised_postgres;
mod suspects;
mod tls;
mod traces;
mod verification;
mod verify;
