//! What the audit log keeps of an act: who did what to what, and from where.
//!
//! An [`AuditEntry`] is what a use-case hands to the store together with the change. The store numbers it, takes out what is
//! personal, and hashes it into the log. Deliveries are not acts of anybody; they have their own history.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{AccountId, ClientId, KeyId};

crate::words! {
    /// What was done.
    pub enum AuditAction {
        /// An account was created.
        AccountCreated = "account.created",
        /// An account was changed.
        AccountChanged = "account.changed",
        /// An account was deleted with all that belongs to it.
        AccountDeleted = "account.deleted",
        /// An account got a new secret.
        AccountSecretRotated = "account.secret_rotated",
        /// Answers, the bodies that receivers sent back, were read.
        AnswersRead = "answers.read",
        /// A retry of many deliveries was stopped.
        BulkRetryCancelled = "bulk_retry.cancelled",
        /// A retry of many deliveries was started.
        BulkRetryStarted = "bulk_retry.started",
        /// A client of a published API was registered.
        ClientCreated = "client.created",
        /// A client of a published API was deleted: its access tokens work no more.
        ClientDeleted = "client.deleted",
        /// A contract got a new key to sign with.
        ContractKeyRotated = "contract.key_rotated",
        /// The contracts were read again.
        ContractsReloaded = "contracts.reloaded",
        /// An account's data key was renewed.
        DataKeyRenewed = "data_key.renewed",
        /// A delivery was made due by hand.
        DeliveryRetried = "delivery.retried",
        /// An endpoint was registered.
        EndpointCreated = "endpoint.created",
        /// An endpoint was changed, enabled, disabled or resumed.
        EndpointChanged = "endpoint.changed",
        /// An endpoint was deleted.
        EndpointDeleted = "endpoint.deleted",
        /// An endpoint got a new secret.
        EndpointSecretRotated = "endpoint.secret_rotated",
        /// A test event was sent to an endpoint.
        EndpointTested = "endpoint.tested",
        /// The audit log was written out to a file.
        AuditExported = "audit.exported",
        /// Somebody was told to whom something about a subject was disclosed.
        DisclosuresRead = "disclosures.read",
        /// An erasure of what is about a subject was done.
        ErasureDone = "erasure.done",
        /// An erasure of what is about a subject was started.
        ErasureStarted = "erasure.started",
        /// Events were published; one record for all of a minute.
        EventsPublished = "events.published",
        /// A subject was put under a hold: nothing about it is removed.
        HoldPlaced = "hold.placed",
        /// A hold was lifted.
        HoldReleased = "hold.released",
        /// An incident was acknowledged or resolved.
        IncidentChanged = "incident.changed",
        /// An API key was created.
        KeyCreated = "key.created",
        /// An API key was revoked.
        KeyDeleted = "key.deleted",
        /// The new master key is the store's.
        MasterKeyRotated = "master_key.rotated",
        /// The store's keys began to be wrapped by a new master key.
        MasterKeyRotationStarted = "master_key.rotation_started",
        /// A server began to work on the store.
        NodeStarted = "node.started",
        /// A server stopped in good order.
        NodeStopped = "node.stopped",
        /// Payloads of events or documents of resources were read.
        PayloadsRead = "payloads.read",
        /// A link to an account's portal was made.
        PortalLinkCreated = "portal_link.created",
        /// All sessions and links of an account's portal were ended.
        PortalEnded = "portal.ended",
        /// A replay was stopped.
        ReplayCancelled = "replay.cancelled",
        /// A replay was started.
        ReplayStarted = "replay.started",
        /// Documents of resources were put; one record for all of a minute.
        ResourcesPut = "resources.put",
        /// A secret was read back.
        SecretRead = "secret.read",
        /// Somebody signed out of the pages.
        SessionEnded = "session.ended",
        /// Somebody signed in to the pages.
        SessionOpened = "session.opened",
        /// Requests with a key, a token, an assertion or a session that does not work; one record for many.
        SignInRefused = "sign_in.refused",
        /// A client got access tokens; one record for all of a minute.
        TokensIssued = "tokens.issued",
    }
}

crate::words! {
    /// By which way an act came in.
    pub enum AuditVia {
        /// The operator's API.
        Api = "api",
        /// A contract's published API.
        Published = "published",
        /// The pages.
        Console = "console",
        /// A command over the database.
        Command = "command",
        /// The server by itself.
        Node = "node",
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AuditActor {
    /// Whoever holds an API key.
    Key(KeyId),
    /// A client of a published API, by an access token or an assertion.
    Client(ClientId),
    /// Whoever opened a link to this account's portal.
    Portal(AccountId),
    /// A person, as the identity provider calls them. Personal.
    Person(String),
    /// Whoever can run commands over the database and knows its master key.
    Command,
    /// The server by itself.
    Node,
    /// Nobody who is known.
    Unknown,
}

/// From where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditOrigin {
    /// By which way.
    pub via: AuditVia,
    /// The address at the other end of the connection, which may be a proxy's. Personal.
    pub address: Option<IpAddr>,
}

/// One fact about an act.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AuditDetail {
    /// A word or an id.
    Text(String),
    /// Ids, or names of what was changed.
    Texts(Vec<String>),
    /// A count.
    Number(u64),
    /// What somebody wrote, or what tells who somebody is. The log holds a commitment to it, and the text can be erased.
    Personal(String),
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuditEntry {
    /// Who.
    pub actor: AuditActor,
    /// What.
    pub action: AuditAction,
    /// In which account, if in one.
    pub account: Option<AccountId>,
    /// To what: the id of the thing, within its account.
    pub object: Option<String>,
    /// From where.
    pub origin: AuditOrigin,
    /// What else is worth knowing, by name.
    pub detail: BTreeMap<&'static str, AuditDetail>,
}

impl AuditEntry {
    /// An act without an account, an object or details.
    pub const fn new(actor: AuditActor, origin: AuditOrigin, action: AuditAction) -> Self {
        Self { actor, action, account: None, object: None, origin, detail: BTreeMap::new() }
    }

    /// The same in an account.
    #[must_use]
    pub fn in_account(self, id: &AccountId) -> Self {
        Self { account: Some(id.clone()), ..self }
    }

    /// The same to that thing.
    #[must_use]
    pub fn to(self, object: impl Into<String>) -> Self {
        Self { object: Some(object.into()), ..self }
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, detail: AuditDetail) -> Self {
        self.detail.insert(name, detail);
        self
    }
}
