//! Why a use-case refused. Each variant is something that a caller can react to; nothing is only in the text.

use std::time::Duration;

use bellwire_store::StoreError;

use crate::Allowance;

/// One thing that is wrong with the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901) into the input.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

bellwire_domain::words! {
    /// What was not found, in words for people.
    pub enum Resource {
        /// An API key.
        Key = "key",
        /// A client of a published API.
        Client = "client",
        /// A contract.
        Contract = "contract",
        /// An account.
        Account = "account",
        /// An endpoint.
        Endpoint = "endpoint",
        /// An event.
        Event = "event",
        /// An event type that an endpoint has chosen.
        Choice = "chosen event type",
        /// A delivery.
        Delivery = "delivery",
        /// An attempt of a delivery.
        Attempt = "attempt",
        /// A replay.
        Replay = "replay",
        /// An incident.
        Incident = "incident",
        /// A retry of many deliveries.
        BulkRetry = "bulk retry",
        /// An erasure.
        Erasure = "erasure",
        /// A hold.
        Hold = "hold",
        /// A resource.
        Resource = "resource",
    }
}

/// The request is valid, but conflicts with what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another event has this id.
    #[error("the event `{id}` exists with different content")]
    EventExists {
        /// Where the id was given.
        pointer: String,
        /// The id.
        id: String,
    },
    /// An account cannot change its contract.
    #[error("the account exists under the contract `{contract}`, and cannot change it")]
    ContractFixed {
        /// The contract it has.
        contract: String,
    },
    /// The account's contract is not loaded.
    #[error("the contract `{contract}` of this account is not loaded")]
    ContractNotLoaded {
        /// Its name.
        contract: String,
    },
    /// Accounts could not go on with what the files say.
    #[error("nothing was changed: {}", .reasons.join("; "))]
    ContractInUse {
        /// Which contracts, and why.
        reasons: Vec<String>,
    },
    /// The contract has no webhooks for sandbox accounts.
    #[error("this is a sandbox account, and its contract has no webhooks for sandboxes")]
    SandboxAccount,
    /// The account is being deleted.
    #[error("the account is being deleted; its id is free once that is done")]
    AccountDeleted,
    /// The account has reached its limit of endpoints.
    #[error("the account already has {max} endpoints, which is the limit")]
    EndpointLimit {
        /// The limit.
        max: u32,
    },
    /// The account has reached its limit of clients.
    #[error("the account already has {max} clients, which is the limit")]
    ClientLimit {
        /// The limit.
        max: u32,
    },
    /// The endpoint's lease has ended.
    #[error("the endpoint has expired{}", if *.is_renewable { ": renew it with a new `expires_at` first" } else { ", and under this contract it cannot be renewed: register it anew" })]
    LeaseEnded {
        /// Whether it may be renewed.
        is_renewable: bool,
    },
    /// The endpoint has chosen this event type already.
    #[error("the endpoint has chosen this already")]
    EventChosen,
    /// The endpoint gets every event type, of which none can be taken away.
    #[error("the endpoint gets every event: say with `events` which ones it is to get")]
    EventsUnlisted,
    /// The incident is over.
    #[error("the incident is resolved: there is nothing to acknowledge")]
    IncidentResolved,
    /// The contract has no test event.
    #[error("the contract of this account has no test event")]
    NoTestEvent,
    /// The secret belongs to the account.
    #[error("under this contract the secret belongs to the account: change it there, for all of its endpoints")]
    AccountSecret,
    /// The contract has keys of its own, which sign for all of its accounts.
    #[error("one key signs for all accounts of this contract: the operator rotates it there")]
    ContractSecret,
    /// The secrets belong to the endpoints.
    #[error("under this contract each endpoint has its own secret, and the account has none")]
    EndpointSecret,
    /// The limit of active secrets is reached.
    #[error("{max} secrets are already active, which is the limit: wait for one to expire, or rotate with an overlap of 0s")]
    SecretLimit {
        /// The limit.
        max: u32,
    },
    /// A request of this delivery is in flight.
    #[error("the delivery is in flight")]
    DeliveryInFlight,
    /// The endpoint of this delivery was deleted.
    #[error("the endpoint of this delivery was deleted")]
    EndpointDeleted,
    /// The request of an attempt cannot be built again.
    #[error("the request cannot be built: {reason}")]
    RequestNotBuilt {
        /// What the contract says, or lacks.
        reason: String,
    },
    /// The resource cannot move from its current state to this one.
    #[error("{detail} (`{rule}` in the contract): nothing was stored")]
    IllegalTransition {
        /// The rule, as a place in the contract.
        rule: String,
        /// What it says.
        detail: String,
    },
    /// An event caused by the change would have the id of another event.
    #[error("an event that this change causes would have the id of another event: nothing was stored")]
    ResourceEvent,
    /// The endpoint's limit of running replays is reached.
    #[error("{max} replays of this endpoint are already running, which is the limit: wait for one to end, or cancel one")]
    ReplayLimit {
        /// The limit.
        max: u32,
    },
    /// The account's limit of running replays is reached.
    #[error(
        "{max} replays of this account's endpoints are already running, which is the limit: wait for one to end, or cancel one"
    )]
    AccountReplayLimit {
        /// The limit.
        max: u32,
    },
    /// Without this key, nobody could administer the store.
    #[error("this is the last admin key that works: create another one first")]
    LastAdminKey,
    /// There is no room for another data key.
    #[error("the account has had {max} data keys, which is the limit")]
    DataKeyLimit {
        /// The limit.
        max: usize,
    },
    /// The data of the event is gone.
    #[error("the data of this event was removed, and it cannot be sent again")]
    DataRemoved,
    /// The subject is under a hold.
    #[error("the subject is under a hold: nothing about it is removed until the hold is lifted")]
    SubjectHeld,
    /// The limit of running erasures is reached.
    #[error("{max} erasures of this account are already running, which is the limit: wait for one to end")]
    ErasureLimit {
        /// The limit.
        max: u32,
    },
    /// The limit of running retries of many deliveries is reached.
    #[error("{max} bulk retries are already running, which is the limit: wait for one to end, or cancel one")]
    BulkRetryLimit {
        /// The limit, of an account or of those over all accounts.
        max: u32,
    },
}

