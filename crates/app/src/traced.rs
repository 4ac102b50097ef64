//! Spans of publications, where somebody collects them.

use std::sync::Arc;

use bellwire_domain::trace::{PublishSpan, TracedEvent, Traces};
use bellwire_domain::{EventType, Timestamp};
use bellwire_store::{Account, EventReceipt};

use crate::App;

/// Takes the spans of one commit.
pub(crate) struct Traced {
    traces: Arc<dyn Traces>,
    started_at: Timestamp,
}

impl App {
    /// Begins the spans of what is about to be committed; `None`: nobody collects any.
    pub(crate) fn trace(&self) -> Option<Traced> {
        let traces = Arc::clone(self.options().traces.as_ref()?);
        Some(Traced { traces, started_at: self.clock().now() })
    }
}

impl Traced {
    /// Tells of those events that are new.
    pub(crate) fn published<'e>(
        self,
        account: &Account,
        ended_at: Timestamp,
        events: impl Iterator<Item = (&'e EventReceipt, &'e EventType)>,
    ) {
        for (receipt, event_type) in events.filter(|(receipt, _)| receipt.created) {
            let event = TracedEvent {
                account: account.id.clone(),
                contract: account.contract.clone(),
                id: receipt.id.clone(),
                event_type: event_type.clone(),
            };
            self.traces.published(PublishSpan { event, started_at: self.started_at, ended_at });
        }
    }
}
