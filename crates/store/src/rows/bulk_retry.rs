//! `bulk_retries`: deliveries that are retried together, looked at from the latest to the earliest.

use bellwire_domain::{
    AccountId, BulkRetryId, DeliveryId, DeliveryState, EndpointId, Entropy, EventId, EventType, OutcomeKind, ReplayState,
    Timestamp,
};

use crate::StoreError;
use crate::seal::{DataKey, Place};
use crate::sql::{Db, Select, columns, params, table};

table! {
    /// A new one.
    pub(crate) struct BulkRetryRow<'a> in "bulk_retries" key { id: &'a str } {
        account_id: Option<&'a str>,
        endpoint_id: Option<&'a str>,
        event_id: Option<&'a str>,
        event_type: Option<&'a str>,
        wanted_state: &'a str,
        outcome: Option<&'a str>,
        status: Option<u16>,
        attempts_min: Option<u32>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        subject: Option<&'a str>,
        reason: &'a str,
        reason_sealed: Option<&'a [u8]>,
        asked_by: &'a str,
        state: &'a str,
        matched: i64,
        is_exact: bool,
        cursor_id: DeliveryId,
        retried: i64,
        skipped: i64,
        created_at: Timestamp,
        ended_at: Option<Timestamp>,
    }
}

columns! {
    /// One that is stored.
    pub(crate) struct BulkRetryColumns of "bulk_retries" {
        pub(crate) id: BulkRetryId = "b.id",
        pub(crate) account_id: Option<AccountId> = "b.account_id",
        pub(crate) endpoint_id: Option<EndpointId> = "b.endpoint_id",
        pub(crate) event_id: Option<EventId> = "b.event_id",
        pub(crate) event_type: Option<EventType> = "b.event_type",
        pub(crate) wanted_state: DeliveryState = "b.wanted_state",
        pub(crate) outcome: Option<OutcomeKind> = "b.outcome",
        pub(crate) status: Option<u16> = "b.status",
        pub(crate) attempts_min: Option<u32> = "b.attempts_min",
        pub(crate) since: Option<Timestamp> = "b.since",
        pub(crate) until: Option<Timestamp> = "b.until",
        pub(crate) subject: Option<String> = "b.subject",
        pub(crate) reason: String = "b.reason",
        pub(crate) reason_sealed: Option<Vec<u8>> = "b.reason_sealed",
        pub(crate) asked_by: String = "b.asked_by",
        pub(crate) state: ReplayState = "b.state",
        pub(crate) matched: i64 = "b.matched",
        pub(crate) is_exact: bool = "b.is_exact",
        pub(crate) cursor_id: DeliveryId = "b.cursor_id",
        pub(crate) retried: i64 = "b.retried",
        pub(crate) skipped: i64 = "b.skipped",
        pub(crate) created_at: Timestamp = "b.created_at",
        pub(crate) ended_at: Option<Timestamp> = "b.ended_at",
    }
}

columns! {
    /// A reason that an earlier version has left in the clear.
    struct ClearReason of "bulk_retries" {
        id: BulkRetryId = "b.id",
        reason: String = "b.reason",
    }
}

static CLEAR_REASONS: Select<ClearReason> =
    Select::new("FROM bulk_retries b WHERE b.id > $1 AND b.reason <> '' ORDER BY b.id LIMIT $2");
const SEAL_REASON: &str = "UPDATE bulk_retries SET reason_sealed = $1, reason = '' WHERE id = $2 AND reason <> ''";

static BY_ID: Select<BulkRetryColumns> = Select::new("FROM bulk_retries b WHERE b.id = $1");
/// Those that run are few: an account may have so many, and the operator.
static NEXT_RUNNING: Select<BulkRetryColumns> =
    Select::new("FROM bulk_retries b WHERE b.state = 'running' AND b.id > $1 ORDER BY b.id LIMIT 1");
static OF_ALL: Select<BulkRetryColumns> = Select::new("FROM bulk_retries b WHERE b.id < $1 ORDER BY b.id DESC LIMIT $2");
static OF_ACCOUNT: Select<BulkRetryColumns> =
    Select::new("FROM bulk_retries b WHERE b.matched >= 0 AND b.account_id = $1 AND b.id < $2 ORDER BY b.id DESC LIMIT $3");
const COUNT_RUNNING: &str =
    "SELECT COUNT(*) FROM bulk_retries WHERE state = 'running' AND id > '' AND COALESCE(account_id, '') = $1";
const MOVE_ON: &str = "UPDATE bulk_retries SET cursor_id = $1, state = $2, ended_at = $3 \
     WHERE id = $4 AND state = 'running' AND cursor_id = $5";
