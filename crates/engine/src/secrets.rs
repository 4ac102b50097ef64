//! The secrets that requests to an endpoint are made with.

use bellwire_contract::{Contract, SecretSource, SigningSecret};
use bellwire_domain::Timestamp;
use bellwire_store::{ActiveSecret, ContractKeys, Endpoint, EndpointConfig};

/// An endpoint's credentials, as requests know them.
pub(crate) fn credentials(endpoint: &Endpoint) -> Option<&str> {
    endpoint.credentials.as_ref().map(|given| given.expose().as_str())
}

/// Whose keys sign, where they are the contract's own.
pub(crate) fn contract_keys(contract: &Contract) -> Option<ContractKeys> {
    let kind = contract.subscription().secret.contract_keys()?;
    Some(ContractKeys { contract: contract.name().to_owned(), kind: kind.as_str() })
}

/// The secrets that a contract's requests are signed with: the account's, the endpoint's, or the contract's own.
pub(crate) fn active<'c>(contract: &Contract, config: &'c EndpointConfig) -> &'c [ActiveSecret] {
    match contract.subscription().secret.from {
        SecretSource::Account => &config.account_secrets,
        SecretSource::Consumer | SecretSource::Generated => &config.secrets,
        SecretSource::Contract => &config.contract_keys,
    }
}

/// The secrets whose overlap has not ended at `at`, newest first.
pub(crate) fn signing(secrets: &[ActiveSecret], at: Timestamp) -> Vec<SigningSecret> {
    let active = secrets.iter().filter(|secret| secret.expires_at.is_none_or(|end| end > at));
    active.map(|active| SigningSecret { secret: active.secret.clone(), version: active.version }).collect()
}
