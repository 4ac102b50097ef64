//! Signed heads of the tree: whoever has kept one can tell whether the log has only grown since.

use bellwire_domain::{Entropy, Timestamp};
use serde_json::json;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash, tree_hash};

use super::append::locked_size;
use super::keys::AuditKeys;
use super::tree::StoredHashes;
use crate::StoreError;
use crate::rows::audit::{CheckpointColumns, CheckpointRow};
use crate::rows::operator_notice::{self, OperatorNotice};
use crate::sql::{Db, Insert, Select, params};

/// The type of the event that tells the operator of one.
const EVENT: &str = "audit.checkpoint";

static LAST: Select<CheckpointColumns> = Select::new("FROM audit_checkpoints c ORDER BY c.size DESC LIMIT 1");
static ALL: Select<CheckpointColumns> = Select::new("FROM audit_checkpoints c WHERE c.size > $1 ORDER BY c.size LIMIT $2");

/// A signed head of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheckpoint {
    /// How many records it covers.
    pub size: i64,
    /// The signed note (C2SP `tlog-checkpoint`).
    pub note: String,
    /// Whether it was signed just now.
    pub is_new: bool,
}

/// Signs the head of the log, or finds the checkpoint that was signed of it already.
pub(crate) fn take(
    db: Db<'_>,
    keys: &AuditKeys,
    entropy: &dyn Entropy,
    now: Timestamp,
    tells: bool,
) -> Result<AuditCheckpoint, StoreError> {
    let size = locked_size(db)?;
    if let Some(CheckpointColumns { size, note }) = last(db)?.filter(|last| last.size == size) {
        return Ok(AuditCheckpoint { size, note, is_new: false });
    }
    let note = sign(keys, size, root(db, size)?)?;
    Insert::put(db, CheckpointRow { size, at: now, note: &note }, "")?;
    if tells {
        let notice = OperatorNotice::new(now, entropy, EVENT, &json!({ "size": size, "checkpoint": note }));
        operator_notice::put(db, &[notice])?;
    }
    Ok(AuditCheckpoint { size, note, is_new: true })
}

/// The hash over the first `size` records.
pub(super) fn root(db: Db<'_>, size: i64) -> Result<Hash, StoreError> {
    let hashes = StoredHashes::new(db);
    hashes.result(tree_hash(u64::try_from(size).unwrap_or(0), &hashes))
}

fn sign(keys: &AuditKeys, size: i64, root: Hash) -> Result<String, StoreError> {
    let failed = |reason: String| StoreError::Database(format!("a checkpoint cannot be signed: {reason}").into());
    let head =
        Checkpoint::new(&keys.origin, u64::try_from(size).unwrap_or(0), root, "").map_err(|error| failed(error.to_string()))?;
    let mut note = Note::new(&head.to_bytes(), &[]).map_err(|error| failed(error.to_string()))?;
    note.add_sigs(&[&keys.signer()?]).map_err(|error| failed(error.to_string()))?;
    String::from_utf8(note.to_bytes()).map_err(|error| failed(error.to_string()))
}

/// The latest one.
pub(super) fn last(db: Db<'_>) -> Result<Option<CheckpointColumns>, StoreError> {
    LAST.find(db, params![])
}

/// Those after a size, by size.
pub(super) fn page(db: Db<'_>, after: i64, limit: i64) -> Result<Vec<CheckpointColumns>, StoreError> {
    ALL.list(db, params![after, limit])
}

/// What a checkpoint says, once its signature is verified; or what is wrong with it.
pub(super) fn open(note: &str, verifier: &str) -> Result<Checkpoint, String> {
    let parsed = Note::from_bytes(note.as_bytes()).map_err(|_| "it is no signed note".to_owned())?;
    let verifier = StandardVerifier::new(verifier).map_err(|error| format!("the verifying key is not valid: {error}"))?;
    let known = VerifierList::new(vec![Box::new(verifier)]);
    parsed.verify(&known).map_err(|_| "its signature is not of this log's key".to_owned())?;
    Checkpoint::from_bytes(parsed.text()).map_err(|error| error.to_string())
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![LAST.sql(), ALL.sql(), Insert::one::<CheckpointRow<'_>>("")]
}
