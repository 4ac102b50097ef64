//! Removing what is older than it has to be kept: a round at the start, and one every hour.

use std::sync::Arc;
use std::time::Duration;

use bellwire_store::{Expired, Expiry, Removed, StoreError};

use crate::shared::Shared;

/// Between two rounds.
const BEAT: Duration = Duration::from_secs(60 * 60);

/// How long everything is kept, at least; `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionPeriods {
    /// Events with their deliveries and attempts.
    pub history: Option<Duration>,
    /// Payloads of events, where they go before the events.
    pub payloads: Option<Duration>,
    /// Answers of receivers, where they go before their attempts.
    pub answers: Option<Duration>,
    /// What receivers were told about somebody.
    pub disclosures: Option<Duration>,
}

impl RetentionPeriods {
    /// Whether anything is to be removed.
    pub(crate) fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

/// Makes rounds until the engine stops; a stop may interrupt one, which the next goes on with.
pub(crate) async fn run(shared: Arc<Shared>, periods: RetentionPeriods) {
    loop {
        let result = tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            result = round(&shared, periods) => result,
        };
        match result {
            Ok(()) => {}
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

async fn round(shared: &Shared, periods: RetentionPeriods) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let before = |period: Option<Duration>| period.map(|period| now.minus(period));
    if let Some(since) = before(periods.history) {
        tell(shared.queue.retain(since).await?);
    }
    let RetentionPeriods { payloads, answers, disclosures, .. } = periods;
    let expiry = Expiry { payloads: before(payloads), answers: before(answers), disclosures: before(disclosures) };
    if expiry != Expiry::default() {
        tell_expired(shared.queue.expire(expiry).await?);
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
