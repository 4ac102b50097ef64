//! Accounts: created, changed, read, deleted by the operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use bellwire_contract::{Contract, SecretSource};
use bellwire_domain::{AccountId, AuditAction, AuditDetail, RetentionPeriods, Secret};
use bellwire_store::{Account, Deletion, Page, PageRequest, PutAccount, PutAccountError, RenewDataKeyError};

use crate::error::no_faults;
use crate::shown_secret::ShownSecret;
use crate::{AccountAccess, App, AppError, Conflict, Fault, Resource, Scope, endpoint_rules};

/// Steps of a deletion that are taken before the caller is answered. A step removes a thousand rows of a table.
const DELETION_STEPS_AT_ONCE: usize = 12;

/// The wanted account. What is left out has its default, even if the account exists.
#[derive(Debug, Clone)]
pub struct AccountInput<'a> {
    /// Its id.
    pub id: &'a str,
    /// The name of its contract.
    pub contract: &'a str,
    /// The version of it that the account is pinned to; left out, it follows the contract's default.
    pub contract_version: Option<&'a str>,
    /// A name for people.
    pub name: Option<String>,
    /// The account's secret, under contracts that give an account one; left out, it stays.
    pub secret: Option<Secret<String>>,
    /// Whether it is a sandbox.
    pub sandbox: bool,
    /// Event types granted beyond what the contract gives everyone.
    pub entitlements: Vec<String>,
    /// How long what is its own is kept, in whole days; what is `None` is kept as long as everybody's.
    pub retention: RetentionPeriods,
}

/// The result.
#[derive(Debug, Clone)]
pub struct PutAccountAnswer {
    /// The account as stored.
    pub account: Account,
    /// Whether it is new.
    pub created: bool,
    /// The secret, if one was generated; show it once.
    pub secret: Option<ShownSecret>,
}

impl App {
    /// Creates or changes an account.
    pub async fn put_account(&self, scope: &Scope, input: AccountInput<'_>) -> Result<PutAccountAnswer, AppError> {
        let mut faults = Vec::new();
        let id = AccountId::try_new(input.id).map_err(|error| AppError::invalid("/id", error.to_string()))?;
        let _contracts_stay = self.0.contracts_read.read().await;
        let _one_at_a_time = self.0.put_account.lock(&id).await;
        let unknown = || {
            AppError::invalid("/contract", {
                let meant = self.contracts().did_you_mean(input.contract);
                format!("no contract `{}` is loaded{meant}", input.contract)
            })
        };
        let contracts = self.contracts();
        let default = contracts.get(input.contract).ok_or_else(unknown)?;
        let contract = match input.contract_version {
            None => default,
            Some(version) => {
                let found = contracts.get_version(input.contract, Some(version));
                found.ok_or_else(|| no_such_version(contracts.versions(input.contract), version))?
            }
        };
        self.check_move(&id, contract).await?;
        endpoint_rules::check_name(input.name.as_deref(), self.limits(), &mut faults);
        let entitlements = check_entitlements(contract, &input.entitlements, self.limits().entitlements_max, &mut faults);
        if let Some(secret) = &input.secret {
            self.check_account_secret(&id, contract, secret, &mut faults).await?;
        }
        no_faults(faults)?;

        let generated = self.first_secret(&id, contract, input.secret.is_some()).await?;
        let entry = scope.entry(AuditAction::AccountChanged).in_account(&id);
        let entry = entry.with("contract", AuditDetail::Text(contract.name().to_owned()));
        let entry = match input.contract_version {
            Some(version) => entry.with("contract_version", AuditDetail::Text(version.to_owned())),
            None => entry,
        };
        let wanted = PutAccount {
            id,
            contract: contract.name().to_owned(),
            contract_version: input.contract_version.map(str::to_owned),
            name: input.name,
            secret: input.secret.or_else(|| generated.clone()),
            sandbox: input.sandbox,
            entitlements,
            retention: input.retention,
        };
        let (account, created) = self.records().audited(entry).put_account(wanted).await.map_err(|error| match error {
            PutAccountError::ContractFixed { contract } => Conflict::ContractFixed { contract }.into(),
            PutAccountError::Deleting => Conflict::AccountDeleted.into(),
            PutAccountError::Store(error) => AppError::from(error),
        })?;
        self.ensure_contract_key(contract, &scope.by).await?;
        let secret = match generated {
            Some(secret) => self.show_secret(contract, Some((secret, 1))).await?,
            None => None,
        };
        Ok(PutAccountAnswer { account, created, secret })
    }

    /// Whether an account, if it exists, can go on under this version of its contract with the secrets that it has.
    async fn check_move(&self, id: &AccountId, contract: &Contract) -> Result<(), AppError> {
        let account = self.find_account(id).await?.filter(|account| account.contract == contract.name());
        let before = account.and_then(|account| self.find_contract(&account));
        match before.and_then(|before| before.strands(contract)) {
            None => Ok(()),
            Some(wrong) => {
                let reasons = vec![format!("{wrong}: the account cannot move to `{}`", contract.label())];
                Err(Conflict::ContractInUse { reasons }.into())
            }
        }
    }

