//! Disclosures, erasures and holds.

use std::sync::Arc;

use bellwire_domain::{AccountId, ErasureId};

use super::Records;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::records::disclosures::{self, Disclosure, DisclosureQuery};
use crate::records::erasures::{self, Erasure, NewErasure, StartErasureError};
use crate::records::holds::{self, Hold, NewHold};
use crate::seal::SubjectHash;

impl Records {
    /// A subject as the database knows it in an account; `None`: there is no such account.
    pub async fn hash_subject(&self, account_id: &AccountId, subject: &str) -> Result<Option<SubjectHash>, StoreError> {
        Ok(self.access.data_key(account_id).await?.map(|key| key.hash_subject(subject)))
    }

    /// A page of what receivers were told about a subject, the latest first.
    pub async fn list_disclosures(&self, query: DisclosureQuery, page: PageRequest) -> Result<Page<Disclosure>, StoreError> {
        let keyring = Arc::clone(&self.access.keyring);
        self.access.read(move |db| disclosures::list(db, &keyring, &query, &page)).await
    }

    /// Starts an erasure. [`Queue::advance_erasure`](crate::Queue::advance_erasure) does its work.
    pub async fn start_erasure(&self, new: NewErasure) -> Result<Erasure, StartErasureError> {
        let (keyring, context, now) = (Arc::clone(&self.access.keyring), self.access.context.clone(), self.access.now());
        let start = move |db: crate::sql::Db<'_>| erasures::start(db, &keyring, &*context.entropy, &new, now);
        let started = self.access.act(self.entry(), start).await?;
        self.access.note_erasing(&started.account_id);
        self.access.erasure_started.notify_one();
        Ok(started)
    }

    /// One of an account's erasures.
    pub async fn find_erasure(&self, account_id: &AccountId, id: &ErasureId) -> Result<Option<Erasure>, StoreError> {
        let (keyring, account_id, id) = (Arc::clone(&self.access.keyring), account_id.clone(), id.clone());
        self.access.read(move |db| erasures::find(db, &keyring, &account_id, &id)).await
    }

    /// A page of an account's erasures, the latest first.
    pub async fn list_erasures(&self, account_id: &AccountId, page: PageRequest) -> Result<Page<Erasure>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.access.keyring), account_id.clone());
        self.access.read(move |db| erasures::list(db, &keyring, &account_id, &page)).await
    }

    /// Places a hold, or gives the one that stands another reason. `None`: there is no such account.
    pub async fn put_hold(&self, new: NewHold) -> Result<Option<Hold>, StoreError> {
        let (keyring, context, now) = (Arc::clone(&self.access.keyring), self.access.context.clone(), self.access.now());
        self.access.act(self.entry(), move |db| holds::put(db, &keyring, &*context.entropy, &new, now)).await
    }

    /// The hold that a subject is under.
    pub async fn find_hold(&self, account_id: &AccountId, subject: &str) -> Result<Option<Hold>, StoreError> {
        let (keyring, account_id, subject) = (Arc::clone(&self.access.keyring), account_id.clone(), subject.to_owned());
        self.access.read(move |db| holds::find(db, &keyring, &account_id, &subject)).await
    }

    /// A page of an account's holds.
    pub async fn list_holds(&self, account_id: &AccountId, page: PageRequest) -> Result<Page<Hold>, StoreError> {
        let (keyring, account_id) = (Arc::clone(&self.access.keyring), account_id.clone());
        self.access.read(move |db| holds::list(db, &keyring, &account_id, &page)).await
    }

    /// Lifts a hold. `false`: there was none.
    pub async fn delete_hold(&self, account_id: &AccountId, subject: &str) -> Result<bool, StoreError> {
        let (keyring, account_id, subject) = (Arc::clone(&self.access.keyring), account_id.clone(), subject.to_owned());
        self.access.act(self.entry(), move |db| holds::delete(db, &keyring, &account_id, &subject)).await
    }
}
