//! Holds: while one stands, nothing about its subject is removed.

use bellwire_domain::{AuditAction, AuditDetail};
use bellwire_store::{Hold, NewHold, Page, PageRequest};

use crate::error::no_faults;
use crate::{AccountAccess, Actor, App, AppError, Resource};

impl App {
    /// Places a hold, or gives the one that stands another reason.
    pub async fn put_hold(&self, actor: &Actor, access: &AccountAccess, subject: &str, reason: &str) -> Result<Hold, AppError> {
        let reason = reason.trim();
        let mut faults = self.subject_faults("/subject", subject);
        faults.extend(self.reason_faults(reason, "why: it is kept"));
        no_faults(faults)?;
        let entry = access.entry(AuditAction::HoldPlaced).to(self.hash_subject(access, subject).await?);
        let entry = entry.with("reason", AuditDetail::Personal(reason.to_owned()));
        let new = NewHold {
            account_id: access.account.id.clone(),
            subject: subject.to_owned(),
            reason: reason.to_owned(),
            placed_by: actor.identity.as_str().to_owned(),
        };
        self.records().audited(entry).put_hold(new).await?.ok_or(AppError::NotFound(Resource::Account))
    }

    /// The hold that a subject is under.
    pub async fn get_hold(&self, access: &AccountAccess, subject: &str) -> Result<Hold, AppError> {
        self.records().find_hold(&access.account.id, subject).await?.ok_or(AppError::NotFound(Resource::Hold))
    }

    /// A page of an account's holds.
    pub async fn list_holds(&self, access: &AccountAccess, page: PageRequest) -> Result<Page<Hold>, AppError> {
        Ok(self.records().list_holds(&access.account.id, page).await?)
    }

    /// Lifts a hold.
    pub async fn delete_hold(&self, access: &AccountAccess, subject: &str) -> Result<(), AppError> {
        let entry = access.entry(AuditAction::HoldReleased).to(self.hash_subject(access, subject).await?);
        let is_lifted = self.records().audited(entry).delete_hold(&access.account.id, subject).await?;
        if is_lifted { Ok(()) } else { Err(AppError::NotFound(Resource::Hold)) }
    }
}
