//! What publishes events: posting them, and storing a document that causes them.

use std::sync::Arc;

use bellwire_domain::{AccountId, ResourceId};
use tokio::sync::oneshot;

use super::Records;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::Backend;
use crate::queue::access::answered;
use crate::queue::jobs::{Job, Reply};
use crate::queue::publication::{EventReceipt, NewEvent, Publication, PublishError, PublishJob, SealedEvent};
use crate::records::resources::{self, PutResource, PutResourceAnswer, PutResourceError, Resource, ResourceDecision};
use crate::rows::account::Account;
use crate::rows::resource::ResourceHead;

impl Records {
    /// Publishes events of one account, all or none: stored with all their deliveries when this returns. `account` is what the
    /// caller decided by; when it has changed since, nothing is published.
    pub async fn commit_events(&self, account: &Account, new: Vec<NewEvent>) -> Result<Vec<EventReceipt>, PublishError> {
        let key = self.access.keyring.open_key(&account.id, &account.data_key_sealed)?;
        let seal = |event| SealedEvent::new(event, &key, &*self.access.context.entropy, &account.id);
        let publication = Publication {
            account_id: account.id.clone(),
            account_created_at: account.created_at,
            account_version: account.version,
            events: new.into_iter().map(seal).collect(),
        };
        let ticket = self.access.tickets.take(&account.id)?;
        let (reply, receiver) = oneshot::channel();
        self.access.try_send(Job::Publish(PublishJob { publication, ticket, reply }))?;
        let result = answered(receiver).await?;
        if matches!(result, Err(PublishError::AccountChanged | PublishError::AccountNotFound)) {
            self.access.accounts.remove(&account.id);
        }
        result
    }

    /// Stores a document with the events that it causes, all or nothing. `decide` sees what is stored and must be quick: it runs
    /// inside the transaction. `account` is what it decides by; when that has changed since, nothing is stored.
    pub async fn put_resource<R: Send + 'static>(
        &self,
        account: Arc<Account>,
        wanted: PutResource,
        decide: impl FnOnce(Option<&Resource>) -> Result<ResourceDecision, R> + Send + 'static,
    ) -> Result<PutResourceAnswer, PutResourceError<R>> {
        let key = self.access.keyring.open_key(&account.id, &account.data_key_sealed)?;
        let (account_id, context) = (account.id.clone(), self.access.context.clone());
        let ticket = self.access.tickets.take(&account_id)?;
        let (sender, receiver) = oneshot::channel();
        // Not a plain write: what is committed is handed to the engine even when nobody waits for the answer any more.
        let run = move |backend: Result<&dyn Backend, StoreError>| {
            let _held = ticket;
            let put = backend.map_err(PutResourceError::from);
            let put = put.and_then(|backend| resources::put(backend, &context, (&account, &key), &wanted, decide));
            let is_kept = put.is_ok();
            let reply: Reply = Box::new(move |commit| {
                let result = commit.map_err(PutResourceError::from).and(put).map(|(answer, claimed)| {
                    claimed.send();
                    answer
                });
                let _ = sender.send(result);
            });
            (reply, is_kept)
        };
        self.access.try_send(Job::Write(Box::new(run)))?;
        let result = answered(receiver).await?;
        if matches!(result, Err(PutResourceError::Publish(PublishError::AccountChanged | PublishError::AccountNotFound))) {
            self.access.accounts.remove(&account_id);
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
        let (keyring, account_id) = (Arc::clone(&self.access.keyring), account_id.clone());
        let (kind, id) = (kind.to_owned(), id.clone());
        self.access.read(move |db| resources::find(db, &keyring, &account_id, &kind, &id)).await
    }

    /// A page of the resources of a kind, by id, without their documents.
    pub async fn list_resources(
        &self,
        account_id: &AccountId,
        kind: &str,
        page: PageRequest,
    ) -> Result<Page<ResourceHead>, StoreError> {
        let (account_id, kind) = (account_id.clone(), kind.to_owned());
        self.access.read(move |db| resources::list(db, &account_id, &kind, &page)).await
    }
}
