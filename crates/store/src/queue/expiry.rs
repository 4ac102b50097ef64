//! Removing contents by their age, while the rows that they belong to stay: payloads of events, answers of receivers, and disclosures.
//!
//! Payloads go account by account in the order of its log, up to the first event that is young enough or still to be delivered; how far
//! stands in `accounts.expired_seq`. Answers go in the order of deliveries' ids, for each period that some account keeps them by itself; how
//! far stands in `meta`. What is about a subject under a hold is passed over, and looked at again once the hold is lifted. Everything goes
//! in small transactions, and others write in between.

use bellwire_domain::{AccountId, DataRemoval, DeliveryId, Timestamp};

use crate::StoreError;
use crate::rows::account::RetainedAccount;
use crate::rows::event::{SEQ_MAX, event_place, place_seq, remove_payload};
use crate::rows::{account, hold, meta};
use crate::sql::{Db, Select, columns, params};

/// Rows that are looked at in one transaction.
const STEP: i64 = 500;
/// Deliveries whose answers have been looked at: those with this id and earlier ones. The days follow where accounts have a period of
/// their own.
const ANSWERS_AT: &str = "expired.answers";

/// What has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Payloads of events.
    pub payloads: usize,
    /// Answers of receivers.
    pub answers: usize,
    /// Disclosures.
    pub disclosures: usize,
}

columns! {
    /// How far an account's payloads have gone, and for how many days it keeps answers.
    struct Progress of "accounts" {
        account: i64 = "ref",
        expired_seq: i64 = "expired_seq",
        retain_answers: Option<i64> = "retain_answers",
    }
}

columns! {
    /// An event of the log.
    struct Logged of "events" {
        place: i64 = "place",
        created_at: Timestamp = "created_at",
        payload_length: i64 = "payload_length",
    }
}

static PROGRESS: Select<Progress> = Select::new("FROM accounts WHERE id = $1");
static NEXT: Select<Logged> = Select::new("FROM events WHERE place > $1 AND place <= $2 ORDER BY place LIMIT $3");
/// The first event that is still to be delivered. In a lane the first live delivery is of the first event, but for those that are sent
/// again.
pub(super) const LIVE: &str = "SELECT MIN(event) FROM (SELECT MIN(event) AS event FROM queue WHERE origin IS NOT NULL AND event >= $1 AND event <= $2 \
     UNION ALL SELECT (SELECT MIN(q.event) FROM queue q WHERE q.lane = l.ref AND q.lane > 0) FROM lanes l WHERE l.account_id = $3) x";
const MOVE_ON: &str = "UPDATE accounts SET expired_seq = $1 WHERE ref = $2";
const STEP_END: &str = "SELECT id FROM deliveries WHERE id > $1 AND id < $2 ORDER BY id LIMIT 1 OFFSET $3";
const ANSWERS: &str = "UPDATE deliveries SET response_sealed = NULL WHERE id > $1 AND id < $2 AND response_sealed IS NOT NULL \
     AND (SELECT a.retain_answers FROM accounts a WHERE a.ref = deliveries.event >> 40) IS NOT DISTINCT FROM $3 \
     AND NOT EXISTS (SELECT 1 FROM subjects s JOIN holds h ON h.subject = s.subject WHERE s.event = deliveries.event)";
const EARLIER_ANSWERS: &str = "UPDATE earlier_attempts SET response_sealed = NULL WHERE delivery_id > $1 AND delivery_id < $2 \
     AND response_sealed IS NOT NULL AND (SELECT a.retain_answers FROM accounts a WHERE a.ref = COALESCE(\
     (SELECT d.event FROM deliveries d WHERE d.id = earlier_attempts.delivery_id), \
     (SELECT q.event FROM queue q WHERE q.id = earlier_attempts.delivery_id)) >> 40) IS NOT DISTINCT FROM $3 \
     AND NOT EXISTS (SELECT 1 FROM deliveries d JOIN subjects s ON s.event = d.event \
     JOIN holds h ON h.subject = s.subject WHERE d.id = earlier_attempts.delivery_id)";
const OWN_ANSWERS: &str = "SELECT DISTINCT retain_answers FROM accounts WHERE retain_answers IS NOT NULL";
const DISCLOSED_END: &str =
    "SELECT at FROM disclosures WHERE account = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT 1 OFFSET $4";
const DISCLOSURES: &str = "DELETE FROM disclosures WHERE account = $1 AND at >= $2 AND at < $3 \
     AND subject NOT IN (SELECT h.subject FROM holds h WHERE h.account_id = $4)";

/// Removes payloads of the next old events of an account's log: how many went, and whether there may be more.
pub(crate) fn expire_payloads(db: Db<'_>, account_id: &AccountId, before: Timestamp) -> Result<(usize, bool), StoreError> {
    account::lock(db, account_id)?;
    let Some(Progress { account, expired_seq, .. }) = PROGRESS.find(db, params![account_id.as_str()])? else {
        return Ok((0, false));
    };
    let (from, end) = (event_place(account, expired_seq), event_place(account, SEQ_MAX));
    let live: Option<i64> = db.get("events", LIVE, params![from, end, account_id.as_str()])?.value("event")?;
    let (mut removed, mut last) = (0, from);
    let next = NEXT.list(db, params![from, end, STEP])?;
    let is_old = |event: &&Logged| event.created_at < before && live.is_none_or(|live| event.place < live);
    let old: Vec<&Logged> = next.iter().take_while(is_old).collect();
    for event in &old {
        if event.payload_length >= 0 && !hold::keeps(db, account_id, event.place)? {
            removed += usize::from(remove_payload(db, event.place, DataRemoval::Expired)?);
        }
        last = event.place;
    }
    if last > from {
        db.execute(MOVE_ON, params![place_seq(last), account])?;
    }
    Ok((removed, i64::try_from(old.len()).is_ok_and(|count| count == STEP)))
}

