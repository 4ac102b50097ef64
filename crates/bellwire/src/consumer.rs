//! What a consumer verifies requests with: the contract, the secrets, the registered URL.

use std::sync::Arc;

use anyhow::bail;
use bellwire_contract::{CapturedRequest, Contract, Verdict};
use bellwire_domain::{Secret, Timestamp};

use crate::cli::KnownArguments;
use crate::contracts;

/// Verifies captured requests.
pub(crate) struct Consumer {
    pub(crate) contract: Arc<Contract>,
    secrets: Vec<Secret<String>>,
    url: Option<String>,
}

impl Consumer {
    /// Checks the arguments. No message repeats a secret.
    pub(crate) fn new(name: &str, arguments: &KnownArguments) -> anyhow::Result<Self> {
        let contracts = contracts::load(arguments.contracts.as_deref())?;
        let Some(contract) = contracts.find(name) else {
            let meant = contracts.did_you_mean(name);
            bail!("--contract: there is no contract `{name}`{meant}; see `bellwire contract list`");
        };
        if arguments.secrets.is_empty() && contract.subscription().secret.required {
            bail!("--secret: `{name}` cannot be verified without one; give it here or as BELLWIRE_SECRET");
        }
        for secret in &arguments.secrets {
            contract.check_known_secret(secret).map_err(|reason| anyhow::anyhow!("--secret: {reason}"))?;
        }
        let secrets = arguments.secrets.iter().cloned().map(Secret::new).collect();
        Ok(Self { contract: Arc::clone(contract), secrets, url: arguments.url.clone() })
    }

    /// Whoever is told all of it by a server.
    pub(crate) const fn told(contract: Arc<Contract>, secrets: Vec<Secret<String>>) -> Self {
        Self { contract, secrets, url: None }
    }

    /// Whether a request is genuine.
    pub(crate) fn judge(&self, request: &CapturedRequest<'_>, now: Timestamp) -> Verdict {
        let request = CapturedRequest { url: self.url.as_deref().unwrap_or(request.url), ..*request };
        self.contract.verify(&request, &self.secrets, now)
    }
}
