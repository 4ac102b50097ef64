//! The way out: what the engine sends requests through.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Timestamp};
use bellwire_egress::{OutboundRequest, Sender};

/// What sends requests: the egress crate's [`Sender`], or a simulated network.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, all within `timeout`; `now` is the instant of the attempt.
    fn send(
        &self,
        request: OutboundRequest,
        timeout: Duration,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = AttemptOutcome> + Send + '_>>;
}

impl Transport for Sender {
    fn send(
        &self,
        request: OutboundRequest,
        timeout: Duration,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = AttemptOutcome> + Send + '_>> {
        Box::pin(Self::send(self, request, timeout, now))
    }
}
