//! The audit log: who did what, in a Merkle tree (RFC 6962) whose heads are signed (C2SP `tlog-checkpoint`).
//!
//! A record is written in the transaction of what it records, so that neither is there without the other. It gets the next number,
//! and its hash becomes a leaf of the tree. Whoever owns the database can rewrite all of that, but not so that a checkpoint which
//! somebody has kept still fits. What is personal stands beside the record and can be erased: the record has only a salted hash of it.
//!
//! `record` is the form that is hashed, `tree` the hashes, `append` adds, `checkpoint` signs, `list` reads, `verify` looks for what
//! was changed, and `keys` has the store's own keys.

pub(crate) mod append;
pub(crate) mod checkpoint;
pub(crate) mod effect;
pub(crate) mod export;
pub(crate) mod keys;
pub(crate) mod list;
mod record;
mod tree;
pub(crate) mod verify;

pub use checkpoint::AuditCheckpoint;
pub use list::{AuditQuery, AuditRecord};
pub use verify::{AuditEvidence, AuditVerification};

/// Every statement of this layer.
#[cfg(test)]
pub(crate) fn statements() -> Vec<String> {
    let all = [
        append::statements(),
        checkpoint::statements(),
        list::statements(),
        tree::statements(),
        verify::statements(),
        export::statements(),
    ];
    all.into_iter().flatten().collect()
}
