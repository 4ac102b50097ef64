//! Retries of many deliveries at once.

use std::sync::Arc;

use bellwire_domain::{AccountId, BulkRetryId};

use super::Records;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::bulk_retries::{self, BulkRetry, BulkRetryStep, Matched, NewBulkRetry, StartBulkRetryError};
use crate::records::delivery_list::DeliveryQuery;

impl Records {
    /// How many deliveries a filter names, by bounded work.
    pub async fn count_deliveries(&self, query: DeliveryQuery) -> Result<Matched, StoreError> {
        self.access.read(move |db| bulk_retries::count(db, &query)).await
    }

    /// Starts a retry of so many deliveries. [`Records::advance_bulk_retry`] does its work.
    pub async fn start_bulk_retry(&self, new: NewBulkRetry, matched: Matched) -> Result<BulkRetry, StartBulkRetryError> {
        let context = self.access.context.clone();
        let started = self.access.act(self.entry(), move |db| bulk_retries::start(db, &context, &new, matched)).await?;
        self.access.bulk_retry_started.notify_one();
        Ok(started)
    }

    /// One of them.
    pub async fn find_bulk_retry(&self, id: &BulkRetryId) -> Result<Option<BulkRetry>, StoreError> {
        let (id, audit) = (id.clone(), Arc::clone(&self.access.context.audit));
        self.access.read(move |db| bulk_retries::find(db, audit.store_key(), &id)).await
    }

    /// A page of them, the latest first: of one account, or all there are.
    pub async fn list_bulk_retries(&self, account: Option<AccountId>, page: PageRequest) -> Result<Page<BulkRetry>, StoreError> {
        let audit = Arc::clone(&self.access.context.audit);
        self.access.read(move |db| bulk_retries::list(db, audit.store_key(), account.as_ref(), &page)).await
    }

    /// Stops one; what it has made due stays so. One that has ended stays as it ended. `None` when there is none.
    pub async fn cancel_bulk_retry(&self, id: &BulkRetryId) -> Result<Option<BulkRetry>, StoreError> {
        let (id, audit, now) = (id.clone(), Arc::clone(&self.access.context.audit), self.access.now());
        self.access.act(self.entry(), move |db| bulk_retries::cancel(db, audit.store_key(), &id, now)).await
    }

    /// Takes one bounded step of the running one that comes after `after` in the order of ids; `None` when there is none.
    pub async fn advance_bulk_retry(&self, after: Option<&BulkRetryId>) -> Result<Option<BulkRetryStep>, StoreError> {
        let (context, after) = (self.access.context.clone(), after.cloned());
        let step = self.access.write(move |db| bulk_retries::advance(db, &context, after.as_ref())).await?;
        if let Some(step) = &step {
            self.access.context.handoff.mark_backlog(step.due.keys().cloned());
        }
        Ok(step)
    }

    /// Waits until one has been started.
    pub async fn bulk_retry_started(&self) {
        self.access.bulk_retry_started.notified().await;
    }
}
