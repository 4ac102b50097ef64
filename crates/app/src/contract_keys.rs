//! The private keys with which a contract signs for all of its accounts: drawn with its first account, rotated by the operator.

use std::sync::Arc;

use bellwire_contract::{Contract, SecretSource};
use bellwire_domain::{AuditAction, AuditDetail};
use bellwire_store::{ActiveSecret, ContractKeys};

use crate::author::Author;
use crate::endpoints::limited;
use crate::error::no_faults;
use crate::public_keys::listed;
use crate::{App, AppError, Conflict, Fault, ListedKey, Scope, SecretInput};

/// Whose keys they are.
fn owner(contract: &Contract) -> Option<ContractKeys> {
    let kind = contract.subscription().secret.contract_keys()?;
    Some(ContractKeys { contract: contract.name().to_owned(), kind: kind.as_str() })
}

/// Why a contract has no keys of its own.
fn owned_elsewhere(contract: &Contract) -> AppError {
    match contract.subscription().secret.from {
        SecretSource::Account => Conflict::AccountSecret.into(),
        SecretSource::Consumer | SecretSource::Generated | SecretSource::Contract => Conflict::EndpointSecret.into(),
    }
}

impl App {
    /// Those that sign now, newest first. None where the contract has none of its own.
    pub(crate) async fn active_contract_keys(&self, contract: &Contract) -> Result<Vec<ActiveSecret>, AppError> {
        match owner(contract) {
            Some(owner) => Ok(self.records().contract_keys(&owner).await?),
            None => Ok(Vec::new()),
        }
    }

    /// Draws the first key of a contract that needs one and has none.
    pub(crate) async fn ensure_contract_key(&self, contract: &Arc<Contract>, by: &Author) -> Result<(), AppError> {
        let Some(owner) = owner(contract) else { return Ok(()) };
        if !self.records().contract_keys(&owner).await?.is_empty() {
            return Ok(());
        }
        let key = self.draw_secret(contract).await?;
        let entry = by.entry(AuditAction::ContractKeyRotated).to(&owner.contract);
        self.records().audited(entry).put_first_contract_key(&owner, key).await?;
        Ok(())
    }

    /// The public halves of the keys that sign for all accounts of a contract, newest first. None where it has none of its own.
    pub async fn list_contract_keys(&self, contract: &Contract) -> Result<Vec<ListedKey>, AppError> {
        Ok(listed(contract, &self.active_contract_keys(contract).await?))
    }

    /// Gives a contract a new key; the old ones sign together with it until the overlap ends.
    pub async fn rotate_contract_key(
        &self,
        scope: &Scope,
        contract: &Arc<Contract>,
        input: SecretInput<'_>,
    ) -> Result<ListedKey, AppError> {
        let owner = owner(contract).ok_or_else(|| owned_elsewhere(contract))?;
        let mut faults = Vec::new();
        let overlap = self.check_overlap(input.overlap, &mut faults);
        if let Some(Err(detail)) = input.secret.as_ref().map(|key| contract.check_secret(key.expose())) {
            faults.push(Fault::new("/private_key", detail));
        }
        no_faults(faults)?;
        let key = match input.secret {
            Some(given) => given,
            None => self.draw_secret(contract).await?,
        };
        let entry = scope.entry(AuditAction::ContractKeyRotated).to(&owner.contract);
        let entry = entry.with("kind", AuditDetail::Text(owner.kind.to_owned()));
        let rotated = self.records().audited(entry).rotate_contract_key(&owner, self.rotation(&key, overlap)).await;
        let rotated = rotated.map_err(|error| limited(error, |max| Conflict::SecretLimit { max }))?;
        // What was checked, or drawn, is a key: it has a public half.
        listed(contract, &[rotated]).pop().ok_or_else(|| AppError::invalid("/private_key", "this key has no public half"))
    }
}
