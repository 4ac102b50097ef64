//! What the loops share that work step by step behind everything else: how long they wait after a failure, and what ends a wait.

use std::time::Duration;

use crate::shared::Shared;

const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a loop waits while steps fail: longer each time, up to a bound.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self(PAUSE_FIRST)
    }

    /// A step has not failed.
    pub(crate) fn reset(&mut self) {
        self.0 = PAUSE_FIRST;
    }

    /// A step has failed: how long to wait.
    pub(crate) fn grow(&mut self) -> Duration {
        self.0 = (self.0 * 2).min(PAUSE_MAX);
        self.0
    }
}

impl Shared {
    /// Waits so long, or until `woken`. `false`: the engine stops.
    pub(crate) async fn pause(&self, wait: Duration, woken: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = self.soft_stop.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
            () = woken => true,
        }
    }
}
