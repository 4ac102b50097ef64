//! What callers see of secrets. A private key never leaves through here.

use bellwire_contract::{Contract, PublicKey};
use bellwire_domain::Secret;
use bellwire_store::ActiveSecret;

/// What a caller is shown of a secret.
#[derive(Debug, Clone)]
pub struct ShownSecret {
    what: What,
    version: i64,
}

#[derive(Debug, Clone)]
enum What {
    /// The secret itself.
    Text(Secret<String>),
    /// The public half of a private key, which is shown to nobody.
    Key(PublicKey),
}

impl ShownSecret {
    /// What is shown of a contract's secret. Nothing of a private key that cannot be read.
    pub(crate) fn of(contract: &Contract, secret: Secret<String>, version: i64) -> Option<Self> {
        let what = match contract.subscription().secret.private_key {
            Some(_) => contract.public_key(&secret).map(What::Key),
            None => Some(What::Text(secret)),
        };
        what.map(|what| Self { what, version })
    }

    /// What is shown of the newest of those that sign, newest first.
    pub(crate) fn newest(contract: &Contract, active: Vec<ActiveSecret>) -> Option<Self> {
        let newest = active.into_iter().next()?;
        Self::of(contract, newest.secret, newest.version)
    }

    /// The secret, if it is no private key.
    pub const fn text(&self) -> Option<&Secret<String>> {
        match &self.what {
            What::Text(secret) => Some(secret),
            What::Key(_) => None,
        }
    }

    /// The public half, if the secret is a private key.
    pub const fn key(&self) -> Option<&PublicKey> {
        match &self.what {
            What::Text(_) => None,
            What::Key(key) => Some(key),
        }
    }

    /// Which of its owner's it is, which a contract may show as `key.version`.
    pub const fn version(&self) -> i64 {
        self.version
    }
}