impl Conflict {
    /// The limit that is reached, where what is limited comes back by itself.
    pub const fn allowance(&self) -> Option<Allowance> {
        match self {
            Self::ReplayLimit { max } => Some(Allowance::endpoint_replays(*max, *max)),
            Self::AccountReplayLimit { max } => Some(Allowance::replays(*max, *max)),
            _ => None,
        }
    }
}

/// Why a use-case refused.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No key, or one that is unknown, revoked or expired.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The key's role does not allow it.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It does not exist, or this caller may not see it.
    #[error("no such {}", .0.as_str())]
    NotFound(Resource),
    /// The account's contract has no such kind of resource; the text says which was meant.
    #[error("{0}")]
    NoSuchKind(String),
    /// The input is invalid.
    #[error("the input is not valid")]
    Invalid(Vec<Fault>),
    /// A file of a contract is wrong: each line of the text says one thing, and where.
    #[error("nothing was changed: {0}")]
    ContractFiles(String),
    /// The input is too large.
    #[error("{}", .0.detail)]
    TooLarge(Fault),
    /// The account has too many live deliveries.
    #[error("the account has {pending} live deliveries, and this request would exceed the limit: nothing was stored")]
    BacklogFull {
        /// Live deliveries now.
        pending: i64,
    },
    /// The stored version is not the one that the caller expects.
    #[error("{}", precondition_failed(*.version))]
    PreconditionFailed {
        /// The stored version; `None`: there is no such resource.
        version: Option<i64>,
    },
    /// It is asked for too often.
    #[error("{}", rate_exceeded(.allowance))]
    RateExceeded {
        /// When it may be asked for again.
        retry_after: Duration,
        /// What is limited, and how.
        allowance: Allowance,
    },
    /// It conflicts with what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store is busy, closed or failing.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppError {
    /// One fault.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, detail)])
    }
}

fn rate_exceeded(allowance: &Allowance) -> String {
    let Allowance { policy, limit, window, .. } = allowance;
    let whose = if *policy == "requests" { "this API key" } else { "this account" };
    let span = window.map_or_else(String::new, |window| format!(" in {} s", window.span_s));
    format!("{whose} is allowed {limit} {policy}{span}, and has had them: try again after `Retry-After`")
}

fn precondition_failed(version: Option<i64>) -> String {
    match version {
        Some(version) => {
            format!("the resource has version {version}, which is not what the request asks for: nothing was stored")
        }
        None => "there is no such resource yet, and the request asks for one: nothing was stored".to_owned(),
    }
}

/// An error, if there are any faults.
pub(crate) fn no_faults(faults: Vec<Fault>) -> Result<(), AppError> {
    if faults.is_empty() { Ok(()) } else { Err(AppError::Invalid(faults)) }
}
