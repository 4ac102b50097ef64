//! The loaded contracts that the caller may see.

use std::sync::Arc;

use bellwire_contract::Contract;
use bellwire_store::{Page, PageRequest};

use crate::{App, AppError, Resource, Scope};

impl App {
    /// A page of contracts, by name. A consumer sees its own account's.
    pub async fn list_contracts(&self, scope: &Scope, page: PageRequest) -> Result<Page<Arc<Contract>>, AppError> {
        let own = self.own_contract(scope).await?;
        let visible = |name: &str| own.as_ref().is_none_or(|own| own.as_deref() == Some(name));
        let after = page.after.as_deref().unwrap_or("");
        let mut found: Vec<_> = self.contracts().iter().filter(|contract| visible(contract.name())).cloned().collect();
        found.retain(|contract| contract.name() > after);
        found.sort_by(|left, right| left.name().cmp(right.name()));
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|contract| contract.name().to_owned());
        Ok(Page { items: found, next })
    }

    /// One contract.
    pub async fn get_contract(&self, scope: &Scope, name: &str) -> Result<Arc<Contract>, AppError> {
        let visible = match self.own_contract(scope).await? {
            None => true,
            Some(own) => own.as_deref() == Some(name),
        };
        let contract = self.contracts().get(name).filter(|_| visible).cloned();
        contract.ok_or(AppError::NotFound(Resource::Contract))
    }

    /// For a scope of one account, the name of its contract, if the account exists. `None`: the scope is all accounts.
    async fn own_contract(&self, scope: &Scope) -> Result<Option<Option<String>>, AppError> {
        let Some(id) = &scope.only else { return Ok(None) };
        let account = self.find_account(id).await?;
        Ok(Some(account.map(|account| account.contract.clone())))
    }
}
