//! The tables, one file each: what a row holds, how it is written and how it is read.
//!
//! A column stands here and in the migrations, and in no list elsewhere: INSERTs, SELECT lists, what is copied when a store
//! moves, and the readers are made from these declarations.
//!
//! To add a column: a migration for each database, a field in its table's file, and whatever uses it.

pub(crate) mod account;
pub(crate) mod activation;
pub(crate) mod attempt;
pub(crate) mod audit;
pub(crate) mod bulk_retry;
pub(crate) mod client;
pub(crate) mod contract_key;
pub(crate) mod delivery;
pub(crate) mod disclosure;
pub(crate) mod due;
pub(crate) mod endpoint;
mod endpoint_config;
pub(crate) mod erasure;
pub(crate) mod event;
pub(crate) mod heartbeat;
pub(crate) mod hold;
pub(crate) mod incident;
pub(crate) mod key;
pub(crate) mod lane;
pub(crate) mod lease;
pub(crate) mod master_key;
pub(crate) mod meta;
pub(crate) mod operator_notice;
pub(crate) mod queued;
pub(crate) mod replay;
pub(crate) mod resource;
pub(crate) mod retention;
pub(crate) mod rollup;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod subject;
