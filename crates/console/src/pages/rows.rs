//! Rows that several pages show.

use bellwire_domain::Timestamp;
use bellwire_store::Delivery;

use crate::show::{Badge, When, state_badge};

/// A delivery in a list.
pub(crate) struct DeliveryRow {
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) account: String,
    pub(crate) endpoint: String,
    pub(crate) badge: Badge,
    pub(crate) attempts: u32,
    pub(crate) created: When,
    /// When the next attempt is due.
    pub(crate) due: Option<When>,
    /// Whether it waits for an earlier one.
    pub(crate) waits: bool,
}

impl DeliveryRow {
    pub(crate) fn new(delivery: &Delivery, now: Timestamp) -> Self {
        Self {
            id: delivery.id.to_string(),
            event_type: delivery.event_type.to_string(),
            account: delivery.account_id.to_string(),
            endpoint: delivery.endpoint_id.to_string(),
            badge: state_badge(delivery.state, delivery.attempts),
            attempts: delivery.attempts,
            created: When::new(delivery.created_at, now),
            due: delivery.due_at.filter(|_| delivery.attempts > 0).map(|at| When::new(at, now)),
            waits: delivery.waits,
        }
    }

    pub(crate) fn all(deliveries: &[Delivery], now: Timestamp) -> Vec<Self> {
        deliveries.iter().map(|delivery| Self::new(delivery, now)).collect()
    }
}
