//! `secrets`: those of endpoints, and of accounts where no endpoint is named. The highest ordinal is the newest.

use std::sync::Arc;

use bellwire_domain::{AccountId, Secret, Timestamp};

use super::lane::LaneKey;
use crate::StoreError;
use crate::seal::{AccountSeal, DataKey, Place};
use crate::sql::{Db, Insert, columns, params, select, table};

/// A secret and when it stops signing.
#[derive(Debug, Clone)]
pub struct ActiveSecret {
    /// The secret.
    pub secret: Secret<String>,
    /// Which of its owner's it is: 1 is the first, and each new one has one more.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// The end of its overlap with a newer one; `None`: it is the newest.
    pub expires_at: Option<Timestamp>,
}

table! {
    /// A secret.
    pub(crate) struct SecretRow<'a> in "secrets" key { account_id: &'a str, endpoint_id: &'a str, ordinal: i64 } {
        secret_sealed: &'a [u8],
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    }
}

columns! {
    /// A secret, still sealed.
    struct StoredSecret<'r> of "secrets" {
        ordinal: i64 = "ordinal",
        secret_sealed: &'r [u8] = "secret_sealed",
        created_at: Timestamp = "created_at",
        expires_at: Option<Timestamp> = "expires_at",
    }
}

const ACTIVE: &str = "FROM secrets WHERE account_id = $1 AND endpoint_id = $2 \
     AND (expires_at IS NULL OR expires_at > $3) ORDER BY ordinal DESC";
const COUNT_ACTIVE: &str = "SELECT COUNT(*) FROM secrets WHERE account_id = $1 AND endpoint_id = $2 \
     AND (expires_at IS NULL OR expires_at > $3)";
const LAST_ORDINAL: &str = "SELECT ordinal FROM secrets WHERE account_id = $1 AND endpoint_id = $2 ORDER BY ordinal DESC LIMIT 1";
const EXPIRE: &str = "UPDATE secrets SET expires_at = $1 WHERE account_id = $2 AND endpoint_id = $3 \
     AND ordinal < $4 AND (expires_at IS NULL OR expires_at > $5)";
const DELETE: &str = "DELETE FROM secrets WHERE account_id = $1 AND endpoint_id = $2";

/// Whose secret it is.
#[derive(Clone, Copy)]
pub(crate) struct SecretOwner<'a> {
    account: &'a AccountId,
    endpoint: &'a str,
}

impl<'a> SecretOwner<'a> {
    pub(crate) const fn account(account: &'a AccountId) -> Self {
        Self { account, endpoint: "" }
    }

    pub(crate) fn endpoint(lane: &'a LaneKey) -> Self {
        Self { account: &lane.account_id, endpoint: lane.endpoint_id.as_str() }
    }

    fn place(self, ordinal: i64) -> Place {
        Place::secret(self.account, self.endpoint, ordinal)
    }
}

/// Stores a new secret; those before it sign until `old_expire_at`.
pub(crate) fn replace(
    db: Db<'_>,
    owner: SecretOwner<'_>,
    seal: &AccountSeal<'_>,
    secret: &Secret<String>,
    now: Timestamp,
    old_expire_at: Timestamp,
) -> Result<(), StoreError> {
    let (account_id, endpoint_id) = (owner.account.as_str(), owner.endpoint);
    let last = db.find("secrets", LAST_ORDINAL, params![account_id, endpoint_id])?;
    let ordinal = last.map_or(Ok(0), |row| row.value::<i64>("ordinal"))? + 1;
    let secret_sealed = &seal.key.seal(seal.entropy, &owner.place(ordinal), secret.expose().as_bytes())[..];
    Insert::put(db, SecretRow { account_id, endpoint_id, ordinal, secret_sealed, created_at: now, expires_at: None }, "")?;
    db.execute(EXPIRE, params![old_expire_at, account_id, endpoint_id, ordinal, old_expire_at])?;
    Ok(())
}

/// The secrets that sign at `now`, newest first.
pub(crate) fn active(
    db: Db<'_>,
    owner: SecretOwner<'_>,
    key: &Arc<DataKey>,
    now: Timestamp,
) -> Result<Vec<ActiveSecret>, StoreError> {
    let sql = select::<StoredSecret<'_>>(ACTIVE);
    let rows = db.query("secrets", &sql, params![owner.account.as_str(), owner.endpoint, now])?;
    let mut active = Vec::with_capacity(rows.len());
    for row in &rows {
        let stored: StoredSecret<'_> = row.read()?;
        let text = key.open_text(&owner.place(stored.ordinal), stored.secret_sealed)?;
        active.push(ActiveSecret {
            secret: Secret::new(text),
            version: stored.ordinal,
            created_at: stored.created_at,
            expires_at: stored.expires_at,
        });
    }
    Ok(active)
}

/// How many sign at `now`.
pub(crate) fn count_active(db: Db<'_>, owner: SecretOwner<'_>, now: Timestamp) -> Result<i64, StoreError> {
    db.get("secrets", COUNT_ACTIVE, params![owner.account.as_str(), owner.endpoint, now])?.value("count")
}

/// Deletes every secret of an endpoint.
pub(crate) fn delete(db: Db<'_>, lane: &LaneKey) -> Result<(), StoreError> {
    db.execute(DELETE, params![lane.account_id.as_str(), lane.endpoint_id.as_str()]).map(drop)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [COUNT_ACTIVE, LAST_ORDINAL, EXPIRE, DELETE].map(str::to_owned);
    fixed.into_iter().chain([select::<StoredSecret<'_>>(ACTIVE), Insert::one::<SecretRow<'_>>("")]).collect()
}
