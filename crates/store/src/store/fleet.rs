//! What a node among others asks and hears.

use super::{Inner, Store};
use crate::ClaimedDelivery;
use crate::postgres::Message;

/// Being one of several nodes.
impl Store {
    /// Whether a delivery that was handed over may still be attempted. On PostgreSQL it may not while other nodes might have
    /// taken it over: [`Store::lease_changed`] tells when to ask again.
    pub fn covers(&self, delivery: &ClaimedDelivery) -> bool {
        self.0.lease.covers(delivery.epoch)
    }

    /// Forgets a delivery that this process does not hold any more, and says whether it was so.
    pub fn forget_lost(&self, delivery: &ClaimedDelivery) -> bool {
        let lost = !self.0.lease.is_current(delivery.epoch);
        if lost {
            self.0.handoff.release_delivery(delivery);
        }
        lost
    }

    /// How many nodes share the work over this database, this one included: what an endpoint takes is divided by it.
    pub fn nodes(&self) -> u32 {
        u32::try_from(self.0.lease.nodes()).unwrap_or(u32::MAX)
    }

    /// Waits until this process may have become able to attempt what it holds, or has lost it.
    pub async fn lease_changed(&self) {
        self.0.lease.changed().await;
    }
}

impl Inner {
    /// Another node has told something.
    pub(super) fn hear(&self, message: &Message) {
        match message {
            Message::Account(id) => {
                self.accounts.remove(id);
                self.configs.remove_where(|lane| lane.account_id == *id);
            }
            Message::Keys => self.keys.remove_where(|_| true),
            Message::Waiting => self.handoff.claimable.notify_one(),
            Message::Deaf => {
                self.accounts.remove_where(|_| true);
                self.configs.remove_where(|_| true);
                self.keys.remove_where(|_| true);
                self.handoff.claimable.notify_one();
            }
        }
    }
}
