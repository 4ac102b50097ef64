//! Asking for erasures, and how far they have come. `queue::erasure` does their work.

use bellwire_domain::{AccountId, Entropy, ErasureId, ErasureState, Timestamp};

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::notice::Notice;
use crate::rows::erasure::{self, BY_ID, Erased, ErasureRow, PAGE, StoredErasure};
use crate::rows::event::event_place;
use crate::rows::{account, hold};
use crate::seal::{DataKey, Keyring, Place, SubjectHash};
use crate::sql::{Db, Insert, Row, params, select};

/// An erasure of what is about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// In which account.
    pub account_id: AccountId,
    /// Whom it is about, as the database knows them.
    pub subject: SubjectHash,
    /// Why.
    pub reason: String,
    /// Who asked: the id of a key, or a name.
    pub asked_by: String,
    /// Where it stands.
    pub state: ErasureState,
    /// What it has removed.
    pub erased: Erased,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When nothing was left.
    pub ended_at: Option<Timestamp>,
}

crate::audit::effect::always!(Erasure);

/// An erasure to be started.
#[derive(Debug, Clone)]
pub struct NewErasure {
    /// Its id.
    pub id: ErasureId,
    /// In which account.
    pub account_id: AccountId,
    /// About whom.
    pub subject: ErasedSubject,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked_by: String,
    /// So many of the account may run at once.
    pub running_max: u32,
}

/// About whom an erasure is.
#[derive(Debug, Clone)]
pub enum ErasedSubject {
    /// By name.
    Named(String),
    /// As the database knows them, from a list of erasures.
    Hashed(SubjectHash),
}

/// Why an erasure was not started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StartErasureError {
    /// There is no such account.
    #[error("there is no such account")]
    AccountNotFound,
    /// The subject is under a hold.
    #[error("the subject is under a hold")]
    Held,
    /// So many run already.
    #[error("{max} erasures run already")]
    TooMany {
        /// The limit.
        max: u32,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores one. What is published about the subject from now on is not its own.
pub(super) fn start(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    new: &NewErasure,
    now: Timestamp,
) -> Result<Erasure, StartErasureError> {
    account::lock(db, &new.account_id)?;
    let account = account::find(db, &new.account_id)?.filter(|account| account.deleting_since.is_none());
    let account = account.ok_or(StartErasureError::AccountNotFound)?;
    let key = keyring.open_key(&account.id, &account.data_key_sealed)?;
    let subject = match &new.subject {
        ErasedSubject::Named(name) => key.hash_subject(name),
        ErasedSubject::Hashed(hash) => *hash,
    };
    if hold::exists(db, &account.id, subject)? {
        return Err(StartErasureError::Held);
    }
    if erasure::count_running(db, &account.id)? >= new.running_max {
        return Err(StartErasureError::TooMany { max: new.running_max });
    }
    let place = Place::erasure_reason(&new.id);
    let row = ErasureRow {
        id: new.id.as_str(),
        account_id: account.id.as_str(),
        subject: subject.as_bytes(),
        reason_sealed: &key.seal(entropy, &place, new.reason.as_bytes()),
        asked_by: &new.asked_by,
        state: ErasureState::Running.as_str(),
        cursor_event: 0,
        last_event: event_place(account.reference, account.last_seq),
        payloads: 0,
        answers: 0,
        documents: 0,
        deliveries: 0,
        created_at: now,
        ended_at: None,
    };
    Insert::put(db, row, "")?;
    Notice::Erasing(account.id.clone()).tell(db)?;
    let missing = || StoreError::Inconsistent { table: "erasures", column: "id", id: new.id.to_string() };
    Ok(find_by(db, &key, &account.id, &new.id)?.ok_or_else(missing)?)
}

/// One of an account's.
pub(super) fn find(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, id: &ErasureId) -> Result<Option<Erasure>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(None) };
    find_by(db, &key, account_id, id)
}

fn find_by(db: Db<'_>, key: &DataKey, account_id: &AccountId, id: &ErasureId) -> Result<Option<Erasure>, StoreError> {
    let sql = select::<(StoredErasure<'_>, Erased)>(BY_ID);
    db.find("erasures", &sql, params![account_id.as_str(), id.as_str()])?.map(|row| read(&row, key)).transpose()
}

/// A page of an account's, the latest first.
pub(super) fn list(
    db: Db<'_>,
    keyring: &Keyring,
    account_id: &AccountId,
    page: &PageRequest,
) -> Result<Page<Erasure>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(Page::default()) };
    let before = page.after.as_deref().unwrap_or("f"); // after every id
    let rows =
        db.query("erasures", &select::<(StoredErasure<'_>, Erased)>(PAGE), params![account_id.as_str(), before, page.fetch()])?;
    let found = rows.iter().map(|row| read(row, &key)).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(found, |erasure| erasure.id.to_string()))
}

fn read(row: &Row, key: &DataKey) -> Result<Erasure, StoreError> {
    let (stored, erased): (StoredErasure<'_>, Erased) = row.read()?;
    let reason = key.open_text(&Place::erasure_reason(&stored.id), stored.reason_sealed)?;
    let broken = || StoreError::Inconsistent { table: "erasures", column: "subject", id: stored.id.to_string() };
    let subject = SubjectHash::read(stored.subject).ok_or_else(broken)?;
    Ok(Erasure {
        id: stored.id,
        account_id: stored.account_id,
        subject,
        reason,
        asked_by: stored.asked_by,
        state: stored.state,
        erased,
        created_at: stored.created_at,
        ended_at: stored.ended_at,
    })
}
