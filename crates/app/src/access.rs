//! Who the caller is, and what it may do.
//!
//! The rules are one pure function, [`reach`](crate::operation::reach). What it allows is passed on as a [`Scope`] or an [`AccountAccess`], which only
//! this module can make.

use std::sync::Arc;

use bellwire_contract::{Contract, Registrar};
use bellwire_domain::{AccountId, AuditAction, AuditActor, AuditEntry, AuditOrigin, ClientId, KeyId, Role};
use bellwire_store::{Account, KeyBounds, key_hash};

use crate::author::Author;
use crate::operation::{Operation, Reach, reach};
use crate::{Allowance, App, AppError, Conflict, Resource, label};

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identity {
    /// An API key.
    Key(KeyId),
    /// A client of a published API, by an access token.
    Client(ClientId),
    /// Whoever opened a link to this account's portal.
    Portal(AccountId),
    /// A person, as the identity provider calls them.
    Person(Arc<str>),
}

impl Identity {
    /// The key's id, the client's, the account's, or the person's name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(id) => id.as_str(),
            Self::Client(id) => id.as_str(),
            Self::Portal(account) => account.as_str(),
            Self::Person(name) => name,
        }
    }
}

/// A caller who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// By what.
    pub identity: Identity,
    /// What it may do.
    pub role: Role,
    /// The one account it is for.
    pub account: Option<AccountId>,
    /// Whether it may change nothing.
    pub read_only: bool,
    /// What its key is narrowed to.
    pub bounds: KeyBounds,
    /// From where it asks.
    pub origin: AuditOrigin,
    /// How often it may still ask, if that is limited.
    pub requests_left: Option<Allowance>,
}

impl Actor {
    /// Who it is, as the audit log names them.
    pub(crate) fn author(&self) -> Author {
        let who = match &self.identity {
            Identity::Key(id) => AuditActor::Key(id.clone()),
            Identity::Client(id) => AuditActor::Client(id.clone()),
            Identity::Portal(account) => AuditActor::Portal(account.clone()),
            Identity::Person(name) => AuditActor::Person(name.to_string()),
        };
        Author::new(who, self.origin)
    }
}

/// Permission for an operation, and for which accounts.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Only this account; `None`: all.
    pub(crate) only: Option<AccountId>,
    /// Who has it.
    pub(crate) by: Author,
    /// Whether payloads and answers are shown.
    pub(crate) shows_contents: bool,
}

impl Scope {
    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        self.by.entry(action)
    }

    /// For what the process does on its own or a command's account.
    pub(crate) const fn of_process(by: Author) -> Self {
        Self { only: None, by, shows_contents: true }
    }

    /// Whether it includes that account.
    pub(crate) fn includes(&self, account_id: &AccountId) -> bool {
        self.only.as_ref().is_none_or(|only| only == account_id)
    }
}

/// Permission for an operation on one account, which exists.
#[derive(Clone)]
pub struct AccountAccess {
    pub(crate) account: Arc<Account>,
    /// Who has it.
    pub(crate) by: Author,
    /// Whether payloads and answers are shown.
    pub(crate) shows_contents: bool,
    /// Whether endpoints are shown whole, with the values in their URLs' queries and headers, which may be tokens: to whom may change them.
    pub(crate) shows_tokens: bool,
    contract: Option<Arc<Contract>>,
}

impl AccountAccess {
    pub(crate) fn entry(&self, action: AuditAction) -> AuditEntry {
        self.by.entry(action).in_account(&self.account.id)
    }

    /// Permission for the same where any account could be meant: for this one only.
    pub(crate) fn scope(&self) -> Scope {
        Scope { only: Some(self.account.id.clone()), by: self.by.clone(), shows_contents: self.shows_contents }
    }

    /// The account.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Whether payloads and answers are shown.
    pub const fn shows_contents(&self) -> bool {
        self.shows_contents
    }

    /// The account's contract, which may no longer be loaded.
    pub fn contract(&self) -> Result<&Arc<Contract>, AppError> {
        let missing = || Conflict::ContractNotLoaded { contract: label(&self.account).to_string() };
        self.contract.as_ref().ok_or_else(|| missing().into())
    }
}

const ROLE: &str = "the role of this key does not allow it";
const WRITE_ONLY: &str = "this key posts events and documents, and reads none";
const READ_ONLY: &str = "this session may look at everything and change nothing";
const READING_SCOPES: &str = "the scopes of this access token only read";
const OPERATOR_ONLY: &str = "under this contract only the operator sets up endpoints";