const COUNT: &str = "UPDATE bulk_retries SET retried = retried + $1, skipped = skipped + $2 WHERE id = $3";
const CANCEL: &str = "UPDATE bulk_retries SET state = 'cancelled', ended_at = $1 WHERE id = $2 AND state = 'running'";
const DROP_OF_ACCOUNT: &str = "DELETE FROM bulk_retries WHERE matched >= 0 AND account_id = $1";
const DROP_ENDED: &str = "DELETE FROM bulk_retries WHERE id IN \
     (SELECT id FROM bulk_retries WHERE id > '' AND ended_at < $1 ORDER BY id LIMIT $2)";

/// Rows that are sealed in one transaction.
const STEP: i64 = 200;
/// After every id.
const LAST: &str = "c";

/// Seals the next reasons that an earlier version has left in the clear; `None`: there are no more.
pub(crate) fn seal_reasons(
    db: Db<'_>,
    store_key: &DataKey,
    entropy: &dyn Entropy,
    after: Option<&BulkRetryId>,
) -> Result<Option<BulkRetryId>, StoreError> {
    let clear = CLEAR_REASONS.list(db, params![after.map_or("", BulkRetryId::as_str), STEP])?;
    for ClearReason { id, reason } in &clear {
        let sealed = store_key.seal(entropy, &Place::bulk_retry_reason(id), reason.as_bytes());
        db.execute(SEAL_REASON, params![sealed.as_slice(), id.as_str()])?;
    }
    Ok(clear.into_iter().next_back().map(|last| last.id))
}

pub(crate) fn find(db: Db<'_>, id: &BulkRetryId) -> Result<Option<BulkRetryColumns>, StoreError> {
    BY_ID.find(db, params![id.as_str()])
}

/// The running one that comes after `after` in the order of ids.
pub(crate) fn next_running(db: Db<'_>, after: Option<&BulkRetryId>) -> Result<Option<BulkRetryColumns>, StoreError> {
    NEXT_RUNNING.find(db, params![after.map_or("", BulkRetryId::as_str)])
}

/// Those before `after`, the latest first: of one account, or all there are.
pub(crate) fn list(
    db: Db<'_>,
    account: Option<&AccountId>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<BulkRetryColumns>, StoreError> {
    let after = after.unwrap_or(LAST);
    match account {
        Some(account) => OF_ACCOUNT.list(db, params![account.as_str(), after, limit]),
        None => OF_ALL.list(db, params![after, limit]),
    }
}

/// How many run of this account's, or of those over all accounts.
pub(crate) fn count_running(db: Db<'_>, account: Option<&AccountId>) -> Result<u32, StoreError> {
    db.get("bulk_retries", COUNT_RUNNING, params![account.map_or("", AccountId::as_str)])?.value("count")
}

/// Moves one on from where it was; `false`: another has done so, or has ended it.
pub(crate) fn move_on(
    db: Db<'_>,
    id: &BulkRetryId,
    (from, to): (DeliveryId, DeliveryId),
    ended_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let state = if ended_at.is_some() { ReplayState::Done } else { ReplayState::Running };
    Ok(db.execute(MOVE_ON, params![to, state.as_str(), ended_at, id.as_str(), from])? > 0)
}

/// Counts what has become of deliveries.
pub(crate) fn count(db: Db<'_>, id: &BulkRetryId, retried: i64, skipped: i64) -> Result<(), StoreError> {
    db.execute(COUNT, params![retried, skipped, id.as_str()]).map(drop)
}

/// Stops one that runs.
pub(crate) fn cancel(db: Db<'_>, id: &BulkRetryId, now: Timestamp) -> Result<(), StoreError> {
    db.execute(CANCEL, params![now, id.as_str()]).map(drop)
}

/// Removes those of an account that is being deleted.
pub(crate) fn drop_of_account(db: Db<'_>, account: &AccountId) -> Result<(), StoreError> {
    db.execute(DROP_OF_ACCOUNT, params![account.as_str()]).map(drop)
}

/// Removes so many at most of those that ended before `since`: how many went.
pub(crate) fn drop_ended(db: Db<'_>, since: Timestamp, limit: i64) -> Result<usize, StoreError> {
    db.execute(DROP_ENDED, params![since, limit])
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [COUNT_RUNNING, MOVE_ON, COUNT, CANCEL, DROP_OF_ACCOUNT, DROP_ENDED, SEAL_REASON].map(str::to_owned);
    fixed.into_iter().chain([BY_ID.sql(), NEXT_RUNNING.sql(), OF_ALL.sql(), OF_ACCOUNT.sql(), CLEAR_REASONS.sql()]).collect()
}
