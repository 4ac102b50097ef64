//! The loaded contracts that the caller may see.

use std::sync::Arc;

use bellwire_contract::{Contract, Contracts};
use bellwire_store::{Account, Page, PageRequest, key_hash};

use crate::{App, AppError, Resource, Scope};

/// A contract in one version, and which versions there are.
#[derive(Debug, Clone)]
pub struct ContractAndVersions {
    /// The contract.
    pub contract: Arc<Contract>,
    /// All versions that the caller may see: the default first, then from the highest to the lowest.
    pub versions: Vec<Arc<Contract>>,
}

impl App {
    /// A page of contracts, by name, each in its default version. A consumer sees its own account's.
    pub async fn list_contracts(&self, scope: &Scope, page: PageRequest) -> Result<Page<ContractAndVersions>, AppError> {
        let contracts = self.contracts();
        let mut found: Vec<ContractAndVersions> = match self.own_account_of(scope).await? {
            None => contracts.defaults().map(|contract| with_versions(&contracts, contract)).collect(),
            Some(own) => own.and_then(|own| self.find_contract(&own)).map(alone).into_iter().collect(),
        };
        let after = page.after.as_deref().unwrap_or("");
        found.retain(|found| found.contract.name() > after);
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|found| found.contract.name().to_owned());
        Ok(Page { items: found, next })
    }

    /// One contract: in that version or, without one, in its default version, and for a consumer in its account's.
    pub async fn get_contract(&self, scope: &Scope, name: &str, version: Option<&str>) -> Result<ContractAndVersions, AppError> {
        let not_found = || AppError::NotFound(Resource::Contract);
        let Some(own) = self.own_account_of(scope).await? else {
            let contracts = self.contracts();
            let found = contracts.get_version(name, version).map(|contract| with_versions(&contracts, contract));
            return found.ok_or_else(not_found);
        };
        let own = own.and_then(|own| self.find_contract(&own)).filter(|own| own.name() == name);
        own.filter(|own| version.is_none() || own.version() == version).map(alone).ok_or_else(not_found)
    }

    /// The contract with this name in the version of whoever holds `key`, or an access token; `None`: nobody under this contract does.
    pub async fn contract_of_key(&self, key: &str, name: &str) -> Result<Option<Arc<Contract>>, AppError> {
        let account = match self.client_of_token(key) {
            Some(client) => self.records().find_client(&client).await?.map(|client| client.account_id.clone()),
            None => self.records().find_key(key_hash(key)).await?.and_then(|key| key.account_id),
        };
        let Some(id) = account else { return Ok(None) };
        let account = self.find_account(&id).await?.filter(|account| account.contract == name);
        Ok(account.and_then(|account| self.find_contract(&account)))
    }

    /// For a scope of one account, that account, if it exists. `None`: the scope is all accounts.
    async fn own_account_of(&self, scope: &Scope) -> Result<Option<Option<Arc<Account>>>, AppError> {
        match &scope.only {
            None => Ok(None),
            Some(id) => Ok(Some(self.find_account(id).await?)),
        }
    }
}

fn with_versions(contracts: &Contracts, contract: &Arc<Contract>) -> ContractAndVersions {
    ContractAndVersions { contract: Arc::clone(contract), versions: contracts.versions(contract.name()).to_vec() }
}

/// What a consumer sees: which other versions there are is not its affair.
fn alone(contract: Arc<Contract>) -> ContractAndVersions {
    ContractAndVersions { versions: vec![Arc::clone(&contract)], contract }
}
