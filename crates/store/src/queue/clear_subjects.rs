//! Subjects of a store before schema 15, which stand there in the clear: they are hashed when it is opened.

use std::sync::Arc;

use bellwire_domain::AccountId;

use super::scrub;
use crate::StoreError;
use crate::rows::account;
use crate::rows::event::event_place;
use crate::seal::{DataKey, Keyring};
use crate::sql::{Db, Row, columns, params, select};

columns! {
    /// A subject that is still in the clear.
    struct ClearSubject of "event_subjects" {
        account_id: AccountId = "account_id",
        subject: String = "subject",
        event_seq: i64 = "event_seq",
    }
}

/// An account's number and its key, if there is such an account.
type Owner = Option<(i64, Arc<DataKey>)>;

/// Rows that are moved in one transaction.
const STEP: i64 = 1_000;
const CLEAR: &str = "FROM event_subjects ORDER BY account_id, subject, event_seq LIMIT $1";
const ANY: &str = "SELECT event_seq FROM event_subjects LIMIT 1";
const PUT: &str = "INSERT INTO subjects (subject, event) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const REMOVE: &str = "DELETE FROM event_subjects WHERE account_id = $1 AND subject = $2 AND event_seq = $3";
const MARK_QUEUED: &str = "UPDATE queue SET about = 1 WHERE about IS NULL AND event IN (SELECT event FROM subjects)";

/// Hashes what stands in the clear, in steps: a store of an earlier schema may have many. Another node may do so at the same time.
pub(crate) fn adopt(db: Db<'_>, keyring: &Keyring) -> Result<(), StoreError> {
    let mut moved = 0;
    loop {
        let count = db.transaction(|db| adopt_some(db, keyring))?;
        if count == 0 {
            break;
        }
        moved += count;
    }
    if moved > 0 {
        tracing::info!(subjects = moved, "hashed the subjects of events");
    }
    Ok(())
}

fn adopt_some(db: Db<'_>, keyring: &Keyring) -> Result<usize, StoreError> {
    let rows = db.query("event_subjects", &select::<ClearSubject>(CLEAR), params![STEP])?;
    let clear = rows.iter().map(Row::read).collect::<Result<Vec<ClearSubject>, _>>()?;
    let mut known: Option<(AccountId, Owner)> = None;
    for ClearSubject { account_id, subject, event_seq } in &clear {
        if known.as_ref().is_none_or(|(id, _)| id != account_id) {
            let found = account::find(db, account_id)?;
            let open = |found: account::Account| {
                Ok::<_, StoreError>((found.reference, keyring.open_key(&found.id, &found.data_key_sealed)?))
            };
            known = Some((account_id.clone(), found.map(open).transpose()?));
        }
        if let Some((_, Some((number, key)))) = &known {
            let hash = key.hash_subject(subject);
            db.execute(PUT, params![hash.as_bytes(), event_place(*number, *event_seq)])?;
        }
        db.execute(REMOVE, params![account_id.as_str(), subject.as_str(), *event_seq])?;
    }
    if !clear.is_empty() && db.find("event_subjects", ANY, params![])?.is_none() {
        db.execute(MARK_QUEUED, params![])?;
        scrub::want(db)?;
    }
    Ok(clear.len())
}

#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    vec![select::<ClearSubject>(CLEAR), ANY.to_owned(), PUT.to_owned(), REMOVE.to_owned()]
}
