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
//! To add a use-case: add its [`Operation`] (the compiler then asks for its row in [`operation::reach`]), write it as a method of
//! [`App`] in the file of its resource, taking the scope or the access, and give its refusals a variant of [`AppError`].

pub mod access;
mod account_locks;
mod accounts;
mod activations;
mod audit;
mod author;
mod bulk_retries;
mod chosen_events;
mod client_keys;
mod clients;
mod contract_keys;
mod contract_reload;
mod contracts;
mod deliveries;
mod delivery_filter;
mod disclosures;
mod endpoint_records;
mod endpoint_rules;
mod endpoints;
mod erasures;
mod error;
mod events;
mod figures;
mod holds;
mod incidents;
mod keys;
mod limits;
mod listening;
mod named_endpoints;
mod numbered_deliveries;
pub mod operation;
mod operations;
mod preview;
mod public_keys;
mod publish;
mod rate;
mod replays;
mod requests;
mod resources;
mod secrets;
mod sessions;
mod shown_secret;
mod system;
mod tally;
mod test_events;
mod tokens;
mod traced;
mod trouble;
mod used_keys;
mod wanted;

use std::sync::Arc;

use bellwire_contract::{Contract, ContractLabel, Contracts};
use bellwire_domain::trace::Traces;
use bellwire_domain::{AccountId, AddressPolicy, ClientId, Clock, Entropy, RetentionPeriods, Role};
use bellwire_store::{Account, Records, StoreError};
use tokio::sync::watch;

use account_locks::AccountLocks;
use client_keys::KnownKeys;
use rate::Rates;
use tally::Tally;
use used_keys::UsedKeys;

pub use access::{AccountAccess, Actor, Identity, Scope};
pub use accounts::{AccountInput, PutAccountAnswer};
pub use audit::KEY_PREFIX_LENGTH;
pub use author::{Author, ClientAddress};
pub use bellwire_contract::SignedText;
pub use bulk_retries::BULK_RETRY_STATES;
pub use chosen_events::ChoicePatch;
pub use client_keys::{FetchKeys, Fetched};
pub use clients::ClientInput;
pub use contract_reload::ContractFiles;
pub use contracts::ContractAndVersions;
pub use deliveries::DeliveryWithAttempts;
pub use delivery_filter::{DeliveryFilter, STATUS_RANGE, WrongFilter};
pub use disclosures::DisclosureInput;
pub use endpoint_rules::PayloadInput;
pub use endpoints::{EndpointInput, EndpointPatch};
pub use erasures::{ErasureList, ListedErasure};
pub use error::{AppError, Conflict, Fault, Resource};
pub use events::ArrivalInput;
pub use figures::{FiguresAnswer, FiguresInput};
pub use incidents::IncidentFilter;
pub use keys::{KeyInput, NewKey, check_admin_key};
pub use limits::Limits;
pub use listening::{Heard, HeardEvent, ListenInput, Listening, Withheld};
pub use named_endpoints::PutEndpoint;
pub use numbered_deliveries::NumberedDelivery;
pub use operation::{Operation, Reach};
pub use operations::{OPERATOR_EVENTS, OperatorAccountError};
pub use preview::{PreviewInput, PreviewedEvent};
pub use public_keys::ListedKey;
pub use publish::EventInput;
pub use rate::{Allowance, Window};
pub use replays::ReplayInput;
pub use requests::{AttemptRequest, ShownRequest};
pub use resources::ResourceInput;
pub use secrets::SecretInput;
pub use sessions::{PortalInput, SESSION_LASTS_S, SignedIn};
pub use shown_secret::ShownSecret;
pub use system::{SeenSystem, SystemAnswer};
pub use tokens::{AccessToken, TokenRefusal, TokenRequest};

/// What the use-cases need.
pub struct AppOptions {
    /// Where everything is kept.
    pub records: Records,
    /// The loaded contracts: [`App::reload_contracts`] sends others. Whoever works with some goes on with those.
    pub contracts: watch::Sender<Arc<Contracts>>,
    /// Where they are read from; `None`: they stay as they are.
    pub contract_files: Option<Arc<dyn ContractFiles>>,
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
    /// What fetches the keys that clients of published APIs publish; `None`: nobody does.
    pub key_fetcher: Option<Arc<dyn FetchKeys>>,
    /// Where erasures are listed outside the store, to be done again when an older backup is restored.
    pub erasure_list: Option<Arc<dyn ErasureList>>,
    /// What takes spans to whoever collects them; `None`: nobody does.
    pub traces: Option<Arc<dyn Traces>>,
    /// What was last seen of the store and the lanes.
    pub seen: watch::Receiver<Option<SeenSystem>>,
    /// How long everything is kept, unless an account says otherwise.
    pub retention: RetentionPeriods,
}

