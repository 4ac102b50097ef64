//! Why a use-case refused. Each variant is one thing that a caller can react to; nothing is told by its text alone.

use std::time::Duration;

use bellwire_store::StoreError;

/// One thing that is wrong with what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901) into what was given.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

bellwire_domain::words! {
    /// What was not found, in a word for people.
    pub enum Resource {
        /// An API key.
        Key = "key",
        /// A contract.
        Contract = "contract",
        /// An account.
        Account = "account",
        /// An endpoint.
        Endpoint = "endpoint",
        /// A delivery.
        Delivery = "delivery",
        /// A replay.
        Replay = "replay",
        /// A kind of resource.
        ResourceKind = "kind of resource in the contract of this account",
        /// A resource.
        Resource = "resource",
    }
}

/// What was asked for is valid, and does not fit what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The id of an event is taken by another one.
    #[error("the event `{id}` exists with other content")]
    EventExists {
        /// Where the id was given.
        pointer: String,
        /// The id.
        id: String,
    },
    /// An account keeps its contract.
    #[error("the account exists under the contract `{contract}`, and an account keeps its contract")]
    ContractFixed {
        /// The contract it has.
        contract: String,
    },
    /// The account's contract is not among the loaded ones.
    #[error("the contract `{contract}` of this account is not loaded")]
    ContractNotLoaded {
        /// Its name.
        contract: String,
    },
    /// The contract has no webhooks for sandbox accounts.
    #[error("this is a sandbox account, and its contract has no webhooks for those")]
    SandboxAccount,
    /// The account has all the endpoints it may have.
    #[error("the account has {max} endpoints already, the most there may be")]
    EndpointLimit {
        /// The limit.
        max: u32,
    },
    /// The contract has no test event.
    #[error("the contract of this account has no test event")]
    NoTestEvent,
    /// The secret belongs to the account.
    #[error("under this contract the secret belongs to the account: change it there, for all of its endpoints")]
    AccountSecret,
    /// The secrets belong to the endpoints.
    #[error("under this contract each endpoint has its own secret, and the account has none")]
    EndpointSecret,
    /// So many secrets sign already.
    #[error("{max} secrets sign already, the most there may be: wait for one to end, or rotate with an overlap of 0s")]
    SecretLimit {
        /// The limit.
        max: usize,
    },
    /// A request of this delivery is under way.
    #[error("the delivery is in flight at this moment")]
    DeliveryInFlight,
    /// The endpoint of this delivery was deleted.
    #[error("the endpoint of this delivery was deleted")]
    EndpointDeleted,
    /// The resource cannot come into that state from the one it is in.
    #[error("{detail} (`{rule}` in the contract): nothing was stored")]
    IllegalTransition {
        /// The rule, as a place in the contract.
        rule: String,
        /// What it says.
        detail: String,
    },
    /// An event that a change causes would have the id of another event.
    #[error("an event that this change causes would have the id of another event: nothing was stored")]
    ResourceEvent,
    /// So many replays of the endpoint run already.
    #[error("{max} replays of this endpoint run already, the most there may be: wait for one to end, or cancel it")]
    ReplayLimit {
        /// The limit.
        max: u32,
    },
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
    /// It does not exist, or not for this caller.
    #[error("no such {}", .0.as_str())]
    NotFound(Resource),
    /// What was given is wrong.
    #[error("what was given is not valid")]
    Invalid(Vec<Fault>),
    /// What was given is larger than allowed.
    #[error("{}", .0.detail)]
    TooLarge(Fault),
    /// More of the account's deliveries are live than may be.
    #[error("the account has {pending} live deliveries, and with these there would be more than may be: nothing was stored")]
    BacklogFull {
        /// Live deliveries now.
        pending: i64,
    },
    /// What is stored is not what the caller expects.
    #[error("{}", precondition_failed(*.version))]
    PreconditionFailed {
        /// The version that is stored; `None`: there is no such resource.
        version: Option<i64>,
    },
    /// The key asks too often.
    #[error("this API key asks too often")]
    RateExceeded {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// It does not fit what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store is busy, closed or broken.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AppError {
    /// One fault.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, detail)])
    }
}

fn precondition_failed(version: Option<i64>) -> String {
    match version {
        Some(version) => {
            format!("the resource has version {version}, which is not what the request asks for: nothing was stored")
        }
        None => "there is no such resource yet, and the request asks for one: nothing was stored".to_owned(),
    }
}

/// Faults collected while something is checked, so that all of them are reported at once.
pub(crate) fn no_faults(faults: Vec<Fault>) -> Result<(), AppError> {
    if faults.is_empty() { Ok(()) } else { Err(AppError::Invalid(faults)) }
}
