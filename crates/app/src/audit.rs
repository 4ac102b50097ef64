//! The audit log as the use-cases write and read it.
//!
//! Whoever may do something carries who they are: a [`Scope`] and an [`AccountAccess`] each have an [`Author`], from which the entries
//! are made that go into the log together with the change. What has been read is recorded before it is shown. What happens very often,
//! publishing and refused keys, is counted and recorded once a minute (`tally`).

use bellwire_domain::{AccountId, AuditAction, AuditDetail, AuditEntry, AuditOrigin};
use bellwire_store::{AuditCheckpoint, AuditQuery, AuditRecord, Page, PageRequest};

use crate::author::Author;
use crate::{Actor, App, AppError, Operation};

/// Ids that one record names; of more, it has the number.
const NAMED_MAX: usize = 1_000;

/// That these were read.
pub(crate) fn reading<T: ToString>(entry: AuditEntry, ids: &[T]) -> AuditEntry {
    let named = ids.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
    entry.with("ids", AuditDetail::Texts(named)).with("count", AuditDetail::Number(count))
}

impl App {
    /// A page of the audit log. The cursor is a record's number.
    pub async fn list_audit(&self, actor: &Actor, query: AuditQuery, page: PageRequest) -> Result<Page<AuditRecord>, AppError> {
        self.permit(actor, Operation::AuditRead)?;
        Ok(self.records().list_audit(query, page).await?)
    }

    /// The head of the audit log, signed.
    pub async fn audit_checkpoint(&self, actor: &Actor) -> Result<AuditCheckpoint, AppError> {
        self.permit(actor, Operation::AuditRead)?;
        self.sign_audit_log().await
    }

    /// The same, for the server itself.
    pub async fn sign_audit_log(&self) -> Result<AuditCheckpoint, AppError> {
        Ok(self.records().audit_checkpoint().await?)
    }

    /// The key that verifies checkpoints (C2SP `signed-note`).
    pub fn audit_key(&self) -> String {
        self.records().audit_key()
    }

    /// Records that this server began to work, with its version and the flags that it was given.
    pub async fn record_start(&self, version: &str, flags: Vec<String>) -> Result<(), AppError> {
        let entry = Author::node().entry(AuditAction::NodeStarted);
        let entry = entry.with("version", AuditDetail::Text(version.to_owned())).with("flags", AuditDetail::Texts(flags));
        Ok(self.records().note(entry).await?)
    }

    /// Records what was counted, and that this server stops.
    pub async fn record_stop(&self) -> Result<(), AppError> {
        self.record_tally().await?;
        Ok(self.records().note(Author::node().entry(AuditAction::NodeStopped)).await?)
    }

    /// Records what was counted since the last time, and when keys were used.
    pub async fn record_tally(&self) -> Result<(), AppError> {
        let used = self.used_keys().take();
        if !used.is_empty() {
            self.records().note_key_use(used).await?;
        }
        for entry in self.tally().take() {
            self.records().note(entry).await?;
        }
        Ok(())
    }

    /// Counts a request with a key that does not work.
    pub(crate) fn count_refused(&self, key: &str, origin: AuditOrigin) {
        let entry = Author::unknown(origin).entry(AuditAction::SignInRefused);
        self.tally().count(match visible_prefix(key) {
            Some(prefix) => entry.to(prefix),
            None => entry,
        });
    }

    /// Counts somebody whom the identity provider did not let in.
    pub fn count_refused_person(&self, origin: AuditOrigin) {
        self.count_refused("", origin);
    }

    /// Counts events that somebody has published.
    pub(crate) fn count_published(&self, by: &Author, action: AuditAction, account: &AccountId, events: usize) {
        self.tally().add(by.entry(action).in_account(account), u64::try_from(events).unwrap_or(u64::MAX));
    }
}

/// Characters of a key that may be shown: its kind, and 32 of its 256 bits.
pub const KEY_PREFIX_LENGTH: usize = 12;

/// The part of a key that is shown to tell it from others; `None`: the text does not look like one that Bellwire makes.
pub(crate) fn visible_prefix(key: &str) -> Option<&str> {
    let is_drawn = key.starts_with("bwk_") && key.len() > 2 * KEY_PREFIX_LENGTH && key.is_ascii();
    key.get(..KEY_PREFIX_LENGTH).filter(|_| is_drawn)
}
