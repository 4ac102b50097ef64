//! What callers see of secrets. A private key never leaves through here.

use bellwire_contract::{Contract, PublicKey};
use bellwire_domain::Secret;
use bellwire_store::ActiveSecret;

use crate::{App, AppError};

/// What a caller is shown of a secret.
#[derive(Debug, Clone)]
pub struct ShownSecret {
    /// The secret itself.
    text: Option<Secret<String>>,
    /// The public half of a private key, which is shown to nobody.
    key: Option<PublicKey>,
    version: Option<i64>,
}

impl App {
    /// What is shown of a contract's secret: nothing of a private key that cannot be read. With it goes the key of the contract that
    /// signs beside it.
    pub(crate) async fn show_secret(
        &self,
        contract: &Contract,
        secret: Option<(Secret<String>, i64)>,
    ) -> Result<Option<ShownSecret>, AppError> {
        let shown = secret.and_then(|(secret, version)| ShownSecret::of(contract, secret, version));
        let Some(key) = self.key_beside(contract).await? else { return Ok(shown) };
        let (text, version) = shown.map_or((None, None), |shown| (shown.text, shown.version));
        Ok(Some(ShownSecret { text, key: Some(key), version }))
    }

    /// The same of the newest of those that sign, newest first.
    pub(crate) async fn show_newest(
        &self,
        contract: &Contract,
        active: Vec<ActiveSecret>,
    ) -> Result<Option<ShownSecret>, AppError> {
        self.show_secret(contract, active.into_iter().next().map(|newest| (newest.secret, newest.version))).await
    }
}

impl ShownSecret {
    fn of(contract: &Contract, secret: Secret<String>, version: i64) -> Option<Self> {
        let (text, key) = match contract.subscription().secret.private_key {
            Some(_) => (None, Some(contract.public_key(&secret)?)),
            None => (Some(secret), None),
        };
        Some(Self { text, key, version: Some(version) })
    }

    /// The secret, if it is no private key.
    pub const fn text(&self) -> Option<&Secret<String>> {
        self.text.as_ref()
    }

    /// The public half of the private key that signs, if one does.
    pub const fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// Which of its owner's the secret is, which a contract may show as `key.version`.
    pub const fn version(&self) -> Option<i64> {
        self.version
    }
}
