//! Starting what had to pause: lanes whose rate limit, or whose endpoint, asked for time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bellwire_domain::Timestamp;
use tokio::sync::Notify;

use crate::engine::Shared;

/// The longest wait between two looks at the clock, which somebody may set back.
const BEAT: Duration = Duration::from_secs(1);

/// When the pacer looks again.
#[derive(Default)]
pub(crate) struct Pacer {
    wakes_at_us: AtomicI64,
    pub(crate) sooner: Notify,
}

impl Pacer {
    pub(crate) fn wakes_at(&self) -> Timestamp {
        Timestamp::from_micros(self.wakes_at_us.load(Ordering::Acquire))
    }
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut last = shared.clock.now();
    loop {
        let now = shared.clock.now();
        if now < last {
            tracing::warn!(seconds = last.since(now).as_secs(), "the clock was set back");
            shared.scheduler.lock().clock_set_back(now);
        }
        last = now;
        let deadline = shared.start_all();
        let wait = deadline.map_or(BEAT, |deadline| deadline.since(now).clamp(Duration::from_millis(1), BEAT));
        shared.pacer.wakes_at_us.store(now.plus(wait).as_micros(), Ordering::Release);
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = shared.pacer.sooner.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
