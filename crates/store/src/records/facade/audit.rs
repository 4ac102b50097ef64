//! The audit log.

use bellwire_domain::AuditEntry;

use super::Records;
use crate::StoreError;
use crate::audit::checkpoint::{self, AuditCheckpoint};
use crate::audit::list::{self, AuditQuery, AuditRecord};
use crate::page::{Page, PageRequest};

impl Records {
    /// The same records, whose next change is written into the audit log in its own transaction, if it changes anything.
    #[must_use]
    pub fn audited(&self, entry: AuditEntry) -> Self {
        Self { entry: Some(Box::new(entry)), ..self.clone() }
    }

    pub(super) fn entry(&self) -> Option<AuditEntry> {
        self.entry.as_deref().cloned()
    }

    /// Records what changes nothing else: that something was read, or refused.
    pub async fn note(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.access.note(entry).await
    }

    /// A page of the audit log; the cursor is a record's number.
    pub async fn list_audit(&self, query: AuditQuery, page: PageRequest) -> Result<Page<AuditRecord>, StoreError> {
        let keys = self.access.context.audit.clone();
        self.access.read(move |db| list::list(db, &keys, &query, &page)).await
    }

    /// Signs the head of the audit log, or finds the checkpoint that was signed of it already.
    pub async fn audit_checkpoint(&self) -> Result<AuditCheckpoint, StoreError> {
        let (context, now) = (self.access.context.clone(), self.access.now());
        let tells = context.operator_account.is_some();
        self.access.write(move |db| checkpoint::take(db, &context.audit, &*context.entropy, now, tells)).await
    }

    /// The key that verifies checkpoints, as C2SP `signed-note` writes it.
    pub fn audit_key(&self) -> String {
        self.access.context.audit.verifier().to_owned()
    }
}
