//! The audit log as the use-cases write and read it.
//!
//! Whoever may do something carries who they are: a [`Scope`] and an [`AccountAccess`] each have an [`Author`], from which the entries
//! are made that go into the log together with the change. What has been read is recorded before it is shown. What happens very often,
//! publishing and refused keys, is counted and recorded once a minute (`tally`).

use std::net::IpAddr;

use bellwire_domain::{AccountId, AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia};
use bellwire_store::{AuditCheckpoint, AuditQuery, AuditRecord, Page, PageRequest};

use crate::access::{AccountAccess, Identity, Scope};
use crate::{Actor, App, AppError, Operation};

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    actor: AuditActor,
    origin: AuditOrigin,
}

impl Author {
    /// A caller who is known.
    pub(crate) fn of(actor: &Actor) -> Self {
        let who = match &actor.identity {
            Identity::Key(id) => AuditActor::Key(id.clone()),
            Identity::Portal(account) => AuditActor::Portal(account.clone()),
            Identity::Person(name) => AuditActor::Person(name.to_string()),
        };
        Self { actor: who, origin: actor.origin }
    }

    /// The server by itself.
    pub(crate) const fn node() -> Self {
        Self { actor: AuditActor::Node, origin: AuditOrigin { via: AuditVia::Node, address: None } }
    }

    /// A command over the database.
    pub(crate) const fn command() -> Self {
        Self { actor: AuditActor::Command, origin: AuditOrigin { via: AuditVia::Command, address: None } }
    }

    /// Somebody whom nothing identifies.
    pub(crate) const fn unknown(origin: AuditOrigin) -> Self {
        Self { actor: AuditActor::Unknown, origin }
    }

    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        AuditEntry::new(self.actor.clone(), self.origin, action)
    }
}

impl Scope {
    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        self.by.entry(action)
    }
}

impl AccountAccess {
    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        self.by.entry(action).in_account(&self.account.id)
    }
}

/// The address at the other end of a connection, as a listener tells it to whoever handles its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// From where a request comes in by that way.
    pub fn origin(address: Option<&Self>, via: AuditVia) -> AuditOrigin {
        AuditOrigin { via, address: address.map(|address| address.0) }
    }
}

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
