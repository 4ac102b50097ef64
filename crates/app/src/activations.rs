//! Handshakes as callers see them: how one stands, and a receiver that calls back.

use bellwire_contract::{Activation as Handshake, Contract};
use bellwire_domain::HealthStatus;
use bellwire_store::{Activation, Endpoint};

use crate::endpoints::lane;
use crate::{AccountAccess, App, AppError, Resource};

impl App {
    /// How an endpoint's activation stands; `None`: its contract asks for none.
    pub async fn endpoint_activation(&self, access: &AccountAccess, endpoint: &Endpoint) -> Result<Option<Activation>, AppError> {
        let is_asked = access.contract().is_ok_and(|contract| contract.activation().is_some());
        if !is_asked && endpoint.health.status != HealthStatus::Pending {
            return Ok(None);
        }
        Ok(self.records().find_activation(&lane(access, endpoint.id.as_str())?).await?)
    }

    /// A receiver calls back with the token of its handshake: its endpoint is active from now on. `caller` is whose key was given, if
    /// one was: another account's token is as unknown as one that nobody has.
    pub async fn confirm_endpoint(
        &self,
        contract: &Contract,
        caller: Option<&AccountAccess>,
        token: &str,
    ) -> Result<(AccountAccess, Endpoint), AppError> {
        let not_found = || AppError::NotFound(Resource::Endpoint);
        let found = self.records().find_activating(token).await?.ok_or_else(not_found)?;
        if caller.is_some_and(|access| access.account.id != found.account_id) {
            return Err(not_found());
        }
        let access = self.own_account(&found.account_id).await.map_err(|_| not_found())?;
        if access.account.contract != contract.name() {
            return Err(not_found());
        }
        // By the account's own version, whichever answers.
        let every = access.contract()?.activation().and_then(|handshake: &Handshake| handshake.every);
        let next_at = every.map(|every| self.clock().now().plus(every));
        let confirmed = self.records().confirm_activation(&found, token, next_at).await?;
        Ok((access, confirmed.ok_or_else(not_found)?))
    }
}
