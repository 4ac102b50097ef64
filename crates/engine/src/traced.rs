//! Spans of attempts, where somebody collects them. Of deliveries that share a request, the first one's.

use bellwire_domain::trace::{AttemptSpan, Target, TracedEvent};
use bellwire_domain::{AttemptOutcome, OutboundRequest};
use bellwire_store::Outcome;

use crate::shared::Shared;

impl Shared {
    /// Where a request is about to go; `None`: nowhere, or nobody collects spans.
    pub(crate) fn target(&self, request: &Result<OutboundRequest, AttemptOutcome>) -> Option<Target> {
        self.traces.as_ref()?;
        request.as_ref().ok().and_then(|request| Target::of(&request.method, &request.url))
    }

    /// Counts an attempt, and tells of it.
    pub(crate) fn observe_attempt(&self, contract: &str, target: Option<Target>, outcome: &Outcome) {
        self.attempt_metrics.record(contract, outcome.outcome.kind(), outcome.duration);
        let Some(traces) = &self.traces else { return };
        let Outcome { delivery, started_at, duration, outcome, .. } = outcome;
        let status = outcome.status();
        traces.attempted(AttemptSpan {
            event: TracedEvent {
                account: delivery.account_id.clone(),
                contract: contract.to_owned(),
                id: delivery.event.id.clone(),
                event_type: delivery.event.event_type.clone(),
            },
            delivery: delivery.id,
            attempt: delivery.attempts + 1,
            target,
            started_at: *started_at,
            duration: *duration,
            status,
            error: status.is_none().then(|| outcome.kind()),
        });
    }
}
