//! Everything that sending to an endpoint needs.

use std::sync::Arc;

use bellwire_domain::Timestamp;

use crate::StoreError;
use crate::rows::account::{self, Account};
use crate::rows::endpoint::{self, Endpoint};
use crate::rows::lane::LaneKey;
use crate::rows::secret::{self, ActiveSecret, SecretOwner};
use crate::seal::Keyring;
use crate::sql::Db;

/// Everything that sending to an endpoint needs.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its account.
    pub account: Arc<Account>,
    /// Its own secrets, newest first.
    pub secrets: Vec<ActiveSecret>,
    /// The account's secrets, newest first.
    pub account_secrets: Vec<ActiveSecret>,
    /// The keys of its contract, where those sign: who knows the contract adds them.
    pub contract_keys: Arc<[ActiveSecret]>,
}

/// An endpoint with its account and all secrets that sign at `now`.
pub(crate) fn find(db: Db<'_>, keyring: &Keyring, lane: &LaneKey, now: Timestamp) -> Result<Option<EndpointConfig>, StoreError> {
    let Some(account) = account::find(db, &lane.account_id)? else { return Ok(None) };
    let key = keyring.open_key(&account.id, &account.data_key_sealed)?;
    let Some(endpoint) = endpoint::find(db, &key, lane)? else { return Ok(None) };
    Ok(Some(EndpointConfig {
        secrets: secret::active(db, SecretOwner::endpoint(lane), &key, now)?,
        account_secrets: secret::active(db, SecretOwner::account(&account.id), &key, now)?,
        contract_keys: Arc::default(),
        endpoint,
        account: Arc::new(account),
    }))
}
