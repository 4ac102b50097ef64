//! `holds`: subjects that nothing is removed of while they stand.

use bellwire_domain::{AccountId, Timestamp};

use crate::StoreError;
use crate::seal::SubjectHash;
#[cfg(test)]
use crate::sql::select;
use crate::sql::{Db, Insert, columns, params, table};

table! {
    /// A new hold.
    pub(crate) struct HoldRow<'a> in "holds" key { account_id: &'a str, subject: &'a [u8] } {
        subject_sealed: &'a [u8],
        reason_sealed: &'a [u8],
        placed_by: &'a str,
        created_at: Timestamp,
    }
}

columns! {
    /// A stored hold, its texts still sealed.
    pub(crate) struct StoredHold<'r> of "holds" {
        pub(crate) subject: &'r [u8] = "h.subject",
        pub(crate) subject_sealed: &'r [u8] = "h.subject_sealed",
        pub(crate) reason_sealed: &'r [u8] = "h.reason_sealed",
        pub(crate) placed_by: String = "h.placed_by",
        pub(crate) created_at: Timestamp = "h.created_at",
    }
}

pub(crate) const PAGE: &str = "FROM holds h WHERE h.account_id = $1 AND h.subject > $2 ORDER BY h.subject LIMIT $3";
pub(crate) const BY_SUBJECT: &str = "FROM holds h WHERE h.account_id = $1 AND h.subject = $2";
const IS_HELD: &str = "SELECT created_at FROM holds WHERE account_id = $1 AND subject = $2";
const DELETE: &str = "DELETE FROM holds WHERE account_id = $1 AND subject = $2";
const DROP_OF_ACCOUNT: &str = "DELETE FROM holds WHERE account_id = $1";
/// The reason may be put anew.
const PUT_REST: &str = "ON CONFLICT (account_id, subject) DO UPDATE SET reason_sealed = excluded.reason_sealed, \
     placed_by = excluded.placed_by";

/// Of each hold, the first event about its subject.
const FIRST_EVENTS: &str = "SELECT (SELECT s.event FROM subjects s WHERE s.subject = h.subject AND s.event >= 0 ORDER BY s.event LIMIT 1) AS event \
     FROM holds h WHERE h.account_id = $1";
/// Of all holds, the first delivery of an event about its subject.
const FIRST_DELIVERY: &str = "SELECT MIN(d.id) AS id FROM holds h JOIN subjects s ON s.subject = h.subject \
     JOIN deliveries d ON d.event = s.event WHERE h.created_at >= 0";

const KEEPS: &str =
    "SELECT s.event FROM subjects s JOIN holds h ON h.subject = s.subject WHERE s.event = $1 AND h.account_id = $2 LIMIT 1";
const FIRST_ABOUT: &str = "SELECT event FROM subjects WHERE subject = $1 AND event >= 0 ORDER BY event LIMIT 1";

/// The first event of an account that a hold keeps, by its place.
pub(crate) fn first_event(db: Db<'_>, account: &AccountId) -> Result<Option<i64>, StoreError> {
    let rows = db.query("holds", FIRST_EVENTS, params![account.as_str()])?;
    let firsts = rows.iter().map(|row| row.value("event")).collect::<Result<Vec<Option<i64>>, _>>()?;
    Ok(firsts.into_iter().flatten().min())
}

/// Whether a hold keeps the event at this place.
pub(crate) fn keeps(db: Db<'_>, account: &AccountId, place: i64) -> Result<bool, StoreError> {
    Ok(db.find("holds", KEEPS, params![place, account.as_str()])?.is_some())
}

/// The first event about a subject.
pub(crate) fn first_about(db: Db<'_>, subject: SubjectHash) -> Result<Option<i64>, StoreError> {
    db.find("subjects", FIRST_ABOUT, params![subject.as_bytes()])?.map(|row| row.value("event")).transpose()
}

/// The first delivery that a hold keeps, of any account.
pub(crate) fn first_delivery(db: Db<'_>) -> Result<Option<i64>, StoreError> {
    db.get("holds", FIRST_DELIVERY, params![])?.value("id")
}

/// Stores a hold, or gives it another reason.
pub(crate) fn put(db: Db<'_>, row: HoldRow<'_>) -> Result<(), StoreError> {
    Insert::put(db, row, PUT_REST).map(drop)
}

/// Whether a subject is under a hold.
pub(crate) fn exists(db: Db<'_>, account: &AccountId, subject: SubjectHash) -> Result<bool, StoreError> {
    Ok(db.find("holds", IS_HELD, params![account.as_str(), subject.as_bytes()])?.is_some())
}

/// Lifts a hold; `false`: there was none.
pub(crate) fn delete(db: Db<'_>, account: &AccountId, subject: SubjectHash) -> Result<bool, StoreError> {
    Ok(db.execute(DELETE, params![account.as_str(), subject.as_bytes()])? > 0)
}

/// Removes those of an account that is being deleted.
pub(crate) fn drop_of_account(db: Db<'_>, account: &AccountId) -> Result<(), StoreError> {
    db.execute(DROP_OF_ACCOUNT, params![account.as_str()]).map(drop)
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let selects = [PAGE, BY_SUBJECT].map(select::<StoredHold<'_>>);
    let fixed = [IS_HELD, DELETE, DROP_OF_ACCOUNT, FIRST_EVENTS, FIRST_DELIVERY, KEEPS, FIRST_ABOUT].map(str::to_owned);
    selects.into_iter().chain(fixed).chain([Insert::one::<HoldRow<'_>>(PUT_REST)]).collect()
}
