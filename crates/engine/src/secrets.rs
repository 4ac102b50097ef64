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
    let kind = contract.subscription().contract_keys()?;
    Some(ContractKeys { contract: contract.name().to_owned(), kind: kind.as_str() })
}

/// The secrets that a contract's requests are signed with at `at`, newest first: the account's, the endpoint's, or the contract's own;
/// and the contract's own after the others, where it has both.
pub(crate) fn signing(contract: &Contract, config: &EndpointConfig, at: Timestamp) -> Vec<SigningSecret> {
    let of = |all: &[ActiveSecret], is_beside: bool| -> Vec<SigningSecret> {
        let active = all.iter().filter(|secret| secret.expires_at.is_none_or(|end| end > at));
        active.map(|active| SigningSecret { secret: active.secret.clone(), version: active.version, is_beside }).collect()
    };
    let mut secrets = match contract.subscription().secret.from {
        SecretSource::Account => of(&config.account_secrets, false),
        SecretSource::Consumer | SecretSource::Generated => of(&config.secrets, false),
        SecretSource::Contract => of(&config.contract_keys, false),
    };
    if contract.subscription().keys_beside.is_some() {
        secrets.extend(of(&config.contract_keys, true));
    }
    secrets
}
