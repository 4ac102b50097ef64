//! Holds: while one stands, nothing about its subject is removed.

use bellwire_domain::{AccountId, Entropy, Timestamp};

use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::queue::expiry;
use crate::rows::account;
use crate::rows::hold::{self, BY_SUBJECT, HoldRow, PAGE, StoredHold};
use crate::seal::{DataKey, Keyring, Place, SubjectHash};
use crate::sql::{Db, Row, params, select};

/// A subject under a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The subject.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// Who placed it: the id of a key, or a name.
    pub placed_by: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// The subject's hash, by which lists are continued.
    hash: SubjectHash,
}

crate::audit::effect::always!(Hold);

/// A hold to be placed.
#[derive(Debug, Clone)]
pub struct NewHold {
    /// The account.
    pub account_id: AccountId,
    /// The subject.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// Who places it.
    pub placed_by: String,
}

/// Places a hold, or gives the one that stands another reason. `None`: there is no such account.
pub(super) fn put(
    db: Db<'_>,
    keyring: &Keyring,
    entropy: &dyn Entropy,
    new: &NewHold,
    now: Timestamp,
) -> Result<Option<Hold>, StoreError> {
    account::lock(db, &new.account_id)?;
    let Some(key) = account::find_key(db, keyring, &new.account_id)? else { return Ok(None) };
    let subject = key.hash_subject(&new.subject);
    let name = subject.to_string();
    let seal = |what, text: &str| key.seal(entropy, &Place::hold(&new.account_id, &name, what), text.as_bytes());
    let row = HoldRow {
        account_id: new.account_id.as_str(),
        subject: subject.as_bytes(),
        subject_sealed: &seal("subject", &new.subject),
        reason_sealed: &seal("reason", &new.reason),
        placed_by: &new.placed_by,
        created_at: now,
    };
    hold::put(db, row)?;
    find_by(db, &key, &new.account_id, &new.subject)
}

/// The hold that a subject is under.
pub(super) fn find(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, subject: &str) -> Result<Option<Hold>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(None) };
    find_by(db, &key, account_id, subject)
}

fn find_by(db: Db<'_>, key: &DataKey, account_id: &AccountId, subject: &str) -> Result<Option<Hold>, StoreError> {
    let subject = key.hash_subject(subject);
    let row = db.find("holds", &select::<StoredHold<'_>>(BY_SUBJECT), params![account_id.as_str(), subject.as_bytes()])?;
    row.map(|row| read(&row, key, account_id)).transpose()
}

/// A page, in no order that means anything.
pub(super) fn list(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, page: &PageRequest) -> Result<Page<Hold>, StoreError> {
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(Page::default()) };
    let after = page.after.as_deref().and_then(SubjectHash::parse);
    let after = after.as_ref().map_or(&[] as &[u8], SubjectHash::as_bytes);
    let sql = select::<StoredHold<'_>>(PAGE);
    let rows = db.query("holds", &sql, params![account_id.as_str(), after, page.fetch()])?;
    let holds = rows.iter().map(|row| read(row, &key, account_id)).collect::<Result<Vec<_>, _>>()?;
    Ok(page.cut(holds, |hold| hold.hash.to_string()))
}

/// Lifts a hold. `false`: there was none.
pub(super) fn delete(db: Db<'_>, keyring: &Keyring, account_id: &AccountId, subject: &str) -> Result<bool, StoreError> {
    account::lock(db, account_id)?;
    let Some(key) = account::find_key(db, keyring, account_id)? else { return Ok(false) };
    let subject = key.hash_subject(subject);
    let is_lifted = hold::delete(db, account_id, subject)?;
    if is_lifted {
        expiry::look_again(db, account_id, hold::first_about(db, subject)?)?;
    }
    Ok(is_lifted)
}

fn read(row: &Row, key: &DataKey, account_id: &AccountId) -> Result<Hold, StoreError> {
    let stored: StoredHold<'_> = row.read()?;
    let broken = || StoreError::Inconsistent { table: "holds", column: "subject", id: account_id.to_string() };
    let hash = SubjectHash::read(stored.subject).ok_or_else(broken)?;
    let name = hash.to_string();
    let open = |what, sealed: &[u8]| key.open_text(&Place::hold(account_id, &name, what), sealed);
    let (subject, reason) = (open("subject", stored.subject_sealed)?, open("reason", stored.reason_sealed)?);
    Ok(Hold { subject, reason, placed_by: stored.placed_by, created_at: stored.created_at, hash })
}
