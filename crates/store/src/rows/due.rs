//! What is due of endpoints, found some at a time: a look reads as many rows as it may, however many are due.

use bellwire_domain::{AccountId, Timestamp, Turns};
use foldhash::HashMap;

use super::endpoint::EndpointName;
use super::lane::LaneKey;
use crate::StoreError;
use crate::sql::{Columns, Db, Select, params};

/// Some of what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEndpoints {
    /// The first of each account before the second of any, and of no account more than were asked for.
    pub lanes: Vec<LaneKey>,
    /// Where to look for those that were due later; `None`: there are none.
    pub next: Option<Timestamp>,
}

/// A look at what is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) now: Timestamp,
    /// Only what was due later than this; `None`: everything.
    pub(crate) after: Option<Timestamp>,
    /// The most endpoints of an account.
    pub(crate) of_account: u32,
    /// The most rows that are read.
    pub(crate) limit: u32,
}

/// Before everything that is due.
const START: Timestamp = Timestamp::from_micros(i64::MIN);

impl Look {
    /// Reads a statement whose parameters are after what, until what, and how many rows; `at` is when one of its rows was due.
    pub(crate) fn read<T>(
        self,
        db: Db<'_>,
        statement: &Select<(EndpointName, T)>,
        at: impl Fn(&T) -> Option<Timestamp>,
    ) -> Result<DueEndpoints, StoreError>
    where
        (EndpointName, T): for<'r> Columns<'r>,
    {
        let Self { now, after, of_account, limit } = self;
        let rows = statement.list(db, params![after.unwrap_or(START), now, i64::from(limit)])?;
        let due = rows.into_iter().filter_map(|(name, due)| Some((name, at(&due)?)));
        Ok(DueEndpoints::of(due.collect(), of_account, limit))
    }
}

impl DueEndpoints {
    /// From what one look has read, in the order in which it was due. A look that is full leaves the rest to the next one. What is due at the
    /// very same instant as the last of a look may be left out: the next pass begins with it.
    fn of(rows: Vec<(EndpointName, Timestamp)>, of_account: u32, limit: u32) -> Self {
        let is_full = u32::try_from(rows.len()).is_ok_and(|read| read >= limit);
        let next = rows.last().map(|(_, due_at)| *due_at).filter(|_| is_full);
        let (mut turns, mut counts): (Turns<AccountId, LaneKey>, HashMap<AccountId, u32>) = Default::default();
        for lane in rows.into_iter().map(|(name, _)| LaneKey::from(name)) {
            let count = counts.entry(lane.account_id.clone()).or_default();
            *count += 1;
            if *count <= of_account {
                turns.push_back(&lane.account_id.clone(), lane);
            }
        }
        Self { lanes: std::iter::from_fn(|| turns.pop(|_, _| true)).collect(), next }
    }
}