/// Whether [`expire_payloads`] may find something to remove: whether the next event of the log is old.
pub(crate) fn has_old_payloads(db: Db<'_>, account: &RetainedAccount, before: Timestamp) -> Result<bool, StoreError> {
    let (from, end) = (event_place(account.reference, account.expired_seq), event_place(account.reference, SEQ_MAX));
    Ok(NEXT.find(db, params![from, end, 1_i64])?.is_some_and(|event| event.created_at < before))
}

/// Whether [`expire_disclosures`] finds something to remove.
pub(crate) fn has_old_disclosures(db: Db<'_>, account: &RetainedAccount, before: Timestamp) -> Result<bool, StoreError> {
    let start = Timestamp::from_micros(0);
    Ok(db.find("disclosures", DISCLOSED_END, params![account.reference, start, before, 0_i64])?.is_some())
}

/// The periods for which accounts keep answers that do not keep them as long as everybody's.
pub(crate) fn own_answers(db: Db<'_>) -> Result<Vec<i64>, StoreError> {
    db.query("accounts", OWN_ANSWERS, params![])?.iter().map(|row| row.value("retain_answers")).collect()
}

/// Where it stands how far answers have gone that are kept for so many days; `None`: as long as everybody's.
fn answers_at(days: Option<i64>) -> String {
    days.map_or_else(|| ANSWERS_AT.to_owned(), |days| format!("{ANSWERS_AT}.{days}"))
}

/// Removes answers to the next old deliveries, of accounts that keep them for so many days; `None`: as long as everybody's. How many
/// went, and whether there may be more.
pub(crate) fn expire_answers(db: Db<'_>, days: Option<i64>, before: Timestamp) -> Result<(usize, bool), StoreError> {
    let before = DeliveryId::after(DeliveryId::default(), before).number();
    let at = answers_at(days);
    let stored = meta::find(db, &at)?.unwrap_or_else(|| 0_i64.to_be_bytes().into());
    let from: i64 = stored.as_slice().try_into().map(i64::from_be_bytes).map_err(|_| meta::inconsistent(ANSWERS_AT))?;
    if from >= before {
        return Ok((0, false));
    }
    let found = db.find("deliveries", STEP_END, params![from, before, STEP])?;
    let end: Option<i64> = found.map(|row| row.value("id")).transpose()?;
    let to = end.unwrap_or(before);
    let step = params![from, to, days];
    let removed = db.execute(ANSWERS, step)? + db.execute(EARLIER_ANSWERS, step)?;
    meta::put(db, &at, &(to - 1).to_be_bytes())?;
    Ok((removed, end.is_some()))
}

/// Removes the next old disclosures of an account, from `from` on: how many went, and where the next step begins.
pub(crate) fn expire_disclosures(
    db: Db<'_>,
    account_id: &AccountId,
    (from, before): (Timestamp, Timestamp),
) -> Result<(usize, Option<Timestamp>), StoreError> {
    let Some(Progress { account, .. }) = PROGRESS.find(db, params![account_id.as_str()])? else { return Ok((0, None)) };
    let found = db.find("disclosures", DISCLOSED_END, params![account, from, before, STEP])?;
    // Rows of one instant go together.
    let next: Option<Timestamp> = found.map(|row| row.value::<i64>("at")).transpose()?.map(|at| Timestamp::from_micros(at + 1));
    let to = next.unwrap_or(before);
    let removed = db.execute(DISCLOSURES, params![account, from, to, account_id.as_str()])?;
    Ok((removed, next))
}

/// Looks again at what was passed over, once a hold is lifted.
pub(crate) fn look_again(db: Db<'_>, account_id: &AccountId, first_event: Option<i64>) -> Result<(), StoreError> {
    let Some(progress) = PROGRESS.find(db, params![account_id.as_str()])? else { return Ok(()) };
    let Progress { account, expired_seq, retain_answers } = progress;
    if let Some(first) = first_event.map(place_seq).filter(|first| *first <= expired_seq) {
        db.execute(MOVE_ON, params![first - 1, account])?;
    }
    look_at_answers_again(db, retain_answers)
}

/// Looks again at all answers that are kept for so many days; `None`: as long as everybody's.
pub(crate) fn look_at_answers_again(db: Db<'_>, days: Option<i64>) -> Result<(), StoreError> {
    meta::delete(db, &answers_at(days))
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [LIVE, MOVE_ON, STEP_END, ANSWERS, EARLIER_ANSWERS, OWN_ANSWERS, DISCLOSED_END, DISCLOSURES].map(str::to_owned);
    fixed.into_iter().chain([PROGRESS.sql(), NEXT.sql()]).collect()
}
