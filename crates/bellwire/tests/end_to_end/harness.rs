//! What the tests share: a server to drive, a client to drive it with, receivers to deliver to.

mod client;
mod command;
mod listener;
mod platform;
mod receiver;
mod server;
mod terminal;
mod tls;

use bellwire_domain::Timestamp;

pub(crate) use bellwire_testkit::http::{Answer, Request, send};
pub(crate) use bellwire_testkit::process::{Run, run, run_with};
pub(crate) use bellwire_testkit::sink::{Gate, Reply, Sink};
pub(crate) use bellwire_testkit::waiting::{PATIENCE, until, until_within};
pub(crate) use client::{Api, ask};
pub(crate) use command::bellwire;
pub(crate) use listener::Listener;
pub(crate) use platform::{Platform, old_request, shipped};
pub(crate) use receiver::{Receiver, Seen, starting};
pub(crate) use server::{Home, KEY, LOCAL, MASTER_KEY, Server};
pub(crate) use terminal::Terminal;
pub(crate) use tls::Caller;

/// The time by the wall clock.
#[allow(clippy::disallowed_methods, reason = "receivers compare what they get with the wall clock")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap())
}
