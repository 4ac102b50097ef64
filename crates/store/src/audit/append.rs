//! Adding records, in the transaction of what they record.
//!
//! Records are numbered without gaps, so whoever adds one holds the log until its transaction ends. It is the last lock that a
//! transaction takes, after those of accounts, and nothing that publishes or delivers takes it.

use bellwire_domain::{AuditEntry, Entropy, Timestamp};
use tlog_tiles::{Hash, split_stored_hash_index, stored_hash_index, stored_hashes_for_record_hash};

use super::keys::{AuditKeys, HEAD};
use super::record::{Draft, Fields};
use super::tree::{StoredHashes, cell};
use crate::StoreError;
use crate::rows::audit::{NodeRow, PersonalRow, RecordRow};
use crate::rows::meta;
use crate::seal::Place;
use crate::sql::{ColumnGroup, Db, Insert};

/// How many records there are, held until the transaction ends.
pub(super) fn locked_size(db: Db<'_>) -> Result<i64, StoreError> {
    read_size(meta::lock(db, HEAD)?)
}

/// How many records there are.
pub(crate) fn size(db: Db<'_>) -> Result<i64, StoreError> {
    read_size(meta::find(db, HEAD)?)
}

fn read_size(head: Option<Vec<u8>>) -> Result<i64, StoreError> {
    let head = head.unwrap_or_else(|| 0_i64.to_be_bytes().into());
    head.as_slice().try_into().map(i64::from_be_bytes).map_err(|_| meta::inconsistent(HEAD))
}

/// Adds records, in their order.
pub(crate) fn append(
    db: Db<'_>,
    keys: &AuditKeys,
    entropy: &dyn Entropy,
    now: Timestamp,
    entries: &[AuditEntry],
) -> Result<(), StoreError> {
    let first = locked_size(db)?;
    let mut size = first;
    for entry in entries {
        size += 1;
        append_one(db, keys, entropy, (size, now), entry)?;
    }
    if size > first { meta::put(db, HEAD, &size.to_be_bytes()) } else { Ok(()) }
}

fn append_one(
    db: Db<'_>,
    keys: &AuditKeys,
    entropy: &dyn Entropy,
    (seq, at): (i64, Timestamp),
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let draft = Draft::of(entry, entropy);
    let (actor, origin, detail) = (draft.actor.as_str(), draft.origin.as_str(), draft.detail.as_str());
    let (action, object) = (entry.action.as_str(), entry.object.as_deref());
    let account = entry.account.as_ref().map(bellwire_domain::AccountId::as_str);
    let leaf = Fields { seq, at, actor, action, account, object, origin, detail }.leaf()?;
    let row = RecordRow { seq, at, actor, action, account, object, origin, detail, leaf: &leaf.0 };
    Insert::put(db, row, "")?;
    add_nodes(db, seq, leaf)?;
    let sealed: Vec<(Vec<u8>, [u8; 32])> = draft
        .personal
        .iter()
        .map(|personal| {
            let place = Place::audit_personal(seq, &personal.field);
            (keys.store_key.seal(entropy, &place, personal.value.as_bytes()), keys.lookup(&personal.field, &personal.value))
        })
        .collect();
    let mut cells = Vec::new();
    for (personal, (value_sealed, lookup)) in draft.personal.iter().zip(&sealed) {
        PersonalRow { seq, field: &personal.field, salt: &personal.salt, value_sealed, lookup }.bind(&mut cells);
    }
    Insert::of::<PersonalRow<'_>>().run(db, &cells)
}

/// Adds the nodes that a new leaf completes.
fn add_nodes(db: Db<'_>, seq: i64, leaf: Hash) -> Result<(), StoreError> {
    let number = u64::try_from(seq - 1).unwrap_or(0);
    let hashes = StoredHashes::new(db);
    let made = hashes.result(stored_hashes_for_record_hash(number, leaf, &hashes))?;
    let first = stored_hash_index(0, number);
    let above = made.iter().zip(first..).skip(1);
    let mut cells = Vec::new();
    for (hash, place) in above {
        debug_assert!(split_stored_hash_index(place).0 > 0, "leaves stand with their records");
        NodeRow { place: cell(place), hash: &hash.0 }.bind(&mut cells);
    }
    Insert::of::<NodeRow<'_>>().run(db, &cells)
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![Insert::one::<RecordRow<'_>>(""), Insert::one::<NodeRow<'_>>(""), Insert::one::<PersonalRow<'_>>("")]
}
