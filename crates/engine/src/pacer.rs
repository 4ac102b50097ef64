//! Starting what had to pause: lanes whose rate limit, or whose endpoint, asked for time.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Timestamp;

use crate::shared::Shared;

/// The longest wait between two looks at the clock, which somebody may set back.
const BEAT: Duration = Duration::from_secs(1);

/// What the store had scheduled may now be far off as well.
async fn reschedule(shared: &Shared, now: Timestamp) {
    match shared.queue.clock_set_back(now).await {
        Ok(()) => shared.wake.clear(),
        Err(error) => tracing::error!(error = %error, "retries scheduled by a clock that was ahead keep their times"),
    }
    shared.wake.sooner.notify_one();
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut last = shared.clock.now();
    loop {
        let now = shared.clock.now();
        if now < last {
            tracing::warn!(seconds = last.since(now).as_secs(), "the clock was set back");
            shared.scheduler.lock().clock_set_back(now);
            reschedule(&shared, now).await;
        }
        last = shared.clock.now();
        let deadline = shared.start_all();
        shared.beats.looked();
        let wait = deadline.map_or(BEAT, |deadline| deadline.since(now).clamp(Duration::from_millis(1), BEAT));
        shared.pacer.will_look_at(now.plus(wait));
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = shared.pacer.sooner.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}
