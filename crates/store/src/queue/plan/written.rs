//! What a plan writes: the cells of its new rows, and the counters that it has changed.

use bellwire_domain::{AccountId, Log, Recipient};

use super::{Plan, PlannedDelivery, PlannedEvent};
use crate::queue::publication::NewEvent;
use crate::rows::event::EventRow;
use crate::rows::lane::LaneKey;
use crate::rows::queued::{InOrder, QueuedRow, WAITS};
use crate::rows::subject::SubjectRow;
use crate::sql::{ColumnGroup, Param};

impl Plan<'_> {
    /// Whether there is nothing to be written: every event was there already.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.deliveries.is_empty()
    }

    /// The cells of the new events.
    pub(crate) fn event_cells(&self) -> Vec<Param<'_>> {
        let mut cells = Vec::with_capacity(self.events.len() * 12);
        for PlannedEvent { place, account, deliveries, sealed, .. } in &self.events {
            let event = &sealed.event;
            let row = EventRow {
                place: *place,
                account: *account,
                id: event.id.as_str(),
                event_type: event.event_type.as_str(),
                occurred_at: event.occurred_at,
                created_at: self.now,
                is_test: event.is_test,
                deliveries: *deliveries,
                fingerprint: &sealed.fingerprint,
                payload_length: i64::try_from(event.data.len()).unwrap_or(i64::MAX),
                payload_sealed: &sealed.sealed,
                order_key: sealed.order_key,
            };
            row.bind(&mut cells);
        }
        cells
    }

    /// The cells of whom the new events are about.
    pub(crate) fn subject_cells(&self) -> Vec<Param<'_>> {
        let mut cells = Vec::new();
        for PlannedEvent { place, sealed, .. } in &self.events {
            for subject in &sealed.subjects {
                SubjectRow { subject: subject.as_bytes(), event: *place }.bind(&mut cells);
            }
        }
        cells
    }

    /// The cells of the new deliveries.
    pub(crate) fn queue_cells(&self) -> Vec<Param<'_>> {
        let mut cells = Vec::with_capacity(self.deliveries.len() * 12);
        for delivery in &self.deliveries {
            let row = QueuedRow {
                id: delivery.id,
                lane: delivery.refs.lane,
                number: delivery.number,
                event: delivery.event_place(),
                attempts: 0,
                created_at: self.now,
                due_at: self.now,
                wake_at: delivery.waits.then_some(WAITS),
                claim: delivery.is_claimed.then_some(self.claimant.token.as_str()),
                origin: &delivery.origin,
                about: (!delivery.event.subjects.is_empty()).then_some(true),
                order_key: delivery.event.order_key,
            };
            row.bind(&mut cells);
        }
        cells
    }

    /// New deliveries that wait, and make those before them stale that were tried in vain.
    fn newer(&self) -> impl Iterator<Item = &PlannedDelivery<'_>> {
        let drops = |event: &NewEvent| event.order.as_ref().is_some_and(|order| order.drops_stale);
        self.deliveries.iter().filter(move |delivery| delivery.waits && drops(&delivery.event.event))
    }

    /// Where older deliveries may have become stale: the account, and the order.
    pub(crate) fn makes_stale(&self) -> impl Iterator<Item = ((&AccountId, i64), InOrder)> {
        self.newer().filter_map(|delivery| {
            let PlannedDelivery { lane, refs, event, .. } = delivery;
            Some(((&lane.account_id, refs.account), (refs.lane, event.order_key?)))
        })
    }

    /// The lanes in which dropping them lets others go.
    pub(crate) fn stale_lanes(&self) -> Vec<LaneKey> {
        self.newer().map(|delivery| delivery.lane.clone()).collect()
    }

    /// The accounts whose counters have changed: their numbers, and the counters.
    pub(crate) fn changed_accounts(&self) -> impl Iterator<Item = (i64, Log)> {
        let changed = self.accounts.values().filter(|account| account.changed);
        changed.map(|account| (account.reference, account.log))
    }

    /// The endpoints whose counters have changed: their lanes, their accounts, and what they are now.
    pub(crate) fn changed_endpoints(&self) -> impl Iterator<Item = (i64, &AccountId, &Recipient)> {
        self.accounts
            .iter()
            .flat_map(|(id, account)| account.endpoints.changed().map(move |endpoint| (endpoint.lane, id, &endpoint.recipient)))
    }
}
