//! Who may wait for the writer: each account has a share of the tickets.

use std::sync::Arc;

use bellwire_domain::{AccountId, Shares};
use parking_lot::Mutex;

use crate::StoreError;

/// So many publications may wait; each holds a ticket, and each account a share of them.
#[derive(Clone)]
pub(crate) struct Tickets(Arc<Mutex<Shares<AccountId>>>);

impl Tickets {
    pub(crate) fn new(jobs_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(jobs_max))))
    }

    /// A ticket for a publication of `account`, unless it holds its share of them.
    pub(crate) fn take(&self, account: &AccountId) -> Result<Ticket, StoreError> {
        if self.0.lock().take(account, 1) {
            Ok(Ticket { tickets: self.clone(), account: account.clone() })
        } else {
            Err(StoreError::Busy)
        }
    }
}

/// Lets one publication wait. Dropped, it lets another.
pub(crate) struct Ticket {
    tickets: Tickets,
    account: AccountId,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.tickets.0.lock().give_back(&self.account, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tickets_to_wait_are_shared_between_accounts() {
        let (much, little) = (AccountId::try_new("much").unwrap(), AccountId::try_new("little").unwrap());
        let tickets = Tickets::new(100);
        let held: Vec<Ticket> = std::iter::from_fn(|| tickets.take(&much).ok()).collect();
        assert_eq!(held.len(), 75);
        assert!(tickets.take(&little).is_ok());
        drop(held);
        assert!(tickets.take(&much).is_ok());
    }
}
