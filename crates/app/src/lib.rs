//! The use-cases of Bellwire: everything that a caller may ask for, whoever the caller is and over whatever wire.
//!
//! What it is for: each use-case authorises, validates, decides and stores, in that order. Authorisation hands out a value
//! ([`Scope`] for what is everybody's, [`AccountAccess`] for what is one account's) that the use-cases ask for and nobody else
//! can make: a use-case that was not authorised does not compile.
//!
//! Its promises: a consumer's key learns nothing about accounts other than its own, not even that they exist; `data` is
//! handed to the store as the very bytes that were posted; what a contract does not allow is refused with the place and the
//! reason before anything is stored.
//!
//! What it may not know: HTTP, JSON bodies, sockets, SQL, any platform by name.
//!
//! To add a use-case: add its [`Operation`] (the compiler then asks for its row in [`access::reach`]), write it as a method of
//! [`App`] in the file of its resource, taking the scope or the access, and give its refusals a variant of [`AppError`].

pub mod access;
mod accounts;
mod contracts;
mod deliveries;
mod duration;
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
    /// Which addresses an endpoint may name.
    pub addresses: AddressPolicy,
    /// Plain-http endpoints, also where a contract says https.
    pub allow_http: bool,
    /// The most of everything.
    pub limits: Limits,
}

/// The use-cases. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    options: AppOptions,
    /// One account is created or changed at a time: who generates its first secret is decided once.
    put_account: tokio::sync::Mutex<()>,
    /// How often each key may ask, where that is limited.
    rates: Option<KeyRates>,
}

impl App {
    /// Use-cases over a store.
    pub fn new(options: AppOptions) -> Self {
        let rates = options.limits.requests_per_key.map(KeyRates::new);
        Self(Arc::new(Inner { options, put_account: tokio::sync::Mutex::default(), rates }))
    }

    /// The most of everything.
    pub fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    /// The loaded contracts.
    pub fn contracts(&self) -> &Contracts {
        &self.0.options.contracts
    }

    /// The source of random bytes, for what a caller has to draw itself (a request's id).
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

    /// The contract of that name, which an account was made under.
    pub(crate) fn contract(&self, name: &str) -> Result<&Arc<Contract>, AppError> {
        let missing = || Conflict::ContractNotLoaded { contract: name.to_owned() };
        self.0.options.contracts.get(name).ok_or_else(|| missing().into())
    }
}
