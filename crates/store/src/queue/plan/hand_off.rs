//! What a plan hands to the engine at once: deliveries with room, which are written as claimed.

use std::collections::HashSet;
use std::sync::Arc;

use bellwire_domain::{PayloadSize, Suspicion};

use super::{Plan, PlannedDelivery};
use crate::queue::context::WriteContext;
use crate::queue::delivery::{ClaimedDelivery, ClaimedEvent};
use crate::queue::handoff::Reserved;
use crate::queue::publication::SealedEvent;

impl Plan<'_> {
    /// Draws ids and reserves room; what has room is claimed by this process.
    pub(super) fn hand_off(&mut self, context: &WriteContext) -> Reserved<ClaimedDelivery> {
        let mut room = context.handoff.room();
        let mut claimed = Reserved::none(&context.handoff, self.deliveries.len());
        claimed.woken = self.stale_lanes();
        let mut last: Option<(*const SealedEvent, Arc<ClaimedEvent>)> = None;
        for delivery in &mut self.deliveries {
            delivery.id = context.delivery_ids.draw(self.now);
            let payload = PayloadSize { event: delivery.event_place(), bytes: delivery.event.event.data.len() };
            if delivery.waits || !delivery.is_admitted || !room.reserve_new(&delivery.lane, payload) {
                continue;
            }
            delivery.is_claimed = true;
            let event = match &last {
                Some((source, event)) if std::ptr::eq(*source, delivery.event) => Arc::clone(event),
                _ => Arc::new(claimed_event(delivery)),
            };
            last = Some((std::ptr::from_ref(delivery.event), Arc::clone(&event)));
            claimed.held.push(ClaimedDelivery {
                id: delivery.id,
                account_id: delivery.lane.account_id.clone(),
                endpoint_id: delivery.lane.endpoint_id.clone(),
                endpoint_version: delivery.endpoint_version,
                number: delivery.number,
                attempts: 0,
                created_at: self.now,
                due_at: self.now,
                origin: delivery.origin.clone(),
                manual_attempt: None,
                suspicion: Suspicion::Nothing,
                order_key: delivery.event.order_key,
                refs: delivery.refs,
                epoch: self.claimant.epoch,
                event,
            });
        }
        drop(room);
        if claimed.held.len() < self.deliveries.len() {
            self.share(context, &claimed.held);
        }
        claimed
    }

    /// Lets deliveries that found no room share the payload of their event with those that did.
    fn share(&self, context: &WriteContext, claimed: &[ClaimedDelivery]) {
        let left = self.deliveries.iter().filter(|delivery| !delivery.is_claimed);
        let left: HashSet<i64> = left.map(PlannedDelivery::event_place).collect();
        for delivery in claimed.iter().filter(|delivery| left.contains(&delivery.event_place())) {
            context.handoff.events.add(delivery.event_place(), &delivery.event);
        }
    }
}

fn claimed_event(delivery: &PlannedDelivery<'_>) -> ClaimedEvent {
    let event = &delivery.event.event;
    ClaimedEvent {
        id: event.id.clone(),
        event_type: event.event_type.clone(),
        occurred_at: delivery.occurred_at,
        seq: delivery.event_seq,
        is_test: event.is_test,
        has_subjects: !event.subjects.is_empty(),
        size: event.data.len(),
        // A copy, on purpose: what was posted may be a slice of a whole batch or of a connection's read buffer, and would keep
        // that in memory until the last delivery ends.
        data: str::from_utf8(&event.data).ok().map(Into::into),
    }
}
