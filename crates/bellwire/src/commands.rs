//! One file per command.

pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod migrate;
pub(crate) mod serve;
pub(crate) mod verify;
