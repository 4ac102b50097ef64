//! Finding due work: retries whose time has come, and lanes with room whose deliveries wait in the store.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::Timestamp;
use bellwire_store::ClaimedDelivery;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::engine::Shared;

/// Deliveries claimed in one round, of each kind.
const CLAIM_MAX: usize = 512;
/// The steady beat: a round is made at least this often.
const BEAT: Duration = Duration::from_secs(1);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// When the next round is to be made.
#[derive(Default)]
pub(crate) struct Wake {
    next: Mutex<Option<Timestamp>>,
    sooner: Notify,
    abandoned: Mutex<Vec<ClaimedDelivery>>,
}

impl Wake {
    /// A retry becomes due at `due_at`.
    pub(crate) fn at(&self, due_at: Timestamp) {
        let mut next = self.next.lock();
        if next.is_none_or(|planned| due_at < planned) {
            *next = Some(due_at);
            drop(next);
            self.sooner.notify_one();
        }
    }

    /// What the round itself found; it need not be woken for that.
    fn plan(&self, found: Option<Timestamp>) {
        let mut next = self.next.lock();
        *next = [*next, found].into_iter().flatten().min();
    }

    /// A delivery is held but nobody attempts it any more: the next round puts it back.
    pub(crate) fn abandon(&self, delivery: ClaimedDelivery) {
        self.abandoned.lock().push(delivery);
        self.sooner.notify_one();
    }
}

/// Makes rounds until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut pause = PAUSE_FIRST;
    loop {
        match round(&shared).await {
            Ok(more) => {
                pause = PAUSE_FIRST;
                if more {
                    tokio::task::yield_now().await;
                } else {
                    wait(&shared).await;
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "due deliveries could not be claimed; trying again");
                // Nothing shortens this: a store that fails is not asked again at once because something came free.
                let _ = tokio::time::timeout(pause, shared.soft_stop.cancelled()).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        if shared.soft_stop.is_cancelled() {
            return;
        }
    }
}

/// Waits until another round may find something.
async fn wait(shared: &Shared) {
    tokio::select! {
        biased;
        () = shared.soft_stop.cancelled() => {}
        () = shared.queue.claimable() => {}
        () = shared.wake.sooner.notified() => {}
        () = tokio::time::sleep(until_next(shared)) => {}
    }
}

/// The time to the next known instant, the beat at most.
fn until_next(shared: &Shared) -> Duration {
    let next = *shared.wake.next.lock();
    next.map_or(BEAT, |next| next.since(shared.clock.now()).clamp(Duration::from_millis(1), BEAT))
}

/// One round; whether another should follow at once.
async fn round(shared: &Shared) -> Result<bool, bellwire_store::StoreError> {
    let abandoned = std::mem::take(&mut *shared.wake.abandoned.lock());
    if !abandoned.is_empty() {
        if let Err(error) = shared.queue.release_deliveries(&abandoned).await {
            shared.wake.abandoned.lock().extend(abandoned);
            return Err(error);
        }
        shared.queue.look_again(abandoned.iter().map(ClaimedDelivery::lane));
    }
    // Cleared before the query: a retry recorded while it runs sets it again.
    *shared.wake.next.lock() = None;
    let report = shared.queue.claim_due(shared.clock.now(), CLAIM_MAX).await?;
    shared.wake.plan(report.next_wake);
    metrics::counter!("bellwire_claimed_total").increment(u64::try_from(report.claimed).unwrap_or(0));
    Ok(report.more)
}
