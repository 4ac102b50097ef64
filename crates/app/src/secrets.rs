//! Secrets: rotated, with an overlap in which the old ones stay valid; and read back, if the contract allows it.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{Contract, KeyKind, SecretSource, SigningSecret};
use bellwire_domain::{AuditAction, AuditEntry, Secret, Timestamp, parse_duration, print_duration};
use bellwire_store::{Account, ActiveSecret, Endpoint, LaneKey, Rotation, StoreError};

use crate::endpoints::{lane, limited};
use crate::error::no_faults;
use crate::shown_secret::ShownSecret;
use crate::{AccountAccess, App, AppError, Conflict, Fault, Resource};

/// How long an old secret signs together with a new one, by default.
const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 3_600);

/// A new secret as asked for.
#[derive(Debug, Clone, Default)]
pub struct SecretInput<'a> {
    /// The secret; `None`: one is generated, if the contract allows it.
    pub secret: Option<Secret<String>>,
    /// How long the old one signs together with it, such as `24h`.
    pub overlap: Option<&'a str>,
}

impl App {
    /// Gives an endpoint a new secret; the old ones sign together with it until the overlap ends. Show the returned secret once.
    pub async fn rotate_secret(
        &self,
        access: &AccountAccess,
        id: &str,
        input: SecretInput<'_>,
    ) -> Result<(Endpoint, Option<ShownSecret>), AppError> {
        self.get_endpoint(access, id).await?;
        let rules = self.endpoint_rules(access)?;
        match rules.contract.subscription().secret.from {
            SecretSource::Account => return Err(Conflict::AccountSecret.into()),
            SecretSource::Contract => return Err(Conflict::ContractSecret.into()),
            SecretSource::Consumer | SecretSource::Generated => {}
        }
        let mut faults = Vec::new();
        let overlap = self.check_overlap(input.overlap, &mut faults);
        let secret = rules.check_secret(input.secret, &mut faults);
        if secret.is_none() && faults.is_empty() && !rules.draws_secret() {
            faults.push(Fault::new("/secret", "under this contract you choose the secret: give one"));
        }
        no_faults(faults)?;
        let secret = match secret {
            Some(given) => given,
            None => self.draw_secret(access.contract()?).await?,
        };
        let entry = access.entry(AuditAction::EndpointSecretRotated).to(id);
        let rotated =
            self.records().audited(entry).rotate_endpoint_secret(&lane(access, id)?, self.rotation(&secret, overlap)).await;
        let rotated = rotated.map_err(|error| limited(error, |max| Conflict::SecretLimit { max }))?;
        let endpoint = rotated.ok_or(AppError::NotFound(Resource::Endpoint))?;
        let version = version_of(&secret, &self.endpoint_secrets(access, &endpoint).await?);
        Ok((endpoint, self.show_secret(rules.contract, version.map(|version| (secret, version))).await?))
    }

    /// The same for the secret that an account has for all of its endpoints. If none is given, one is generated.
    pub async fn rotate_account_secret(
        &self,
        access: &AccountAccess,
        input: SecretInput<'_>,
    ) -> Result<(Account, Option<ShownSecret>), AppError> {
        let contract = access.contract()?;
        match contract.subscription().secret.from {
            SecretSource::Account => {}
            SecretSource::Contract => return Err(Conflict::ContractSecret.into()),
            SecretSource::Consumer | SecretSource::Generated => return Err(Conflict::EndpointSecret.into()),
        }
        let mut faults = Vec::new();
        let overlap = self.check_overlap(input.overlap, &mut faults);
        if let Some(Err(detail)) = input.secret.as_ref().map(|secret| contract.check_secret(secret.expose())) {
            faults.push(Fault::new("/secret", detail));
        }
        no_faults(faults)?;
        let secret = match input.secret {
            Some(given) => given,
            None => self.draw_secret(contract).await?,
        };
        let entry = access.entry(AuditAction::AccountSecretRotated);
        let rotated =
            self.records().audited(entry).rotate_account_secret(&access.account.id, self.rotation(&secret, overlap)).await;
        let rotated = rotated.map_err(|error| limited(error, |max| Conflict::SecretLimit { max }))?;
        let account = rotated.ok_or(AppError::NotFound(Resource::Account))?;
        let version = version_of(&secret, &self.records().account_secrets(&account.id).await?);
        Ok((account, self.show_secret(contract, version.map(|version| (secret, version))).await?))
    }

    /// An endpoint's newest secret, if the contract allows reading it back; of a private key the public half, always.
    pub async fn read_endpoint_secret(
        &self,
        access: &AccountAccess,
        endpoint: &Endpoint,
    ) -> Result<Option<ShownSecret>, AppError> {
        let Ok(contract) = access.contract() else { return Ok(None) };
        let rules = &contract.subscription().secret;
        if rules.private_key.is_some() {
            let found = self.signing_secrets(access, &lane(access, endpoint.id.as_str())?).await?;
            return self.show_newest(contract, found).await;
        }
        if !rules.is_read_with_endpoints() {
            return self.show_secret(contract, None).await;
        }
        let found = self.show_newest(contract, self.endpoint_secrets(access, endpoint).await?).await?;
        self.note_secret(access.entry(AuditAction::SecretRead).to(endpoint.id.as_str()), found).await
    }

