//! The audit log for whoever has the database: verified and written out, from one snapshot, beside a running server or without one.

use std::io;

use bellwire_domain::{AuditEntry, Clock, Entropy};

use crate::audit::keys::AuditKeys;
use crate::audit::{AuditEvidence, AuditVerification, append, export, verify};
use crate::doctor::in_snapshot;
use crate::rotation::held::Held;
use crate::rows::master_key;
use crate::seal::Keyring;
use crate::sql::{Db, aside};
use crate::{Location, MasterKey, OpenError, StoreError};

/// Why a log was not written out.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lines cannot be written.
    #[error("the lines cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Verifies the audit log. Without the master key, what is personal is not held against the commitments.
///
/// # Errors
/// The store does not open or cannot be read. What does not fit is no error: it stands in the answer.
pub fn verify_audit(
    location: &Location,
    master_key: Option<&MasterKey>,
    evidence: &AuditEvidence,
) -> Result<AuditVerification, OpenError> {
    in_snapshot(location, master_key, |db, keyring| Ok(verify::verify(db, keyring, evidence)?))
}

/// Writes out the audit log, or an account's part of it, as lines of JSON: first the head of the log, then a line for each record with
/// its proof. How many records there were. Without the master key, what is personal is left out.
///
/// # Errors
/// The store does not open or cannot be read, or the lines cannot be written.
pub fn export_audit(
    location: &Location,
    master_key: Option<&MasterKey>,
    account: Option<&str>,
    out: &mut (dyn io::Write + Send),
) -> Result<u64, ExportError> {
    in_snapshot(location, master_key, |db, keyring| {
        export::export(db, keyring, account, &mut |line| writeln!(out, "{line}").map_err(ExportError::from))
    })
}

/// Records in the audit log what somebody did with the database, beside a running server or without one.
///
/// # Errors
/// The store does not open, or cannot be written.
pub fn record_act(
    location: &Location,
    master_key: &MasterKey,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
    entry: &AuditEntry,
) -> Result<(), OpenError> {
    let keyring = Keyring::new(master_key);
    let record = |db: Db<'_>| -> Result<(), OpenError> {
        master_key::admit(db, &keyring)?;
        let keys = AuditKeys::adopt(db, &keyring, entropy)?;
        Ok(append::append(db, &keys, entropy, clock.now(), std::slice::from_ref(entry))?)
    };
    aside(|| Held::open(location)?.transaction(record))
}
