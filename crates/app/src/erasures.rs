//! Erasing what is about somebody.

use bellwire_domain::{AccountId, AuditAction, AuditDetail, ErasureId, Timestamp};
use bellwire_store::{ErasedSubject, Erasure, NewErasure, Page, PageRequest, StartErasureError, StoreError, SubjectHash};

use crate::author::Author;
use crate::error::no_faults;
use crate::{AccountAccess, Actor, App, AppError, Conflict, Resource};

/// An erasure in a list outside the store. It names its subject by the hash that the account's key makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedErasure {
    /// Its id.
    pub id: ErasureId,
    /// In which account.
    pub account_id: AccountId,
    /// About whom.
    pub subject: SubjectHash,
    /// When it was asked for.
    pub at: Timestamp,
}

/// A list of erasures outside the store.
pub trait ErasureList: Send + Sync {
    /// Adds one, for good when this returns. It blocks for as long as a disk does.
    fn add(&self, erasure: &ListedErasure) -> std::io::Result<()>;
}

impl App {
    /// Starts an erasure, whose reason is kept with it. It runs in the background.
    pub async fn start_erasure(
        &self,
        actor: &Actor,
        access: &AccountAccess,
        subject: &str,
        reason: &str,
    ) -> Result<Erasure, AppError> {
        let reason = reason.trim();
        let mut faults = self.subject_faults("/subject", subject);
        faults.extend(self.reason_faults(reason, "why: it is kept"));
        no_faults(faults)?;
        let id = ErasureId::draw(self.clock().now(), self.entropy().bytes());
        let entry = access.entry(AuditAction::ErasureStarted).to(id.as_str());
        let entry = entry.with("reason", AuditDetail::Personal(reason.to_owned()));
        let entry = entry.with("subject", AuditDetail::Text(self.hash_subject(access, subject).await?));
        let new = NewErasure {
            id,
            account_id: access.account.id.clone(),
            subject: ErasedSubject::Named(subject.to_owned()),
            reason: reason.to_owned(),
            asked_by: actor.identity.as_str().to_owned(),
            running_max: self.limits().erasures_running_max,
        };
        self.list_erasure(&new).await?;
        self.records().audited(entry).start_erasure(new).await.map_err(|error| match error {
            StartErasureError::AccountNotFound => AppError::NotFound(Resource::Account),
            StartErasureError::Held => Conflict::SubjectHeld.into(),
            StartErasureError::TooMany { max } => Conflict::ErasureLimit { max }.into(),
            StartErasureError::Store(error) => error.into(),
        })
    }

    /// Lists an erasure that is about to start. One that is listed and did not start is done at the next start of a server, as it was
    /// asked for.
    async fn list_erasure(&self, new: &NewErasure) -> Result<(), AppError> {
        let Some(list) = self.options().erasure_list.clone() else { return Ok(()) };
        let ErasedSubject::Named(subject) = &new.subject else { return Ok(()) };
        if self.records().find_hold(&new.account_id, subject).await?.is_some() {
            return Ok(()); // it will be refused
        }
        let subject = self.records().hash_subject(&new.account_id, subject).await?;
        let subject = subject.ok_or(AppError::NotFound(Resource::Account))?;
        let (id, account_id) = (new.id.clone(), new.account_id.clone());
        let listed = ListedErasure { id, account_id, subject, at: self.clock().now() };
        let added = tokio::task::spawn_blocking(move || list.add(&listed)).await;
        let failed = |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("the list of erasures: {error}").into());
        added.map_err(|error| failed(&error))?.map_err(|error| failed(&error).into())
    }

    /// Does an erasure of a list again that the store does not know, as it is older than the list. `false`: it knows it, or the account
    /// is gone.
    pub async fn repeat_erasure(&self, listed: ListedErasure) -> Result<bool, AppError> {
        if self.find_account(&listed.account_id).await?.is_none()
            || self.records().find_erasure(&listed.account_id, &listed.id).await?.is_some()
        {
            return Ok(false);
        }
        let entry = Author::node().entry(AuditAction::ErasureStarted).in_account(&listed.account_id).to(listed.id.as_str());
        let entry = entry.with("subject", AuditDetail::Text(listed.subject.to_string()));
        let new = NewErasure {
            id: listed.id,
            account_id: listed.account_id,
            subject: ErasedSubject::Hashed(listed.subject),
            reason: format!("asked for at {}, and done again after a backup was restored", listed.at),
            asked_by: "node".to_owned(),
            running_max: u32::MAX,
        };
        match self.records().audited(entry).start_erasure(new).await {
            Ok(_) => Ok(true),
            Err(StartErasureError::Held) => Err(Conflict::SubjectHeld.into()),
            Err(StartErasureError::AccountNotFound | StartErasureError::TooMany { .. }) => Ok(false),
            Err(StartErasureError::Store(error)) => Err(error.into()),
        }
    }

    /// One of an account's erasures, and how far it has come.
    pub async fn get_erasure(&self, access: &AccountAccess, id: &str) -> Result<Erasure, AppError> {
        let not_found = || AppError::NotFound(Resource::Erasure);
        let id = ErasureId::try_new(id).map_err(|_| not_found())?;
        self.records().find_erasure(&access.account.id, &id).await?.ok_or_else(not_found)
    }

    /// A page of an account's erasures, the latest first.
    pub async fn list_erasures(&self, access: &AccountAccess, page: PageRequest) -> Result<Page<Erasure>, AppError> {
        Ok(self.records().list_erasures(&access.account.id, page).await?)
    }
}
