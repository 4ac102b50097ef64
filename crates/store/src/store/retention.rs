//! Retention on the face of the store.

use bellwire_domain::Timestamp;

use super::Store;
use crate::{PageRequest, Removed, StoreError, postgres, retention};

/// Accounts looked at with one read.
const ACCOUNTS_PAGE: u32 = 100;

/// Retention.
impl Store {
    /// Removes what is older than `since`, in whole weeks: deliveries that ended with their attempts, and events that no delivery
    /// needs. What is live is kept, with everything made after it. May be interrupted, and asked by several nodes at once.
    pub async fn retain(&self, since: Timestamp) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        let kept = self.write(move |db| retention::begin(db, since)).await?;
        match &self.0.postgres {
            Some(url) => {
                let url = url.clone();
                let dropping = tokio::task::spawn_blocking(move || postgres::drop_history(&url, kept.from));
                removed.partitions = dropping.await.map_err(|_| StoreError::Closed)??;
            }
            None => loop {
                let some = self.write(move |db| retention::delete_history(db, kept)).await?;
                if some == 0 {
                    break;
                }
                removed.deliveries += some;
            },
        }
        let mut after = None;
        loop {
            let page = self.list_accounts(PageRequest { limit: ACCOUNTS_PAGE, after }).await?;
            for account in page.items {
                let mut more = true;
                while more {
                    let id = account.id.clone();
                    let events;
                    (events, more) = self.write(move |db| retention::delete_events(db, &id, kept)).await?;
                    removed.events += events;
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }
}
