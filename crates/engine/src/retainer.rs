//! Removing what is older than it has to be kept: a round at the start, and one every hour.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::{Removed, StoreError};

use crate::shared::Shared;

/// Between two rounds.
const BEAT: Duration = Duration::from_secs(60 * 60);

/// Makes rounds until the engine stops; a stop may interrupt one, which the next goes on with.
pub(crate) async fn run(shared: Arc<Shared>, retention: Duration) {
    loop {
        let round = shared.queue.retain(shared.clock.now().minus(retention));
        let removed = tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            removed = round => removed,
        };
        match removed {
            Ok(removed) => tell(removed),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(error = %error, "what is older than the retention could not be removed; trying again"),
        }
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

fn tell(removed: Removed) {
    let Removed { events, deliveries, partitions } = removed;
    for (kind, count) in [("event", events), ("delivery", deliveries), ("partition", partitions)] {
        metrics::counter!("bellwire_retention_removed_total", "kind" => kind).increment(u64::try_from(count).unwrap_or(0));
    }
    if removed != Removed::default() {
        tracing::info!(events, deliveries, partitions, "removed what was older than the retention");
    }
}
