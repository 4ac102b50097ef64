//! What attempts came to, by spans of time.

use std::time::Duration;

use bellwire_domain::{AccountId, EndpointId, Figures, Span, Timestamp};

use crate::StoreError;
use crate::rows::account;
use crate::rows::lane::{self, LaneKey};
use crate::rows::rollup::{self, Subject};
use crate::sql::Db;

/// Which attempts, and by which spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiguresQuery {
    /// Of this account; `None`: of all.
    pub account_id: Option<AccountId>,
    /// Of this endpoint of the account.
    pub endpoint_id: Option<EndpointId>,
    /// From the span that this instant is in.
    pub since: Timestamp,
    /// Up to the span that the instant before this one is in.
    pub until: Timestamp,
    /// The spans.
    pub by: Span,
}

/// What attempts came to in the span that begins at an instant. Spans without an attempt are left out.
pub type FiguresOfSpan = (Timestamp, Figures);

/// What was asked for, in the order of time.
pub(super) fn read(db: Db<'_>, query: &FiguresQuery) -> Result<Vec<FiguresOfSpan>, StoreError> {
    let FiguresQuery { account_id, endpoint_id, since, until, by } = query;
    let subject = match (account_id, endpoint_id) {
        (None, _) => Some(Subject::All),
        (Some(id), None) => account::find(db, id)?.map(|found| Subject::Account(found.reference)),
        (Some(id), Some(endpoint_id)) => {
            let lane = LaneKey { account_id: id.clone(), endpoint_id: endpoint_id.clone() };
            lane::find(db, &lane)?.map(|refs| Subject::Lane { account: refs.account, lane: refs.lane })
        }
    };
    let last = by.number(until.minus(Duration::from_micros(1)));
    let (Some(subject), true) = (subject, since < until) else { return Ok(Vec::new()) };
    rollup::read(db, subject, *by, (by.number(*since), last))
}
