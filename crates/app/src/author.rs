//! Who does something, and from where: what every permission carries, so that the audit log can name them.

use std::net::IpAddr;

use bellwire_domain::{AuditAction, AuditActor, AuditEntry, AuditOrigin, AuditVia};

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    actor: AuditActor,
    origin: AuditOrigin,
}

impl Author {
    pub(crate) const fn new(actor: AuditActor, origin: AuditOrigin) -> Self {
        Self { actor, origin }
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

/// The address at the other end of a connection, as a listener tells it to whoever handles its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// From where a request comes in by that way.
    pub fn origin(address: Option<&Self>, via: AuditVia) -> AuditOrigin {
        AuditOrigin { via, address: address.map(|address| address.0) }
    }
}
