//! Retries of many deliveries at once: those that a filter names, as they were when it was asked for.
//!
//! A bulk retry is a row with a cursor that goes from the latest delivery to the earliest. Each step is one transaction: it moves the
//! cursor past the next deliveries of the filter and makes them due. So one that is interrupted goes on where it was, and retries none
//! twice. What was made, or ended, after it was asked for is left alone: a delivery that fails once more while it runs is not its own.
//!
//! Its deliveries count for the pace of their account's replays, so that they leave others theirs.

use std::collections::{BTreeMap, BTreeSet};

use bellwire_domain::{
    AccountId, BulkRetryId, DeliveryId, DeliveryState, EndpointId, EventId, EventType, OutcomeKind, ReplayState, Timestamp,
};

use super::deliveries::{self, Delivery, RetryResult};
use super::delivery_list::{self, DeliveryQuery};
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::context::WriteContext;
use crate::rows::account;
use crate::rows::bulk_retry::{self, BulkRetryColumns, BulkRetryRow};
use crate::rows::lane::LaneKey;
use crate::seal::{DataKey, Place, SubjectHash};
use crate::sql::{Db, Insert, Select, columns, params};

/// Deliveries that one step looks at: what is published meanwhile waits for a commit of no more than these.
const STEP_MAX: u32 = 100;
/// Pages that are counted before a count is "at least", and deliveries on each.
const COUNT_PAGES_MAX: usize = 10;
const COUNT_PAGE: u32 = 1_000;

/// A stored retry of many deliveries.
#[derive(Debug, Clone)]
pub struct BulkRetry {
    /// Its id.
    pub id: BulkRetryId,
    /// Which deliveries. It names their state.
    pub query: DeliveryQuery,
    /// Why, in words.
    pub reason: String,
    /// Who asked: the id of a key, or a name.
    pub asked_by: String,
    /// Where it stands.
    pub state: ReplayState,
    /// How many deliveries the filter named when it was asked for.
    pub matched: Matched,
    /// Deliveries that were made due.
    pub retried: i64,
    /// Deliveries that were not: in flight, without an endpoint, or of an account with too many live ones.
    pub skipped: i64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was done or cancelled.
    pub ended_at: Option<Timestamp>,
    cursor: DeliveryId,
}

crate::audit::effect::always!(BulkRetry);

/// How many deliveries a filter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// So many.
    pub count: i64,
    /// Otherwise there are more: they were not all counted.
    pub is_exact: bool,
}

/// A bulk retry to be started.
#[derive(Debug, Clone)]
pub struct NewBulkRetry {
    /// Its id.
    pub id: BulkRetryId,
    /// Which deliveries.
    pub query: DeliveryQuery,
    /// In which state: failed, cancelled or pending.
    pub state: DeliveryState,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked_by: String,
    /// So many of the account, or of those over all accounts, may run at once.
    pub running_max: u32,
}