impl App {
    /// Who holds `bearer`, the key as given. Call it once per request: this is where requests are counted.
    pub async fn authenticate(&self, bearer: Option<&str>, origin: AuditOrigin) -> Result<Actor, AppError> {
        let bearer = bearer.map(str::trim).filter(|bearer| !bearer.is_empty());
        let bearer = bearer.ok_or(AppError::Unauthenticated("send an API key as `Authorization: Bearer <key>`"))?;
        let key = self.records().find_key(key_hash(bearer)).await?;
        let now = self.clock().now();
        let actor = key.filter(|key| key.expires_at.is_none_or(|end| now < end)).map(|key| Actor {
            identity: Identity::Key(key.id),
            role: key.role,
            account: key.account_id,
            read_only: false,
            bounds: key.bounds,
            origin,
            requests_left: None,
        });
        let Some(actor) = actor else {
            self.count_refused(bearer, origin);
            return Err(AppError::Unauthenticated("this API key is unknown, revoked or expired"));
        };
        if let Identity::Key(id) = &actor.identity {
            self.used_keys().note(id, now);
        }
        self.count_request(actor)
    }

    /// Counts one request of a caller, and refuses it if there were too many.
    pub(crate) fn count_request(&self, actor: Actor) -> Result<Actor, AppError> {
        let Some(requests) = self.requests_of(actor.role) else { return Ok(actor) };
        match requests.admit(&actor.identity, self.clock().now()) {
            Ok(allowance) => Ok(Actor { requests_left: Some(allowance), ..actor }),
            Err((retry_after, allowance)) => Err(AppError::RateExceeded { retry_after, allowance }),
        }
    }

    /// Permission for an operation that does not concern a single account.
    pub fn permit(&self, actor: &Actor, operation: Operation) -> Result<Scope, AppError> {
        if actor.read_only && operation.changes() {
            let is_client = matches!(actor.identity, Identity::Client(_));
            return Err(AppError::Forbidden(if is_client { READING_SCOPES } else { READ_ONLY }));
        }
        if actor.bounds.write_only && operation == Operation::ResourceRead {
            return Err(AppError::Forbidden(WRITE_ONLY));
        }
        let scope = |only| Scope {
            only,
            by: actor.author(),
            shows_contents: reach(actor.role, Operation::PayloadRead) != Reach::Nowhere,
        };
        match reach(actor.role, operation) {
            Reach::Everywhere => Ok(scope(None)),
            Reach::OwnAccount if actor.account.is_some() => Ok(scope(actor.account.clone())),
            Reach::OwnAccount | Reach::Nowhere => Err(AppError::Forbidden(ROLE)),
        }
    }

    /// Permission for an operation on the account `id`.
    pub async fn open_account(&self, actor: &Actor, operation: Operation, id: &str) -> Result<AccountAccess, AppError> {
        let scope = self.permit(actor, operation)?;
        let not_found = || AppError::NotFound(Resource::Account);
        let id = AccountId::try_new(id).ok().filter(|id| scope.includes(id)).ok_or_else(not_found)?;
        let found = self.records().find_account(&id).await?;
        let account = found.filter(|account| is_within(&actor.bounds, account)).ok_or_else(not_found)?;
        // Only the operator sees that an account is being deleted, and only of the account itself.
        let shows_deleted = matches!(operation, Operation::AccountRead | Operation::AccountManage) && scope.only.is_none();
        if account.deleting_since.is_some() && !shows_deleted {
            return Err(not_found());
        }
        let contract = self.find_contract(&account);
        let Scope { only, by, shows_contents } = scope;
        let may_change = self.permit(actor, Operation::EndpointChange);
        let mut access = AccountAccess { account, by, shows_contents, shows_tokens: may_change.is_ok(), contract };
        let is_registrar = only.is_none() || access.contract().and_then(require_registrar).is_ok();
        access.shows_tokens &= is_registrar;
        if operation == Operation::EndpointChange && only.is_some() {
            require_registrar(access.contract()?)?;
        }
        Ok(access)
    }

    /// The account that a list is asked for, which exists; without one, the caller's own, or `None`: all.
    pub(crate) async fn asked_account(&self, scope: &Scope, asked: Option<&str>) -> Result<Option<AccountId>, AppError> {
        let not_found = || AppError::NotFound(Resource::Account);
        let Some(text) = asked else { return Ok(scope.only.clone()) };
        let id = AccountId::try_new(text).ok().filter(|id| scope.includes(id)).ok_or_else(not_found)?;
        self.find_account(&id).await?.ok_or_else(not_found)?;
        Ok(Some(id))
    }

    /// Permission for an account that this process has for itself, whoever asks or does not.
    pub(crate) async fn own_account(&self, id: &AccountId) -> Result<AccountAccess, AppError> {
        let account = self.find_account(id).await?.ok_or(AppError::NotFound(Resource::Account))?;
        let contract = self.find_contract(&account);
        Ok(AccountAccess { account, by: Author::node(), shows_contents: true, shows_tokens: true, contract })
    }
}

/// Whether a key that is narrowed so is for that account.
fn is_within(bounds: &KeyBounds, account: &Account) -> bool {
    (bounds.accounts.is_empty() || bounds.accounts.contains(account.id.as_str()))
        && bounds.contract.as_ref().is_none_or(|contract| *contract == account.contract)
}

fn require_registrar(contract: &Arc<Contract>) -> Result<(), AppError> {
    match contract.subscription().register {
        Registrar::Consumer => Ok(()),
        Registrar::Operator => Err(AppError::Forbidden(OPERATOR_ONLY)),
    }
}
