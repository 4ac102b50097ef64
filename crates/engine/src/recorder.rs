//! Recording outcomes: all that wait, in one transaction, again and again.
//!
//! An outcome that could not be stored is offered until it is: the delivery stays held by this process meanwhile, and should
//! the process end first, it is attempted again after the next start.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{Decision, HealthStatus};
use bellwire_store::{Outcome, Recording, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Outcomes in one transaction.
const GROUP_MAX: usize = 1_024;
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Runs until `hard_stop`, and then until nothing waits.
pub(crate) async fn run(shared: Arc<Shared>, mut outcomes: mpsc::Receiver<Outcome>, hard_stop: CancellationToken) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    loop {
        tokio::select! {
            biased;
            received = outcomes.recv_many(&mut group, GROUP_MAX) => if received == 0 { return },
            () = hard_stop.cancelled() => return,
        }
        let outcomes: Arc<[Outcome]> = group.drain(..).collect();
        record(&shared, &outcomes, &hard_stop).await;
    }
}

async fn record(shared: &Shared, outcomes: &Arc<[Outcome]>, hard_stop: &CancellationToken) {
    let mut pause = PAUSE_FIRST;
    loop {
        match shared.queue.record_outcomes(Arc::clone(outcomes)).await {
            Ok(recordings) => return recordings.iter().zip(outcomes.iter()).for_each(|pair| observe(shared, pair)),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::error!(error = %error, outcomes = outcomes.len(), "outcomes not stored; trying again"),
        }
        if hard_stop.is_cancelled() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Counts, logs, and sees to it that a retry is found when it is due.
fn observe(shared: &Shared, (recording, outcome): (&Recording, &Outcome)) {
    let change = match recording {
        Recording::Lost => {
            metrics::counter!("bellwire_outcomes_lost_total").increment(1);
            return;
        }
        Recording::Stored(change) => change,
    };
    // With literal labels each of these is a series known from the start; one label put in at run time is made each time.
    match outcome.decision {
        Decision::Delivered => {
            metrics::counter!("bellwire_deliveries_total", "result" => "delivered").increment(1);
            let arrived_at = outcome.started_at.plus(outcome.duration);
            shared.attempt_metrics.record_delivered(arrived_at.since(outcome.delivery.created_at));
        }
        Decision::Failed { .. } => metrics::counter!("bellwire_deliveries_total", "result" => "failed").increment(1),
        Decision::Retry { due_at } => {
            shared.wake.at(due_at);
            metrics::counter!("bellwire_deliveries_total", "result" => "retry").increment(1);
        }
    }
    if let Some(change) = change {
        let endpoint = &change.lane.endpoint_id;
        let (from, to) = (change.from.as_str(), change.to.as_str());
        if change.to == HealthStatus::Failed {
            tracing::warn!(endpoint.id = %endpoint, from, to, "an endpoint failed; its queue waits");
        } else {
            tracing::info!(endpoint.id = %endpoint, from, to, "an endpoint's health changed");
        }
    }
}
