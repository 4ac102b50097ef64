//! How the accounts and endpoints of one page stand. Each costs the same however much it has: nothing is counted beyond a bound.

use bellwire_domain::{AccountId, EndpointId};

use crate::StoreError;
use crate::rows::lane::{self, LaneKey};
use crate::sql::{Db, Select, columns, params};

/// No more endpoints of an account are looked at.
pub const STANDING_ENDPOINTS_MAX: i64 = 100;
/// No more deliveries of an endpoint are counted.
pub const STANDING_WAITING_MAX: i64 = 1_000;

/// An account's endpoints; of very many, the first [`STANDING_ENDPOINTS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountStanding {
    /// How many there are.
    pub endpoints: i64,
    /// How many of them are not sent to, as they are disabled.
    pub disabled: i64,
    /// How many of the others fail: their last attempt did, or they are unhealthy or failed.
    pub failing: i64,
}

columns! {
    struct Standing of "endpoints" {
        endpoints: i64 = "COUNT(*)",
        enabled: i64 = "COUNT(c.enabled)",
        failing: i64 = "COUNT(c.failing)",
    }
}

columns! {
    struct Live of "queue" {
        count: i64 = "COUNT(*)",
    }
}

static ACCOUNT: Select<Standing> = Select::new(
    "FROM (SELECT CASE WHEN e.enabled = 1 THEN 1 END AS enabled, \
     CASE WHEN e.enabled = 1 AND (e.health IN ('unhealthy', 'failed') OR e.consecutive_failures > 0) THEN 1 END AS failing \
     FROM endpoints e WHERE e.account_id = $1 ORDER BY e.id LIMIT $2) c",
);
static LIVE: Select<Live> =
    Select::new("FROM (SELECT q.id FROM queue q WHERE q.lane = $1 AND q.lane > 0 ORDER BY q.id LIMIT $2) c");

/// How each of these accounts stands.
pub(super) fn accounts(db: Db<'_>, ids: &[AccountId]) -> Result<Vec<AccountStanding>, StoreError> {
    let one = |id: &AccountId| {
        let found = ACCOUNT.find(db, params![id.as_str(), STANDING_ENDPOINTS_MAX])?;
        Ok(found.map_or_else(AccountStanding::default, |found| AccountStanding {
            endpoints: found.endpoints,
            disabled: found.endpoints - found.enabled,
            failing: found.failing,
        }))
    };
    ids.iter().map(one).collect()
}

/// How many deliveries each of these endpoints has that have not ended; of very many, [`STANDING_WAITING_MAX`].
pub(super) fn live_deliveries(db: Db<'_>, account_id: &AccountId, ids: &[EndpointId]) -> Result<Vec<i64>, StoreError> {
    let one = |id: &EndpointId| {
        let key = LaneKey { account_id: account_id.clone(), endpoint_id: id.clone() };
        let Some(refs) = lane::find(db, &key)? else { return Ok(0) };
        Ok(LIVE.find(db, params![refs.lane, STANDING_WAITING_MAX])?.map_or(0, |found| found.count))
    };
    ids.iter().map(one).collect()
}

/// Each with the index by which it finds its rows, as the plans of SQLite and of PostgreSQL name it.
#[cfg(test)]
pub(crate) fn statements() -> Vec<(String, [&'static str; 2])> {
    vec![(ACCOUNT.sql(), ["SEARCH e USING PRIMARY KEY (account_id=?)", "endpoints"]), (LIVE.sql(), ["queue_by_lane"; 2])]
}
