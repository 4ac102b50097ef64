//! The way out: what the engine sends requests through.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bellwire_domain::{Consumer, Timestamp};
use bellwire_egress::{NoRoom, OutboundRequest, Sender, Sent};

/// What comes of a request, or that there was no room to send it.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Sent, NoRoom>> + Send + 'a>>;

/// What sends requests: the egress crate's [`Sender`], or a simulated network.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request` on behalf of `consumer`, all within `timeout`; `now` is the instant of the attempt.
    fn send<'a>(&'a self, consumer: Consumer<'a>, request: OutboundRequest, timeout: Duration, now: Timestamp) -> Sending<'a>;
}

impl Transport for Sender {
    fn send<'a>(&'a self, consumer: Consumer<'a>, request: OutboundRequest, timeout: Duration, now: Timestamp) -> Sending<'a> {
        Box::pin(Self::send(self, consumer, request, timeout, now))
    }
}
