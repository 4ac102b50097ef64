//! `lanes`: every endpoint that an account has ever had, by number.
//!
//! A delivery names its account, its endpoint and its event, in its row and again in each index. So an account has a number, a
//! lane has one, and an event has its [place](super::event::event_place): tables with many rows carry only those. Numbers are
//! never given out twice, and no caller of the store sees them.

use bellwire_domain::{AccountId, EndpointId, LaneName};

use crate::StoreError;
use crate::sql::{Columns, Db, Select, columns, params, table};

/// Names one lane: an endpoint of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The account.
    pub account_id: AccountId,
    /// The endpoint.
    pub endpoint_id: EndpointId,
}

impl LaneName for LaneKey {
    type Account = AccountId;

    fn account(&self) -> &AccountId {
        &self.account_id
    }
}

columns! {
    /// The numbers of a lane.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct LaneRefs of "lanes" {
        pub(crate) account: i64 = "l.account",
        pub(crate) lane: i64 = "l.ref",
    }
}

columns! {
    /// A lane's names.
    pub(crate) struct LaneNames of "lanes" {
        account_id: AccountId = "l.account_id",
        endpoint_id: EndpointId = "l.endpoint_id",
    }
}

impl From<LaneNames> for LaneKey {
    fn from(names: LaneNames) -> Self {
        Self { account_id: names.account_id, endpoint_id: names.endpoint_id }
    }
}

table! {
    /// A lane. The database numbers it.
    pub(crate) struct LaneRow<'a> in "lanes" key {} {
        account: i64,
        account_id: &'a str,
        endpoint_id: &'a str,
    }
}

static FIND: Select<LaneRefs> = Select::new("FROM lanes l WHERE l.account_id = $1 AND l.endpoint_id = $2");
const ADD: &str = "INSERT INTO lanes (account, account_id, endpoint_id) SELECT ref, id, $1 FROM accounts WHERE id = $2 \
     ON CONFLICT (account_id, endpoint_id) DO NOTHING";

/// A lane's numbers; `None` when there never was such an endpoint.
pub(crate) fn find(db: Db<'_>, lane: &LaneKey) -> Result<Option<LaneRefs>, StoreError> {
    FIND.find(db, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])
}

/// The numbers of a new endpoint's lane. `None` when its account does not exist.
pub(crate) fn add(db: Db<'_>, lane: &LaneKey) -> Result<Option<LaneRefs>, StoreError> {
    db.execute(ADD, params![lane.endpoint_id.as_str(), lane.account_id.as_str()])?;
    find(db, lane)
}

/// Reads lanes by their names.
pub(crate) fn keys<'r, C>(rows: &'r [crate::sql::Row]) -> Result<Vec<LaneKey>, StoreError>
where
    C: Columns<'r> + Into<LaneKey>,
{
    rows.iter().map(|row| row.read::<C>().map(Into::into)).collect()
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![FIND.sql(), ADD.to_owned()]
}
