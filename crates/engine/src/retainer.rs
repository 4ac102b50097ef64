//! Removing what is older than it has to be kept, and renewing keys that are worn: a round at the start, and one every hour.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::RetentionPeriods;
use bellwire_store::{Expired, Removed, StoreError};

use crate::shared::Shared;

/// Between two rounds.
const BEAT: Duration = Duration::from_secs(60 * 60);

/// Makes rounds until the engine stops; a stop may interrupt one, which the next goes on with.
pub(crate) async fn run(shared: Arc<Shared>, everybody: RetentionPeriods) {
    loop {
        let result = tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            result = round(&shared, everybody) => result,
        };
        match result {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(error = %error, "what has had its time could not be removed; trying again"),
        }
        tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

async fn round(shared: &Shared, everybody: RetentionPeriods) -> Result<(), StoreError> {
    tell(shared.queue.retain(everybody).await?);
    tell_expired(shared.queue.expire(everybody).await?);
    let renewed = shared.queue.renew_worn_keys().await?;
    if renewed > 0 {
        tracing::info!(renewed, "renewed data keys that had sealed much");
    }
    Ok(())
}

fn count(kind: &'static str, removed: usize) {
    metrics::counter!("bellwire_retention_removed_total", "kind" => kind).increment(u64::try_from(removed).unwrap_or(0));
}

fn tell(removed: Removed) {
    let Removed { events, deliveries, partitions } = removed;
    for (kind, removed) in [("event", events), ("delivery", deliveries), ("partition", partitions)] {
        count(kind, removed);
    }
    if removed != Removed::default() {
        tracing::info!(events, deliveries, partitions, "removed what was older than the retention");
    }
}

fn tell_expired(expired: Expired) {
    let Expired { payloads, answers, disclosures } = expired;
    for (kind, removed) in [("payload", payloads), ("answer", answers), ("disclosure", disclosures)] {
        count(kind, removed);
    }
    if expired != Expired::default() {
        tracing::info!(payloads, answers, disclosures, "removed contents that were older than their retention");
    }
}
