//! `erasures`: removals of what is about a subject, looked at in the order of the account's log.

use bellwire_domain::{AccountId, ErasureId, ErasureState, Timestamp};

use crate::StoreError;
use crate::sql::{Db, Select, columns, params, table};
#[cfg(test)]
use crate::sql::{Insert, select};

table! {
    /// A new erasure.
    pub(crate) struct ErasureRow<'a> in "erasures" key { id: &'a str } {
        account_id: &'a str,
        subject: &'a [u8],
        reason_sealed: &'a [u8],
        asked_by: &'a str,
        state: &'a str,
        /// Every event up to this place has been looked at.
        cursor_event: i64,
        /// The last event when it was asked for.
        last_event: i64,
        payloads: i64,
        answers: i64,
        documents: i64,
        deliveries: i64,
        created_at: Timestamp,
        ended_at: Option<Timestamp>,
    }
}

columns! {
    /// What has been removed, by kind.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Erased of "erasures" {
        /// Payloads of events.
        pub payloads: i64 = "x.payloads",
        /// Answers of receivers.
        pub answers: i64 = "x.answers",
        /// Documents of resources.
        pub documents: i64 = "x.documents",
        /// Live deliveries, which were cancelled.
        pub deliveries: i64 = "x.deliveries",
    }
}

columns! {
    /// A stored erasure without its counts, its reason still sealed.
    pub(crate) struct StoredErasure<'r> of "erasures" {
        pub(crate) id: ErasureId = "x.id",
        pub(crate) account_id: AccountId = "x.account_id",
        pub(crate) subject: &'r [u8] = "x.subject",
        pub(crate) reason_sealed: &'r [u8] = "x.reason_sealed",
        pub(crate) asked_by: String = "x.asked_by",
        pub(crate) state: ErasureState = "x.state",
        pub(crate) created_at: Timestamp = "x.created_at",
        pub(crate) ended_at: Option<Timestamp> = "x.ended_at",
    }
}

columns! {
    /// What a step of an erasure goes by.
    pub(crate) struct RunningErasure of "erasures" {
        pub(crate) id: ErasureId = "x.id",
        pub(crate) account_id: AccountId = "x.account_id",
        pub(crate) subject: Vec<u8> = "x.subject",
        pub(crate) state: ErasureState = "x.state",
        pub(crate) cursor_event: i64 = "x.cursor_event",
        pub(crate) last_event: i64 = "x.last_event",
        pub(crate) asked_by: String = "x.asked_by",
    }
}

pub(crate) const BY_ID: &str = "FROM erasures x WHERE x.account_id = $1 AND x.id = $2 AND x.payloads >= 0";
pub(crate) const PAGE: &str =
    "FROM erasures x WHERE x.account_id = $1 AND x.id < $2 AND x.payloads >= 0 ORDER BY x.id DESC LIMIT $3";
static NEXT_RUNNING: Select<RunningErasure> =
    Select::new("FROM erasures x WHERE x.state = 'running' AND x.id > $1 ORDER BY x.id LIMIT 1");
static RUNNING: Select<RunningErasure> = Select::new("FROM erasures x WHERE x.id = $1");
const COUNT_RUNNING: &str = "SELECT COUNT(*) FROM erasures WHERE state = 'running' AND id > '' AND account_id = $1";
const MOVE_ON: &str = "UPDATE erasures SET cursor_event = $1, state = $2, ended_at = $3, payloads = payloads + $4, \
     answers = answers + $5, documents = documents + $6, deliveries = deliveries + $7 WHERE id = $8";
const DROP_OF_ACCOUNT: &str = "DELETE FROM erasures WHERE account_id = $1 AND payloads >= 0";

/// The running one that comes after `after` in the order of ids.
pub(crate) fn next_running(db: Db<'_>, after: Option<&ErasureId>) -> Result<Option<RunningErasure>, StoreError> {
    NEXT_RUNNING.find(db, params![after.map_or("", ErasureId::as_str)])
}

/// One as it stands, where its account is locked.
pub(crate) fn find_running(db: Db<'_>, id: &ErasureId) -> Result<Option<RunningErasure>, StoreError> {
    Ok(RUNNING.find(db, params![id.as_str()])?.filter(|found| found.state == ErasureState::Running))
}

/// How many run of this account's.
pub(crate) fn count_running(db: Db<'_>, account: &AccountId) -> Result<u32, StoreError> {
    db.get("erasures", COUNT_RUNNING, params![account.as_str()])?.value("count")
}

/// Moves one on, by what it has removed.
pub(crate) fn move_on(
    db: Db<'_>,
    id: &ErasureId,
    cursor_event: i64,
    erased: Erased,
    ended_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let state = if ended_at.is_some() { ErasureState::Done } else { ErasureState::Running };
    let Erased { payloads, answers, documents, deliveries } = erased;
    let cells = params![cursor_event, state.as_str(), ended_at, payloads, answers, documents, deliveries, id.as_str()];
    db.execute(MOVE_ON, cells).map(drop)
}

/// Removes those of an account that is being deleted.
pub(crate) fn drop_of_account(db: Db<'_>, account: &AccountId) -> Result<(), StoreError> {
    db.execute(DROP_OF_ACCOUNT, params![account.as_str()]).map(drop)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let selects = [BY_ID, PAGE].map(select::<(StoredErasure<'_>, Erased)>);
    let fixed = [COUNT_RUNNING, MOVE_ON, DROP_OF_ACCOUNT].map(str::to_owned);
    let running = [NEXT_RUNNING.sql(), RUNNING.sql(), Insert::one::<ErasureRow<'_>>("")];
    selects.into_iter().chain(fixed).chain(running).collect()
}