/// The use-cases. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    options: AppOptions,
    /// One request at a time creates or changes an account, so that its first secret is generated once.
    put_account: AccountLocks,
    /// None does while contracts are read again.
    contracts_read: tokio::sync::RwLock<()>,
    /// One request of an account at a time asks its endpoints' filters.
    filter_turns: AccountLocks,
    /// How often each API key may ask, if it is limited.
    requests: Option<Rates<Identity>>,
    /// The same for consumers' keys.
    consumer_requests: Option<Rates<Identity>>,
    /// How often each account may have a test event sent.
    tests: Rates<AccountId>,
    /// How often each client of a published API may get an access token.
    tokens: Rates<ClientId>,
    /// The keys of clients that were fetched.
    client_keys: KnownKeys,
    /// What is recorded once a minute.
    tally: Tally,
    /// When keys were used last, until that is stored.
    used_keys: UsedKeys,
}

impl App {
    /// Use-cases over a store.
    pub fn new(options: AppOptions) -> Self {
        let limits = &options.limits;
        let requests = limits.requests_per_key.map(|limit| Rates::new("requests", limit));
        let consumer_requests = limits.requests_per_consumer_key.map(|limit| Rates::new("requests", limit));
        let tests = Rates::new("tests", limits.tests_per_account);
        let tokens = Rates::new("tokens", limits.tokens_per_client);
        Self(Arc::new(Inner {
            options,
            put_account: AccountLocks::default(),
            contracts_read: tokio::sync::RwLock::default(),
            filter_turns: AccountLocks::default(),
            requests,
            consumer_requests,
            tests,
            tokens,
            client_keys: KnownKeys::default(),
            tally: Tally::default(),
            used_keys: UsedKeys::default(),
        }))
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.0.options.limits
    }

    /// The loaded contracts.
    pub fn contracts(&self) -> Arc<Contracts> {
        Arc::clone(&self.0.options.contracts.borrow())
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

    /// An account, unless it is being deleted.
    pub(crate) async fn find_account(&self, id: &AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        let found = self.records().find_account(id).await?;
        Ok(found.filter(|account| account.deleting_since.is_none()))
    }

    /// How often a key of this role may ask, if it is limited. A consumer's own limit goes before the general one.
    pub(crate) fn requests_of(&self, role: Role) -> Option<&Rates<Identity>> {
        let own = self.0.consumer_requests.as_ref().filter(|_| role == Role::Consumer);
        own.or(self.0.requests.as_ref())
    }

    pub(crate) fn used_keys(&self) -> &UsedKeys {
        &self.0.used_keys
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    pub(crate) fn tests(&self) -> &Rates<AccountId> {
        &self.0.tests
    }

    pub(crate) fn token_rates(&self) -> &Rates<ClientId> {
        &self.0.tokens
    }

    pub(crate) fn client_keys(&self) -> &KnownKeys {
        &self.0.client_keys
    }

    pub(crate) fn options(&self) -> &AppOptions {
        &self.0.options
    }

    /// The contract that an account names.
    pub(crate) fn contract(&self, account: &Account) -> Result<Arc<Contract>, AppError> {
        let missing = || Conflict::ContractNotLoaded { contract: label(account).to_string() };
        self.find_contract(account).ok_or_else(|| missing().into())
    }

    /// The same, if it is loaded.
    pub(crate) fn find_contract(&self, account: &Account) -> Option<Arc<Contract>> {
        self.0.options.contracts.borrow().get_version(&account.contract, account.contract_version.as_deref()).cloned()
    }
}

/// The contract that an account names, and the version, if it is pinned to one.
pub(crate) fn label(account: &Account) -> ContractLabel {
    ContractLabel { name: account.contract.clone(), version: account.contract_version.clone() }
}