    /// Checks the secret that an account is to have. One that it has already may be shorter than new ones are today.
    async fn check_account_secret(
        &self,
        id: &AccountId,
        contract: &Contract,
        secret: &Secret<String>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), AppError> {
        if contract.subscription().secret.from != SecretSource::Account {
            faults.push(Fault::new("/secret", "under this contract each endpoint has its own secret, and the account has none"));
        } else if let Err(detail) = contract.check_secret(secret.expose()) {
            let active = self.records().account_secrets(id).await?;
            if !active.iter().any(|active| active.secret == *secret) {
                faults.push(Fault::new("/secret", detail));
            }
        }
        Ok(())
    }

    /// Generates a secret for an account that needs one and has none.
    async fn first_secret(
        &self,
        id: &AccountId,
        contract: &Arc<Contract>,
        given: bool,
    ) -> Result<Option<Secret<String>>, AppError> {
        if given || contract.subscription().secret.from != SecretSource::Account {
            return Ok(None);
        }
        if !self.records().account_secrets(id).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.draw_secret(contract).await?))
    }

    /// One account.
    pub fn get_account<'a>(&self, access: &'a AccountAccess) -> &'a Account {
        &access.account
    }

    /// A page of accounts, by id.
    pub async fn list_accounts(&self, _scope: &Scope, page: PageRequest) -> Result<Page<Account>, AppError> {
        Ok(self.records().list_accounts(page).await?)
    }

    /// Renews an account's data key: what is stored from then on is sealed by a new one, and what was stored before stays readable.
    /// Where nodes share a database this takes some seconds, in which all of them learn of it.
    pub async fn renew_data_key(&self, access: &AccountAccess) -> Result<(), AppError> {
        let entry = access.entry(AuditAction::DataKeyRenewed);
        self.records().audited(entry).renew_data_key(&access.account.id).await.map_err(|error| match error {
            RenewDataKeyError::AccountNotFound => AppError::NotFound(Resource::Account),
            RenewDataKeyError::TooMany { max } => Conflict::DataKeyLimit { max }.into(),
            RenewDataKeyError::Store(error) => error.into(),
        })
    }

    /// Deletes an account and all that belongs to it: endpoints, events, deliveries, keys. A small one is gone when this returns
    /// (`None`). A large one is gone for its users, its rows go in the background, and this returns what is left.
    pub async fn delete_account(&self, access: &AccountAccess) -> Result<Option<Deletion>, AppError> {
        let id = &access.account.id;
        if !self.records().audited(access.entry(AuditAction::AccountDeleted)).delete_account(id).await? {
            return Err(AppError::NotFound(Resource::Account));
        }
        let mut left = self.records().find_deletion(id).await?;
        for _ in 0..DELETION_STEPS_AT_ONCE {
            if left.is_none() {
                break;
            }
            left = self.records().delete_more(id).await?;
        }
        Ok(left)
    }

    /// What is left of an account that is being deleted.
    pub async fn find_deletion(&self, access: &AccountAccess) -> Result<Option<Deletion>, AppError> {
        match access.account.deleting_since {
            Some(_) => Ok(self.records().find_deletion(&access.account.id).await?),
            None => Ok(None),
        }
    }
}

/// The refusal of a version that a contract does not have.
fn no_such_version(versions: &[Arc<Contract>], version: &str) -> AppError {
    let all: Vec<String> = versions.iter().filter_map(|known| Some(format!("`{}`", known.version()?))).collect();
    let there = if all.is_empty() { "it has none".to_owned() } else { format!("there is {}", all.join(", ")) };
    AppError::invalid("/contract_version", format!("the contract has no version `{version}`; {there}"))
}

/// Checks that each entitlement names an event type that not everybody gets, or the group of one.
fn check_entitlements(contract: &Contract, words: &[String], max: usize, faults: &mut Vec<Fault>) -> BTreeSet<String> {
    if words.len() > max {
        faults.push(Fault::new("/entitlements", format!("at most {max} entitlements")));
        return BTreeSet::new();
    }
    for (index, word) in words.iter().enumerate() {
        let granted = |name: &String, event_type: &str| name == word || event_type == word;
        let known = contract
            .events()
            .iter()
            .any(|event| event.entitlement.as_ref().is_some_and(|name| granted(name, event.event_type.as_str())));
        if !known {
            let detail = format!("`{word}` is no event type that the contract `{}` grants account by account", contract.name());
            faults.push(Fault::new(format!("/entitlements/{index}"), detail));
        }
    }
    words.iter().cloned().collect()
}
