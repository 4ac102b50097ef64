//! The public halves of the private keys that sign what an account gets.

use std::cmp::Reverse;

use bellwire_contract::{Contract, PublicKey, SecretSource};
use bellwire_domain::Timestamp;
use bellwire_store::{ActiveSecret, PageRequest};

use crate::{AccountAccess, App, AppError};

/// A key that receivers verify with.
#[derive(Debug, Clone)]
pub struct ListedKey {
    /// The key.
    pub key: PublicKey,
    /// Which of its owner's it is.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// The end of its overlap with a newer one; `None`: it is the newest.
    pub expires_at: Option<Timestamp>,
}

impl App {
    /// Every key that may sign a request to the account now, newest first. None where secrets are no private keys.
    pub async fn list_public_keys(&self, access: &AccountAccess) -> Result<Vec<ListedKey>, AppError> {
        let contract = access.contract()?;
        let rules = &contract.subscription().secret;
        if contract.subscription().keys_beside.is_some() {
            return self.list_contract_keys(contract).await;
        }
        if rules.private_key.is_none() {
            return Ok(Vec::new());
        }
        let mut active = Vec::new();
        match rules.from {
            SecretSource::Account => active = self.records().account_secrets(&access.account.id).await?,
            SecretSource::Contract => active = self.active_contract_keys(contract).await?,
            SecretSource::Consumer | SecretSource::Generated => {
                let mut page = PageRequest { limit: self.limits().page_limit_max, after: None };
                loop {
                    let found = self.records().list_endpoints(&access.account.id, page).await?;
                    for endpoint in &found.items {
                        active.extend(self.endpoint_secrets(access, endpoint).await?);
                    }
                    let Some(next) = found.next else { break };
                    page = PageRequest { limit: self.limits().page_limit_max, after: Some(next) };
                }
            }
        }
        Ok(listed(contract, &active))
    }
}

/// The public halves, newest first.
pub(crate) fn listed(contract: &Contract, active: &[ActiveSecret]) -> Vec<ListedKey> {
    let listed = active.iter().filter_map(|active| {
        let key = contract.public_key(&active.secret)?;
        Some(ListedKey { key, version: active.version, created_at: active.created_at, expires_at: active.expires_at })
    });
    let mut keys: Vec<ListedKey> = listed.collect();
    keys.sort_by_key(|listed| Reverse((listed.created_at, listed.version)));
    keys
}