    /// The same for an account's.
    pub async fn read_account_secret(&self, access: &AccountAccess) -> Result<Option<ShownSecret>, AppError> {
        let Ok(contract) = access.contract() else { return Ok(None) };
        let rules = &contract.subscription().secret;
        if rules.private_key.is_some() && rules.from == SecretSource::Account {
            return self.show_newest(contract, self.records().account_secrets(&access.account.id).await?).await;
        }
        if !rules.is_read_with_accounts() {
            return Ok(None);
        }
        let found = self.show_newest(contract, self.records().account_secrets(&access.account.id).await?).await?;
        self.note_secret(access.entry(AuditAction::SecretRead), found).await
    }

    /// Records that a secret is shown, if there is one.
    async fn note_secret(&self, entry: AuditEntry, found: Option<ShownSecret>) -> Result<Option<ShownSecret>, AppError> {
        if found.as_ref().is_some_and(|found| found.text().is_some()) {
            self.records().note(entry).await?;
        }
        Ok(found)
    }

    /// When those of an endpoint's secrets end that sign beside the newest, the latest first.
    pub async fn secret_overlaps(&self, access: &AccountAccess, endpoint: &Endpoint) -> Result<Vec<Timestamp>, AppError> {
        if access.contract().is_err() {
            return Ok(Vec::new());
        }
        let secrets = self.signing_secrets(access, &lane(access, endpoint.id.as_str())?).await?;
        Ok(secrets.into_iter().filter_map(|secret| secret.expires_at).collect())
    }

    /// A fresh secret. An RSA key takes some fifty milliseconds, at times far more, in which this thread would serve nobody else.
    pub(crate) async fn draw_secret(&self, contract: &Arc<Contract>) -> Result<Secret<String>, AppError> {
        let entropy = self.entropy().bytes();
        if contract.subscription().secret.private_key != Some(KeyKind::Rsa2048) {
            return Ok(contract.draw_secret(entropy));
        }
        let contract = Arc::clone(contract);
        let drawn = tokio::task::spawn_blocking(move || contract.draw_secret(entropy)).await;
        Ok(drawn.map_err(|error| StoreError::Unavailable(format!("a key could not be drawn: {error}").into()))?)
    }

    pub(crate) fn check_overlap(&self, overlap: Option<&str>, faults: &mut Vec<Fault>) -> Duration {
        let max = self.limits().secret_overlap_max;
        let parsed = overlap.map_or(Some(OVERLAP_DEFAULT.min(max)), |text| parse_duration(text).ok());
        parsed.filter(|overlap| *overlap <= max).unwrap_or_else(|| {
            let detail = format!("an overlap is a span such as `0s`, `30m`, `24h` or `7d`, at most {}", print_duration(max));
            faults.push(Fault::new("/overlap", detail));
            Duration::ZERO
        })
    }

    pub(crate) fn rotation(&self, secret: &Secret<String>, overlap: Duration) -> Rotation {
        let old_expire_at = self.clock().now().plus(overlap);
        Rotation { secret: secret.clone(), old_expire_at, active_max: self.limits().secrets_active_max }
    }

    /// The secrets that sign requests to an endpoint now, newest first: its own, its account's or its contract's.
    pub(crate) async fn signing_secrets(&self, access: &AccountAccess, lane: &LaneKey) -> Result<Vec<ActiveSecret>, AppError> {
        let contract = access.contract()?;
        Ok(match contract.subscription().secret.from {
            SecretSource::Account => self.records().account_secrets(&access.account.id).await?,
            SecretSource::Consumer | SecretSource::Generated => self.records().endpoint_secrets(lane).await?,
            SecretSource::Contract => self.active_contract_keys(contract).await?,
        })
    }

    /// The same as requests are signed with: after them the keys of the contract that sign beside them.
    pub(crate) async fn request_secrets(&self, access: &AccountAccess, lane: &LaneKey) -> Result<Vec<SigningSecret>, AppError> {
        let contract = access.contract()?;
        let signing = |active: ActiveSecret, is_beside| {
            let ActiveSecret { secret, version, .. } = active;
            SigningSecret { secret, version, is_beside }
        };
        let secrets = self.signing_secrets(access, lane).await?.into_iter().map(|secret| signing(secret, false));
        let keys = match contract.subscription().keys_beside {
            Some(_) => self.active_contract_keys(contract).await?,
            None => Vec::new(),
        };
        Ok(secrets.chain(keys.into_iter().map(|key| signing(key, true))).collect())
    }

    /// The secrets of an endpoint that sign now, newest first.
    pub(crate) async fn endpoint_secrets(
        &self,
        access: &AccountAccess,
        endpoint: &Endpoint,
    ) -> Result<Vec<ActiveSecret>, AppError> {
        let lane = LaneKey { account_id: access.account.id.clone(), endpoint_id: endpoint.id.clone() };
        Ok(self.records().endpoint_secrets(&lane).await?)
    }
}

/// Which of the active secrets one is that was just made. `None`: it does not sign any more.
fn version_of(made: &Secret<String>, active: &[ActiveSecret]) -> Option<i64> {
    active.iter().find(|active| active.secret.expose() == made.expose()).map(|active| active.version)
}
