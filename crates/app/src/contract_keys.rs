//! The private keys with which a contract signs for all of its accounts: drawn with its first account, rotated by the operator.

use std::sync::Arc;

use bellwire_contract::{Contract, Contracts, KeyKind, PublicKey, SecretSource};
use bellwire_domain::{AuditAction, AuditDetail, Secret};
use bellwire_store::{AccountsOfContract, ActiveSecret, ContractKeys, StoreError};

use crate::author::Author;
use crate::endpoints::limited;
use crate::error::no_faults;
use crate::public_keys::listed;
use crate::{AccountAccess, App, AppError, Conflict, Fault, ListedKey, Scope, SecretInput};

/// Whose keys they are.
fn owner(contract: &Contract) -> Option<ContractKeys> {
    let kind = contract.subscription().contract_keys()?;
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
        let key = self.draw_contract_key(contract).await?;
        let entry = by.entry(AuditAction::ContractKeyRotated).to(&owner.contract);
        self.records().audited(entry).put_first_contract_key(&owner, key).await?;
        Ok(())
    }

    /// The same for all contracts that have accounts: one may have been given keys since those were made.
    pub(crate) async fn ensure_contract_keys(
        &self,
        contracts: &Contracts,
        counts: &[AccountsOfContract],
        by: &Author,
    ) -> Result<(), AppError> {
        for of in counts {
            if let Some(contract) = contracts.get_version(&of.contract, of.version.as_deref()) {
                self.ensure_contract_key(contract, by).await?;
            }
        }
        Ok(())
    }

    /// The same before the first request is sent.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn prepare_contract_keys(&self) -> Result<(), AppError> {
        let contracts = self.contracts();
        if contracts.iter().all(|contract| owner(contract).is_none()) {
            return Ok(());
        }
        self.ensure_contract_keys(&contracts, &self.records().count_accounts_by_contract().await?, &Author::node()).await
    }

    /// The public half of the newest key that signs beside the secrets of a contract, where one does.
    pub(crate) async fn key_beside(&self, contract: &Contract) -> Result<Option<PublicKey>, AppError> {
        if contract.subscription().keys_beside.is_none() {
            return Ok(None);
        }
        let newest = self.active_contract_keys(contract).await?.into_iter().next();
        Ok(newest.and_then(|newest| contract.public_key(&newest.secret)))
    }

    /// The public half of the newest key that signs requests to an account's endpoints beside their secrets, where one does.
    pub async fn endpoint_key_beside(&self, access: &AccountAccess) -> Result<Option<PublicKey>, AppError> {
        match access.contract() {
            Ok(contract) => self.key_beside(contract).await,
            Err(_) => Ok(None),
        }
    }

    /// A fresh key of the contract, on a thread that may take its time.
    pub(crate) async fn draw_contract_key(&self, contract: &Arc<Contract>) -> Result<Secret<String>, AppError> {
        let entropy = self.entropy().bytes();
        let drawn = if contract.subscription().contract_keys() == Some(KeyKind::Rsa2048) {
            let contract = Arc::clone(contract);
            let drawn = tokio::task::spawn_blocking(move || contract.draw_contract_key(entropy)).await;
            drawn.unwrap_or_default()
        } else {
            contract.draw_contract_key(entropy)
        };
        Ok(drawn.ok_or_else(|| StoreError::Unavailable("a key could not be drawn".into()))?)
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
        if let Some(Err(detail)) = input.secret.as_ref().map(|key| contract.check_contract_key(key.expose())) {
            faults.push(Fault::new("/private_key", detail));
        }
        no_faults(faults)?;
        let key = match input.secret {
            Some(given) => given,
            None => self.draw_contract_key(contract).await?,
        };
        let entry = scope.entry(AuditAction::ContractKeyRotated).to(&owner.contract);
        let entry = entry.with("kind", AuditDetail::Text(owner.kind.to_owned()));
        let rotated = self.records().audited(entry).rotate_contract_key(&owner, self.rotation(&key, overlap)).await;
        let rotated = rotated.map_err(|error| limited(error, |max| Conflict::SecretLimit { max }))?;
        // What was checked, or drawn, is a key: it has a public half.
        listed(contract, &[rotated]).pop().ok_or_else(|| AppError::invalid("/private_key", "this key has no public half"))
    }
}
