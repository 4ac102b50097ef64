//! Writing the log out: every record as it was hashed, with the proof that it is in the log.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use tlog_tiles::{Hash, prove_record, prove_tree};

use super::keys::{store_key, verifier};
use super::list::personal_of;
use super::record::Fields;
use super::tree::StoredHashes;
use super::{append, checkpoint};
use crate::StoreError;
use crate::rows::audit::RecordColumns;
use crate::seal::Keyring;
use crate::sql::{Db, Select, params};

/// Records read at once.
const PAGE: i64 = 500;

static OF_ALL: Select<RecordColumns> = Select::new("FROM audit a WHERE a.seq > $1 ORDER BY a.seq LIMIT $2");
static OF_ACCOUNT: Select<RecordColumns> =
    Select::new("FROM audit a WHERE a.account = $1 AND a.seq > $2 AND a.seq > 0 ORDER BY a.seq LIMIT $3");

/// The first line: what the proofs lead to.
#[derive(Serialize)]
struct Head {
    /// Records of the whole log.
    size: i64,
    /// The hash over all of them.
    root: String,
    /// The key that verifies checkpoints.
    key: Option<String>,
    /// The latest signed head.
    checkpoint: Option<String>,
    /// The proof that the log is that of the checkpoint, grown (RFC 9162 §2.1.4).
    consistency: Vec<String>,
}

/// A line for each record.
#[derive(Serialize)]
struct Line<'a> {
    /// The text that was hashed.
    record: Box<RawValue>,
    /// The hash of the record.
    leaf: String,
    /// The proof that it is in the log (RFC 9162 §2.1.3).
    proof: Vec<String>,
    /// What it commits to, as far as that is there and the master key was given.
    personal: BTreeMap<&'a str, Opened<'a>>,
}

/// What opens a commitment: it is the SHA-256 of both.
#[derive(Serialize)]
struct Opened<'a> {
    salt: String,
    value: &'a str,
}

/// Hands the log to `write`, line by line.
pub(crate) fn export<E: From<StoreError>>(
    db: Db<'_>,
    keyring: Option<&Keyring>,
    account: Option<&str>,
    write: &mut dyn FnMut(&str) -> Result<(), E>,
) -> Result<u64, E> {
    let hashes = StoredHashes::new(db);
    let size = append::size(db)?;
    let records = u64::try_from(size).unwrap_or(0);
    let last = checkpoint::last(db)?;
    let signed = last.as_ref().map_or(0, |last| u64::try_from(last.size).unwrap_or(0));
    let consistency = match signed {
        0 => Vec::new(),
        _ => hashes.result(prove_tree(records, signed, &hashes))?,
    };
    let key = keyring.map(|keyring| store_key(db, keyring)).transpose()?.flatten();
    let head = Head {
        size,
        root: checkpoint::root(db, size)?.to_string(),
        key: verifier(db)?,
        checkpoint: last.map(|last| last.note),
        consistency: shown(&consistency),
    };
    write(&text(&head)?)?;
    let (mut after, mut written) = (0, 0);
    loop {
        let page = match account {
            Some(account) => OF_ACCOUNT.list(db, params![account, after, PAGE])?,
            None => OF_ALL.list(db, params![after, PAGE])?,
        };
        let Some(last) = page.last() else { return Ok(written) };
        after = last.seq;
        for record in &page {
            let proof = hashes.result(prove_record(records, u64::try_from(record.seq - 1).unwrap_or(0), &hashes))?;
            let personal = key.as_ref().map(|key| personal_of(db, key, record.seq)).transpose()?.unwrap_or_default();
            let opened = personal.iter().map(|(field, salt, value)| (field.as_str(), Opened { salt: hex::encode(salt), value }));
            let record_text = Fields::from(record).canonical()?;
            let inconsistent = |_| StoreError::Inconsistent { table: "audit", column: "detail", id: record.seq.to_string() };
            let line = Line {
                record: RawValue::from_string(record_text).map_err(inconsistent)?,
                leaf: hex::encode(&record.leaf),
                proof: shown(&proof),
                personal: opened.collect(),
            };
            write(&text(&line)?)?;
            written += 1;
        }
    }
}

fn shown(proof: &[Hash]) -> Vec<String> {
    proof.iter().map(ToString::to_string).collect()
}

fn text(line: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(line).map_err(|error| StoreError::Database(error.to_string().into()))
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![OF_ALL.sql(), OF_ACCOUNT.sql()]
}
