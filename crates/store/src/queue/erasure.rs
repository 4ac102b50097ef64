//! Erasing what is about somebody, step by step.
//!
//! An erasure is a row with a cursor in its account's log. Each step is one transaction: of the next events about its subject it cancels
//! the live deliveries, and removes the payload and what was answered; then documents go. So one that is interrupted goes on where it
//! was. Rows of history stay, without contents: what was sent, when and to whom is still known, and an event with its id is still there,
//! so that it is not published a second time.
//!
//! What is removed is deleted and overwritten, and not sealed under a key of its own that is thrown away: a key for each event would lie
//! in the same file, and would have to be deleted and overwritten there likewise. Once an erasure is done, the log of an SQLite file is
//! emptied (see `scrub`); PostgreSQL's tables are vacuumed.

use bellwire_domain::{
    AccountId, AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia, DataRemoval, DeliveryState, ErasureId,
};

use super::cancel::end_without_attempt;
use super::context::WriteContext;
use super::notice::Notice;
use super::order;
use super::scrub;
use crate::StoreError;
use crate::audit::append;
use crate::rows::account;
use crate::rows::erasure::{self, Erased, RunningErasure};
use crate::rows::event::remove_payload;
use crate::rows::lane::LaneNames;
use crate::sql::{Db, Select, columns, params};

/// Events, or documents, that one step looks at: what is published meanwhile waits for a commit of no more than these.
const STEP: i64 = 50;

const EVENTS: &str = "SELECT event FROM subjects WHERE subject = $1 AND event > $2 AND event <= $3 ORDER BY event LIMIT $4";
const ANSWERS: &str = "UPDATE deliveries SET response_sealed = NULL WHERE event = $1 AND response_sealed IS NOT NULL";
const EARLIER_ANSWERS: &str = "UPDATE earlier_attempts SET response_sealed = NULL WHERE response_sealed IS NOT NULL \
     AND delivery_id IN (SELECT id FROM deliveries WHERE event = $1)";
const CANCEL: &str = "DELETE FROM queue WHERE event = $1 AND about IS NOT NULL";
/// Live deliveries of an event, for which others may wait.
static IN_ORDER: Select<(OrderColumns, LaneNames)> = Select::new(
    "FROM queue q JOIN lanes l ON l.ref = q.lane WHERE q.event = $1 AND q.about IS NOT NULL AND q.order_key IS NOT NULL",
);
const DOCUMENTS: &str = "DELETE FROM resources WHERE account_id = $1 AND (kind, id) IN \
     (SELECT kind, id FROM resource_subjects WHERE account_id = $1 AND subject = $2 ORDER BY kind, id LIMIT $3)";
/// Whom a document was about that is gone.
const DOCUMENT_SUBJECTS: &str = "DELETE FROM resource_subjects WHERE account_id = $1 AND subject = $2 AND NOT EXISTS \
     (SELECT 1 FROM resources r WHERE r.account_id = resource_subjects.account_id AND r.kind = resource_subjects.kind \
     AND r.id = resource_subjects.id)";

columns! {
    /// The order that a live delivery is in.
    struct OrderColumns of "queue" {
        lane: i64 = "q.lane",
        key: i64 = "q.order_key",
    }
}

/// Moves an event's live deliveries into the history.
fn end_live() -> String {
    end_without_attempt("FROM queue WHERE event = $4 AND about IS NOT NULL")
}

/// What a step of an erasure came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureStep {
    /// Which.
    pub id: ErasureId,
    /// Of which account.
    pub account_id: AccountId,
    /// What it came to.
    pub state: StepState,
}

/// What a step of an erasure came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Some was removed, and there may be more.
    Removed,
    /// What was removed is still to be overwritten.
    Waiting,
    /// Nothing is left.
    Done,
    /// Another node has moved it on, or its account is being deleted.
    Elsewhere,
}

