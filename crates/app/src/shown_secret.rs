//! What callers see of secrets. A private key never leaves through here.

use bellwire_contract::{Contract, PublicKey};
use bellwire_domain::Secret;

/// What a caller is shown of a secret.
#[derive(Debug, Clone)]
pub enum ShownSecret {
    /// The secret itself.
    Text(Secret<String>),
    /// The public half of a private key, which is shown to nobody.
    Key(PublicKey),
}

impl ShownSecret {
    /// What is shown of a contract's secret. Nothing of a private key that cannot be read.
    pub(crate) fn of(contract: &Contract, secret: Secret<String>) -> Option<Self> {
        match contract.subscription().secret.private_key {
            Some(_) => contract.public_key(&secret).map(Self::Key),
            None => Some(Self::Text(secret)),
        }
    }

    /// The secret, if it is no private key.
    pub const fn text(&self) -> Option<&Secret<String>> {
        match self {
            Self::Text(secret) => Some(secret),
            Self::Key(_) => None,
        }
    }

    /// The public half, if the secret is a private key.
    pub const fn key(&self) -> Option<&PublicKey> {
        match self {
            Self::Text(_) => None,
            Self::Key(key) => Some(key),
        }
    }
}
