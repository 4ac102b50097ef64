//! Finding due work: retries whose time has come, and lanes with room whose deliveries wait in the store.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::ClaimedDelivery;

use crate::shared::Shared;

/// Deliveries claimed in one round, of each kind.
const CLAIM_MAX: usize = 512;
/// The steady beat: a round is made at least this often.
const BEAT: Duration = Duration::from_secs(1);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Makes rounds until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut pause = PAUSE_FIRST;
    loop {
        let made = round(&shared).await;
        shared.beats.claimed(&made);
        match made {
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
    shared.wake.planned().map_or(BEAT, |next| next.since(shared.clock.now()).clamp(Duration::from_millis(1), BEAT))
}

/// One round; whether another should follow at once.
async fn round(shared: &Shared) -> Result<bool, bellwire_store::StoreError> {
    let abandoned = shared.wake.take_abandoned();
    if !abandoned.is_empty() {
        if let Err(error) = shared.queue.unclaim(&abandoned).await {
            for delivery in abandoned {
                shared.wake.abandon(delivery);
            }
            return Err(error);
        }
        shared.queue.look_again(abandoned.iter().map(ClaimedDelivery::lane));
    }
    shared.wake.clear();
    let report = shared.queue.claim_due(shared.clock.now(), CLAIM_MAX).await?;
    shared.wake.plan(report.next_wake);
    metrics::counter!("bellwire_claimed_total").increment(u64::try_from(report.claimed).unwrap_or(0));
    Ok(report.more)
}
