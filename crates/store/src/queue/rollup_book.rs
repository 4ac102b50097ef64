//! The attempts of a group, counted: one row for each account, lane, class and bin that it has, and the same for all accounts
//! together.

use std::collections::BTreeMap;

use bellwire_domain::rollup::{RollupKey, Tally};
use bellwire_domain::{Span, Timestamp};

use super::lease::Claimant;
use super::outcome::Outcome;
use crate::StoreError;
use crate::rows::rollup::{COUNT_IN, Counts, RollupRow};
use crate::sql::{Bound, ColumnGroup, Db, Insert, Param, Session};

/// Rows for all accounts together that nodes divide among themselves.
const SHARES: i64 = 64;

/// Where an attempt is counted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    account: i64,
    lane: i64,
    key: RollupKey,
}

/// What a group's attempts came to.
pub(crate) struct RollupBook {
    minute: i64,
    share: i64,
    /// In the order of the table's key, which every node keeps to.
    rows: BTreeMap<Row, Tally>,
}

/// The INSERT that counts attempts in.
pub(crate) fn counting() -> Insert {
    Insert::of::<RollupRow<'_>>().then(COUNT_IN)
}

impl RollupBook {
    pub(crate) fn new(now: Timestamp, claimant: &Claimant) -> Self {
        let share = claimant.token.bytes().fold(0, |sum, byte| (sum * 31 + i64::from(byte)) % SHARES);
        Self { minute: Span::Minute.number(now), share, rows: BTreeMap::new() }
    }

    /// Counts an attempt, `times` over: -1 takes it out again.
    pub(crate) fn count(&mut self, outcome: &Outcome, times: i64) {
        let key = RollupKey::of(&outcome.outcome, outcome.duration);
        let refs = &outcome.delivery.refs;
        for (account, lane) in [(0, self.share), (refs.account, refs.lane)] {
            self.rows.entry(Row { account, lane, key }).or_default().add(Tally::of(&outcome.decision), times);
        }
    }

    fn cells(&self) -> Vec<Param<'static>> {
        let mut cells = Vec::new();
        for (Row { account, lane, key }, tally) in self.rows.iter().filter(|(_, tally)| **tally != Tally::default()) {
            let row = RollupRow {
                span: Counts::Minute.code(),
                number: self.minute,
                account: *account,
                lane: *lane,
                class: key.class,
                bin: key.bin.number(),
                attempts: tally.attempts,
                delivered: tally.delivered,
                failed: tally.failed,
            };
            row.bind(&mut cells);
        }
        cells
    }

    /// Writes what was counted.
    pub(crate) fn write(&self, db: Db<'_>, counting: &Insert) -> Result<(), StoreError> {
        counting.run(db, &self.cells())
    }

    /// The statement that writes it on PostgreSQL, to be sent with others; `None`: nothing was counted.
    pub(crate) fn bind(&self, session: &Session) -> Result<Option<Bound<'static>>, StoreError> {
        let cells = self.cells();
        (!cells.is_empty()).then(|| counting().bind(session, &cells)).transpose()
    }
}
