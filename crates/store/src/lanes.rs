//! Numbers in place of texts.
//!
//! Every delivery names its account, its endpoint and its event, in its row and again in each index. So an account has a number,
//! a lane (an endpoint of an account, also one that is gone) has one, and an event has its [place](event_place): what has many
//! rows carries only those. Numbers are never given out twice, and no caller of the store sees them.

use crate::StoreError;
use crate::driver::{Db, Row, params};
use crate::handoff::LaneKey;

/// The bits of an event's place that are its `seq`: an account may have 2^40 events, and a store 2^23 accounts.
const SEQ_BITS: u32 = 40;
/// The last `seq` that fits.
pub(crate) const SEQ_MAX: i64 = (1 << SEQ_BITS) - 1;

/// Where an event stands among all: its account's number, then its `seq`.
pub(crate) const fn event_place(account: i64, seq: i64) -> i64 {
    (account << SEQ_BITS) | seq
}

/// The `seq` of the event at a place.
pub(crate) const fn place_seq(place: i64) -> i64 {
    place & SEQ_MAX
}

/// The numbers of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneRefs {
    pub(crate) account: i64,
    pub(crate) lane: i64,
}

const FIND: &str = "SELECT account, ref FROM lanes WHERE account_id = $1 AND endpoint_id = $2";
const ADD: &str = "INSERT INTO lanes (account, account_id, endpoint_id) SELECT ref, id, $1 FROM accounts WHERE id = $2 \
     ON CONFLICT (account_id, endpoint_id) DO NOTHING";

/// A lane's numbers; `None` when no such endpoint ever was.
pub(crate) fn find(db: Db<'_>, lane: &LaneKey) -> Result<Option<LaneRefs>, StoreError> {
    let row = db.find("lanes", FIND, params![lane.account_id.as_str(), lane.endpoint_id.as_str()])?;
    row.map(|row| read(&row, 0)).transpose()
}

/// The numbers of a new endpoint's lane. `None` when its account does not exist.
pub(crate) fn add(db: Db<'_>, lane: &LaneKey) -> Result<Option<LaneRefs>, StoreError> {
    db.execute(ADD, params![lane.endpoint_id.as_str(), lane.account_id.as_str()])?;
    find(db, lane)
}

/// The two cells from `first` on.
pub(crate) fn read(row: &Row, first: usize) -> Result<LaneRefs, StoreError> {
    Ok(LaneRefs { account: row.int(first, "account")?, lane: row.int(first + 1, "lane")? })
}

#[cfg(test)]
pub(crate) const STATEMENTS: [&str; 2] = [FIND, ADD];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_accounts_and_then_of_seqs() {
        let keys = [(1, 0), (1, 1), (1, SEQ_MAX), (2, 0), (2, 7), (8_388_607, SEQ_MAX)];
        let places = keys.map(|(account, seq)| event_place(account, seq));
        assert!(places.is_sorted() && places[0] > 0);
        assert_eq!(places.map(place_seq), keys.map(|(_, seq)| seq));
    }
}