/// One step of the running erasure that comes after `after` in the order of ids; `None` when there is none.
/// It is done when what it removed has been overwritten as well, where `overwrites` says that somebody does that.
pub(crate) fn advance(
    db: Db<'_>,
    context: &WriteContext,
    after: Option<&ErasureId>,
    overwrites: bool,
) -> Result<Option<ErasureStep>, StoreError> {
    let Some(found) = erasure::next_running(db, after)? else { return Ok(None) };
    account::lock(db, &found.account_id)?;
    // Another node may have moved it on meanwhile, or the account is being deleted.
    let (running, owner) = (erasure::find_running(db, &found.id)?, account::find(db, &found.account_id)?);
    let (Some(running), Some(owner)) = (running, owner) else {
        return Ok(Some(ErasureStep { id: found.id, account_id: found.account_id, state: StepState::Elsewhere }));
    };
    let now = context.clock.now();
    let (erased, cursor) = erase_events(db, context, &running, owner.reference)?;
    let documents = if cursor.is_some() { 0 } else { erase_documents(db, &running)? };
    let erased = Erased { documents, ..erased };
    let state = if cursor.is_some() || erased != Erased::default() {
        StepState::Removed
    } else if overwrites && scrub::is_wanted(db)? {
        StepState::Waiting
    } else {
        StepState::Done
    };
    match state {
        StepState::Removed => {
            scrub::want(db)?;
            account::add_pending(db, &running.account_id, -erased.deliveries)?;
            erasure::move_on(db, &running.id, cursor.unwrap_or(i64::MAX), erased, None)?;
            Notice::Erasing(running.account_id.clone()).tell(db)?;
        }
        StepState::Waiting | StepState::Elsewhere => {}
        StepState::Done => {
            erasure::move_on(db, &running.id, i64::MAX, erased, Some(now))?;
            append::append(db, &context.audit, &*context.entropy, now, &[done(&running)])?;
        }
    }
    Ok(Some(ErasureStep { id: running.id, account_id: running.account_id, state }))
}

fn done(erasure: &RunningErasure) -> AuditEntry {
    let origin = AuditOrigin { via: AuditVia::Node, address: None };
    let entry = AuditEntry::new(AuditActor::Node, origin, AuditAction::ErasureDone).in_account(&erasure.account_id);
    entry.to(erasure.id.as_str()).with("asked_by", AuditDetail::Personal(erasure.asked_by.clone()))
}

/// Removes what the next events hold: how much, and the place of the last; `None`: there are no more.
fn erase_events(
    db: Db<'_>,
    context: &WriteContext,
    erasure: &RunningErasure,
    account: i64,
) -> Result<(Erased, Option<i64>), StoreError> {
    let now = context.clock.now();
    let rows =
        db.query("subjects", EVENTS, params![erasure.subject.as_slice(), erasure.cursor_event, erasure.last_event, STEP])?;
    let (end_live, cancelled) = (end_live(), DeliveryState::Cancelled.as_str());
    let of_event = |statement, place: i64| db.execute(statement, params![place]).map(count);
    let (mut erased, mut last) = (Erased::default(), None);
    for row in &rows {
        let place: i64 = row.value("event")?;
        let in_order = IN_ORDER.list(db, params![place])?;
        db.execute(&end_live, params![account, cancelled, now, place])?;
        erased.deliveries += of_event(CANCEL, place)?;
        for (OrderColumns { lane, key }, names) in in_order {
            order::release(db, (lane, key))?;
            context.handoff.mark_backlog([names.into()]); // looked at after this transaction
        }
        erased.answers += of_event(ANSWERS, place)? + of_event(EARLIER_ANSWERS, place)?;
        erased.payloads += i64::from(remove_payload(db, place, DataRemoval::Erased)?);
        last = Some(place);
    }
    Ok((erased, last.filter(|_| count(rows.len()) == STEP)))
}

fn erase_documents(db: Db<'_>, erasure: &RunningErasure) -> Result<i64, StoreError> {
    let (account_id, subject) = (erasure.account_id.as_str(), erasure.subject.as_slice());
    let removed = db.execute(DOCUMENTS, params![account_id, subject, STEP])?;
    db.execute(DOCUMENT_SUBJECTS, params![account_id, subject])?;
    Ok(count(removed))
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let fixed = [EVENTS, ANSWERS, EARLIER_ANSWERS, CANCEL, DOCUMENTS, DOCUMENT_SUBJECTS].map(str::to_owned);
    fixed.into_iter().chain([end_live(), IN_ORDER.sql()]).collect()
}