/// Why a bulk retry was not started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartBulkRetryError {
    /// So many run already.
    #[error("{max} bulk retries run already")]
    TooMany {
        /// The limit.
        max: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRetryStep {
    /// The bulk retry.
    pub id: BulkRetryId,
    /// Whether it moved on; `false`: it waits for its accounts' pace.
    pub advanced: bool,
    /// The lanes of what it made due, and how often.
    pub due: BTreeMap<LaneKey, usize>,
}

columns! {
    /// What retrying an account's deliveries needs to know of it.
    struct Owner of "accounts" {
        pending: i64 = "a.pending",
        deleting_since: Option<Timestamp> = "a.deleting_since",
    }
}

static OWNER: Select<Owner> = Select::new("FROM accounts a WHERE a.id = $1");

impl BulkRetry {
    fn read(stored: BulkRetryColumns, store_key: &DataKey) -> Result<Self, StoreError> {
        let place = Place::bulk_retry_reason(&stored.id);
        let sealed = stored.reason_sealed.map(|sealed| store_key.open_text(&place, &sealed)).transpose()?;
        Ok(Self {
            id: stored.id,
            query: DeliveryQuery {
                account_id: stored.account_id,
                endpoint_id: stored.endpoint_id,
                event_id: stored.event_id,
                state: Some(stored.wanted_state),
                event_type: stored.event_type,
                outcome: stored.outcome,
                status: stored.status,
                attempts_min: stored.attempts_min,
                since: stored.since,
                until: stored.until,
                subject: stored.subject.as_deref().and_then(SubjectHash::parse),
            },
            reason: sealed.unwrap_or(stored.reason),
            asked_by: stored.asked_by,
            state: stored.state,
            matched: Matched { count: stored.matched, is_exact: stored.is_exact },
            retried: stored.retried,
            skipped: stored.skipped,
            created_at: stored.created_at,
            ended_at: stored.ended_at,
            cursor: stored.cursor_id,
        })
    }
}

/// How many deliveries there are, counted in pages; each is bounded work, and so are all of them.
pub(super) fn count(db: Db<'_>, query: &DeliveryQuery) -> Result<Matched, StoreError> {
    let (mut count, mut after) = (0, None);
    for _ in 0..COUNT_PAGES_MAX {
        let page = delivery_list::list(db, query, &PageRequest { limit: COUNT_PAGE, after })?;
        count += i64::try_from(page.items.len()).unwrap_or(i64::MAX);
        after = page.next;
        if after.is_none() {
            return Ok(Matched { count, is_exact: true });
        }
    }
    Ok(Matched { count, is_exact: false })
}

/// Stores one. Its deliveries are those with an id below the next that is drawn.
pub(super) fn start(
    db: Db<'_>,
    context: &WriteContext,
    new: &NewBulkRetry,
    matched: Matched,
) -> Result<BulkRetry, StartBulkRetryError> {
    let now = context.clock.now();
    if let Some(account) = &new.query.account_id {
        account::lock(db, account)?;
    }
    if bulk_retry::count_running(db, new.query.account_id.as_ref())? >= new.running_max {
        return Err(StartBulkRetryError::TooMany { max: new.running_max });
    }
    let query = &new.query;
    let subject = query.subject.map(|subject| subject.to_string());
    let store_key = context.audit.store_key();
    let reason_sealed = store_key.seal(&*context.entropy, &Place::bulk_retry_reason(&new.id), new.reason.as_bytes());
    let row = BulkRetryRow {
        id: new.id.as_str(),
        account_id: query.account_id.as_ref().map(AccountId::as_str),
        endpoint_id: query.endpoint_id.as_ref().map(EndpointId::as_str),
        event_id: query.event_id.as_ref().map(EventId::as_str),
        event_type: query.event_type.as_ref().map(EventType::as_str),
        wanted_state: new.state.as_str(),
        outcome: query.outcome.map(OutcomeKind::as_str),
        status: query.status,
        attempts_min: query.attempts_min,
        since: query.since,
        until: query.until,
        subject: subject.as_deref(),
        reason: "",
        reason_sealed: Some(&reason_sealed),
        asked_by: &new.asked_by,
        state: ReplayState::Running.as_str(),
        matched: matched.count,
        is_exact: matched.is_exact,
        cursor_id: context.delivery_ids.draw(now),
        retried: 0,
        skipped: 0,
        created_at: now,
        ended_at: None,
    };
    Insert::put(db, row, "")?;
    let inconsistent = || StoreError::Inconsistent { table: "bulk_retries", column: "id", id: new.id.to_string() };
    Ok(find(db, store_key, &new.id)?.ok_or_else(inconsistent)?)
}

pub(super) fn find(db: Db<'_>, store_key: &DataKey, id: &BulkRetryId) -> Result<Option<BulkRetry>, StoreError> {
    bulk_retry::find(db, id)?.map(|stored| BulkRetry::read(stored, store_key)).transpose()
}

/// A page, the latest first: of one account, or of all there are.
pub(super) fn list(
    db: Db<'_>,
    store_key: &DataKey,
    account: Option<&AccountId>,
    page: &PageRequest,
) -> Result<Page<BulkRetry>, StoreError> {
    let items = bulk_retry::list(db, account, page.after.as_deref(), page.fetch())?;
    let items = items.into_iter().map(|stored| BulkRetry::read(stored, store_key)).collect::<Result<_, _>>()?;
    Ok(page.cut(items, |found: &BulkRetry| found.id.to_string()))
}

/// Stops one; what it has made due stays so. One that has ended stays as it ended.
pub(super) fn cancel(db: Db<'_>, store_key: &DataKey, id: &BulkRetryId, now: Timestamp) -> Result<Option<BulkRetry>, StoreError> {
    bulk_retry::cancel(db, id, now)?;
    find(db, store_key, id)
}

/// One step of the running one that comes after `after` in the order of ids; `None` when there is none.
pub(super) fn advance(
    db: Db<'_>,
    context: &WriteContext,
    after: Option<&BulkRetryId>,
) -> Result<Option<BulkRetryStep>, StoreError> {
    let Some(found) = bulk_retry::next_running(db, after)? else { return Ok(None) };
    let found = BulkRetry::read(found, context.audit.store_key())?;
    let now = context.clock.now();
    let page = PageRequest { limit: STEP_MAX, after: Some(found.cursor.to_string()) };
    let looked = delivery_list::list(db, &found.query, &page)?;
    let (taken, to) = take(context, &found, &looked, now);
    let mut step = BulkRetryStep { id: found.id.clone(), advanced: to != Some(found.cursor), due: BTreeMap::new() };
    if !step.advanced {
        return Ok(Some(step));
    }
    let ended_at = to.is_none().then_some(now);
    if !bulk_retry::move_on(db, &found.id, (found.cursor, to.unwrap_or_default()), ended_at)? {
        return Ok(Some(step)); // another node has moved it on, or somebody has ended it
    }
    let mut rooms = lock_accounts(db, context, &taken)?;
    let (mut retried, mut skipped) = (0, 0);
    for delivery in taken {
        let Some(room) = rooms.get_mut(&delivery.account_id).filter(|room| **room > 0) else {
            skipped += 1;
            continue;
        };
        match deliveries::retry_locked(db, delivery.id, now)? {
            RetryResult::Due(lane) => {
                *room -= 1;
                retried += 1;
                context.replay_pace.add(&lane.account_id, 1, now);
                *step.due.entry(lane).or_default() += 1;
            }
            RetryResult::InFlight | RetryResult::EndpointGone | RetryResult::DataRemoved | RetryResult::NotFound => {
                skipped += 1;
            }
        }
    }
    bulk_retry::count(db, &found.id, retried, skipped)?;
    Ok(Some(step))
}

/// Those of a page that are retried now, as far as the pace of their accounts goes, and where the cursor is then; `None`: at the end.
fn take<'p>(
    context: &WriteContext,
    found: &BulkRetry,
    looked: &'p Page<Delivery>,
    now: Timestamp,
) -> (Vec<&'p Delivery>, Option<DeliveryId>) {
    let mut taken: Vec<&Delivery> = Vec::new();
    let (mut left, mut cursor) = (BTreeMap::new(), found.cursor);
    for delivery in &looked.items {
        if delivery.ended_at.is_none_or(|ended_at| ended_at <= found.created_at) {
            let account = &delivery.account_id;
            let left = left.entry(account).or_insert_with(|| context.replay_pace.room(account, now));
            if *left == 0 {
                return (taken, Some(cursor));
            }
            *left -= 1;
            taken.push(delivery);
        }
        cursor = delivery.id;
    }
    let next = looked.next.as_deref().and_then(|next| DeliveryId::try_new(next).ok());
    (taken, next)
}

/// Locks the accounts of a step, in the order of their ids as everybody who locks several, and says how many more deliveries may live
/// of each.
fn lock_accounts(db: Db<'_>, context: &WriteContext, taken: &[&Delivery]) -> Result<BTreeMap<AccountId, i64>, StoreError> {
    let accounts: BTreeSet<&AccountId> = taken.iter().map(|delivery| &delivery.account_id).collect();
    let mut rooms = BTreeMap::new();
    for account in accounts {
        account::lock(db, account)?;
        let owner = OWNER.find(db, params![account.as_str()])?.filter(|owner| owner.deleting_since.is_none());
        let room = owner.map_or(0, |owner| context.account_backlog_max.saturating_sub(owner.pending));
        rooms.insert(account.clone(), room);
    }
    Ok(rooms)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![OWNER.sql(), Insert::one::<BulkRetryRow<'_>>("")]
}
