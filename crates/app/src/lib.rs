//! Bellwire's use-cases: everything that a caller can ask for, whoever it is and whatever the protocol.
//!
//! Its job: each use-case authorises, validates, decides and stores, in that order. Authorisation returns a value ([`Scope`]
//! for what belongs to no account, [`AccountAccess`] for what belongs to one) that the use-cases require and nothing else can
//! make: a use-case without authorisation does not compile.
//!
//! Its promises: a consumer's key learns nothing about other accounts, not even that they exist; `data` reaches the store as the
//! bytes that were posted; what a contract does not allow is refused, with the place and the reason, before anything is
//! stored.
//!
//! What it must not know: HTTP, JSON bodies, sockets, SQL, any platform by name.
//!
//! To add a use-case: add its [`Operation`] (the compiler then asks for its row in [`access::reach`]), write it as a method of
//! [`App`] in the file of its resource, taking the scope or the access, and give its refusals a variant of [`AppError`].

pub mod access;
mod accounts;
mod contracts;
mod deliveries;
mod endpoint_rules;
mod endpoints;
mod error;
mod events;
mod keys;
mod limits;
mod publish;
mod rate;
mod replays;
mod resources;
mod secrets;

use std::sync::Arc;

use bellwire_contract::{Contract, Contracts};
use bellwire_domain::{AddressPolicy, Clock, Entropy};
use bellwire_store::{Records, StoreError};

use rate::KeyRates;

pub use access::{AccountAccess, Actor, Operation, Reach, Scope};
pub use accounts::{AccountInput, PutAccountAnswer};
pub use deliveries::{DeliveryFilter, DeliveryWithAttempts};
pub use endpoints::{EndpointInput, EndpointPatch};
pub use error::{AppError, Conflict, Fault, Resource};
pub use events::ArrivalInput;
pub use keys::{KeyInput, NewKey};
pub use limits::Limits;
pub use publish::EventInput;
pub use replays::ReplayInput;
pub use resources::ResourceInput;
pub use secrets::SecretInput;

/// What the use-cases need.
pub struct AppOptions {
    /// Where everything is kept.
    pub records: Records,
    /// The loaded contracts.
    pub contracts: Arc<Contracts>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for ids, keys and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Which addresses an endpoint's URL may name.
    pub addresses: AddressPolicy,
    /// Allow plain-http endpoints even if a contract says https.
    pub allow_http: bool,
    /// The limits.
    pub limits: Limits,
}

/// The use-cases. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    options: AppOptions,
    /// One account is created or changed at a time, so that its first secret is generated once.
    put_account: tokio::sync::Mutex<()>,
    /// The pace of each API key, if it is limited.
    rates: Option<KeyRates>,
}

impl App {
    /// Use-cases over a store.
    pub fn new(options: AppOptions) -> Self {
        let rates = options.limits.requests_per_key.map(KeyRates::new);
        Self(Arc::new(Inner { options, put_account: tokio::sync::Mutex::default(), rates }))
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    /// The loaded contracts.
    pub fn contracts(&self) -> &Contracts {
        &self.0.options.contracts
    }

    /// The source of random bytes, for what callers generate themselves (request ids).
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.0.options.entropy
    }

    /// The source of the time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.options.clock
    }

    /// Whether the store works.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.records().check().await
    }

    pub(crate) fn records(&self) -> &Records {
        &self.0.options.records
    }

    pub(crate) fn rates(&self) -> Option<&KeyRates> {
        self.0.rates.as_ref()
    }

    pub(crate) fn options(&self) -> &AppOptions {
        &self.0.options
    }

    /// The contract that an account names.
    pub(crate) fn contract(&self, name: &str) -> Result<&Arc<Contract>, AppError> {
        let missing = || Conflict::ContractNotLoaded { contract: name.to_owned() };
        self.0.options.contracts.get(name).ok_or_else(|| missing().into())
    }
}
