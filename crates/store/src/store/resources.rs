//! Resources on the face of the store.

use std::sync::Arc;

use bellwire_domain::{AccountId, ResourceId};
use tokio::sync::{mpsc, oneshot};

use super::Store;
use crate::driver::Db;
use crate::jobs::Job;
use crate::{
    Account, Page, PageRequest, PublishError, PutResource, PutResourceAnswer, PutResourceError, Resource, ResourceDecision,
    ResourceHead, StoreError, resources,
};

/// Resources.
impl Store {
    /// Stores a document with the events that it causes, all or nothing. `decide` sees what is stored and must be quick: it runs
    /// inside the transaction. `account` is what it decides by; when that has changed since, nothing is stored.
    pub async fn put_resource<R: Send + 'static>(
        &self,
        account: Arc<Account>,
        wanted: PutResource,
        decide: impl FnOnce(Option<&Resource>) -> Result<ResourceDecision, R> + Send + 'static,
    ) -> Result<PutResourceAnswer, PutResourceError<R>> {
        let key = self.0.keyring.unwrap(&account.id, &account.data_key_sealed)?;
        let account_id = account.id.clone();
        let publisher = Arc::clone(&self.0.publisher);
        let (sender, receiver) = oneshot::channel();
        // Not a plain write: what is committed is handed to the engine also when nobody waits for the answer any more.
        let run = move |db: Result<Db<'_>, StoreError>| {
            let put = db.map_err(PutResourceError::from);
            let put = put.and_then(|db| resources::put(db, &publisher, (&account, &key), &wanted, decide));
            let (result, claimed) = match put {
                Ok((answer, claimed)) => (Ok(answer), claimed),
                Err(error) => (Err(error), Vec::new()),
            };
            let keep = result.is_ok();
            let reply = move |commit: Result<(), StoreError>| {
                let handoff = &publisher.context.handoff;
                match &commit {
                    Ok(()) => handoff.send(claimed),
                    Err(_) => claimed.iter().for_each(|delivery| handoff.release_delivery(delivery)),
                }
                let _ = sender.send(commit.map_err(PutResourceError::from).and(result));
            };
            (Box::new(reply) as Box<dyn FnOnce(Result<(), StoreError>) + Send>, keep)
        };
        self.sender()?.try_send(Job::Write(Box::new(run))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        let result = receiver.await.map_err(|_| StoreError::Closed)?;
        if matches!(result, Err(PutResourceError::Publish(PublishError::AccountChanged | PublishError::AccountNotFound))) {
            self.0.accounts.remove(&account_id);
        }
        result
    }

    /// One resource.
    pub async fn find_resource(
        &self,
        account_id: &AccountId,
        kind: &str,
        id: &ResourceId,
    ) -> Result<Option<Resource>, StoreError> {
        let (keyring, account_id, kind, id) = (Arc::clone(&self.0.keyring), account_id.clone(), kind.to_owned(), id.clone());
        self.read(move |db| resources::find(db, &keyring, &account_id, &kind, &id)).await
    }

    /// A page of the resources of a kind, by id, without their documents.
    pub async fn list_resources(
        &self,
        account_id: &AccountId,
        kind: &str,
        page: PageRequest,
    ) -> Result<Page<ResourceHead>, StoreError> {
        let (account_id, kind) = (account_id.clone(), kind.to_owned());
        self.read(move |db| resources::list(db, &account_id, &kind, &page)).await
    }
}
