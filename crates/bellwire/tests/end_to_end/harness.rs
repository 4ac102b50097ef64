//! What the tests share: a server to drive, a client to drive it with, receivers to deliver to.

mod client;
mod command;
mod listener;
mod platform;
mod receiver;
mod server;
mod sink;

use std::time::{Duration, Instant};

use bellwire_domain::Timestamp;

pub(crate) use client::{Answer, Api, ask, send};
pub(crate) use command::{Run, bellwire, run, run_with, signal};
pub(crate) use listener::Listener;
pub(crate) use platform::{Platform, old_request, shipped};
pub(crate) use receiver::{Receiver, Seen, starting};
pub(crate) use server::{Home, KEY, LOCAL, MASTER_KEY, Server};
pub(crate) use sink::{Gate, Request, Sink};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// The same for what may take longer.
#[track_caller]
pub(crate) fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", patience.as_secs());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The time by the wall clock.
#[allow(clippy::disallowed_methods, reason = "receivers compare what they get with the wall clock")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap())
}
