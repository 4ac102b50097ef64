//! What the schema of an earlier version did not seal is sealed as it is when a store is opened: endpoints, whose URLs are masked, and
//! reasons of bulk retries.
//!
//! For endpoints that happens once. From then on an endpoint without a seal is one that somebody has put into the database.

use bellwire_domain::Entropy;

use super::scrub;
use crate::StoreError;
use crate::rows::lane::LaneKey;
use crate::rows::{account, bulk_retry, endpoint, meta};
use crate::seal::{AccountSeal, DataKey, Keyring};
use crate::sql::Db;

/// Says that it is done.
pub(crate) const SEALED: &str = "endpoints.sealed";
/// Endpoints in one transaction.
const STEP: u32 = 200;

/// Whether every endpoint has to have a seal.
pub(crate) fn is_done(db: Db<'_>) -> Result<bool, StoreError> {
    Ok(meta::find(db, SEALED)?.is_some())
}

/// Seals the endpoints of a store that has not done so, a bounded number of them in each transaction. Nodes may do it at once.
pub(crate) fn adopt(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy) -> Result<(), StoreError> {
    if is_done(db)? {
        return Ok(());
    }
    let (mut after, mut sealed) = (None, 0);
    loop {
        let (last, count) = db.transaction(|db| step(db, keyring, entropy, after.as_ref()))?;
        sealed += count;
        after = last;
        if after.is_none() {
            break;
        }
    }
    if sealed > 0 {
        tracing::warn!(endpoints = sealed, "endpoints had no seal and were sealed as they are; expected once, after an upgrade");
    }
    meta::put_first(db, SEALED, b"").map(drop)
}

/// Seals what was written of why deliveries were retried together, where an earlier version has left it in the clear.
pub(crate) fn adopt_reasons(db: Db<'_>, store_key: &DataKey, entropy: &dyn Entropy) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        after = db.transaction(|db| {
            let last = bulk_retry::seal_reasons(db, store_key, entropy, after.as_ref())?;
            if last.is_some() {
                scrub::want(db)?;
            }
            Ok::<_, StoreError>(last)
        })?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Seals some; the last one that was looked at, if there may be more, and how many were sealed.
fn step(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    after: Option<&LaneKey>,
) -> Result<(Option<LaneKey>, u64), StoreError> {
    let after = after.map_or(("", ""), |lane| (lane.account_id.as_str(), lane.endpoint_id.as_str()));
    let (mut last, mut sealed): (Option<LaneKey>, _) = (None, 0);
    for lane in endpoint::list_names(db, after, STEP)? {
        if last.as_ref().is_none_or(|last| last.account_id != lane.account_id) {
            account::lock(db, &lane.account_id)?;
        }
        match seal(db, keyring, entropy, &lane) {
            Ok(is_new) => sealed += u64::from(is_new),
            // It stays as it is, and is refused: the others are not to wait for it.
            Err(error) if error.is_of_row() => {
                let LaneKey { account_id, endpoint_id } = &lane;
                tracing::error!(account.id = %account_id, endpoint.id = %endpoint_id, error = %error, "an endpoint could not be sealed");
            }
            Err(error) => return Err(error),
        }
        last = Some(lane);
    }
    if sealed > 0 {
        scrub::want(db)?;
    }
    Ok((last, sealed))
}

fn seal(db: Db<'_>, keyring: &Keyring, entropy: &dyn Entropy, lane: &LaneKey) -> Result<bool, StoreError> {
    let Some(key) = account::find_key(db, keyring, &lane.account_id)? else { return Ok(false) };
    endpoint::seal(db, &AccountSeal { key, entropy }, lane)
}
