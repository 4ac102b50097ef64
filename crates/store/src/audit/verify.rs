//! Looking for what was changed in the log: every record is hashed anew, and the tree is built anew over them.
//!
//! A record that was changed does not have its leaf any more. One whose leaf was changed with it does not fit the nodes above. Where
//! these were made to fit as well, the head is another than a checkpoint has signed. And where somebody with the master key has signed
//! new checkpoints, one that was kept elsewhere still tells.

use std::collections::HashMap;

use tlog_tiles::{Checkpoint, EMPTY_HASH, Hash, node_hash, stored_hash_index};

use super::keys::{store_key, verifier};
use super::list::personal_of;
use super::record::{Fields, commits_to};
use super::tree::{cell, hash_of};
use super::{append, checkpoint};
use crate::StoreError;
use crate::rows::audit::{CheckpointColumns, NodeColumns, RecordColumns};
use crate::seal::Keyring;
use crate::sql::{Db, Select, params};

/// Records read at once.
const PAGE: i64 = 1_000;
/// Faults named; more are only counted.
const FAULTS_NAMED_MAX: usize = 100;

static RECORDS: Select<RecordColumns> = Select::new("FROM audit a WHERE a.seq > $1 ORDER BY a.seq LIMIT $2");
static NODES: Select<NodeColumns> = Select::new("FROM audit_nodes n WHERE n.place >= $1 AND n.place < $2");
const AFTER: &str = "SELECT COUNT(*) FROM audit_nodes WHERE place >= $1";
const BEFORE: &str = "SELECT COUNT(*) FROM audit WHERE seq < 1";

/// What to hold a log against, besides itself.
#[derive(Debug, Clone, Default)]
pub struct AuditEvidence {
    /// Checkpoints that were kept elsewhere.
    pub kept: Vec<String>,
    /// The verifying key that was kept with them; without one, the database's own is taken.
    pub verifier: Option<String>,
}

/// What came of verifying a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditVerification {
    /// Records.
    pub size: i64,
    /// The hash over all of them, as checkpoints write it.
    pub root: String,
    /// Signed checkpoints of the database that fit.
    pub checkpoints: u64,
    /// How many records each checkpoint covers that was kept elsewhere and fits.
    pub kept: Vec<u64>,
    /// Whether what is personal was held against the commitments too, for which the master key is needed.
    pub personal_verified: bool,
    /// What does not fit, each with its place; the first so many.
    pub faults: Vec<String>,
    /// How many there are.
    pub fault_count: u64,
}

impl AuditVerification {
    /// Whether everything fits.
    pub const fn is_sound(&self) -> bool {
        self.fault_count == 0
    }

    fn fault(&mut self, what: String) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_NAMED_MAX {
            self.faults.push(what);
        }
    }
}

/// The right edge of the tree: one whole subtree for each bit of its size, the largest first.
#[derive(Default)]
struct Edge {
    subtrees: Vec<(u8, Hash)>,
}

impl Edge {
    /// Adds leaf `number`; the nodes that it completes, by place.
    fn add(&mut self, number: u64, leaf: Hash) -> Vec<(u64, Hash)> {
        let (mut level, mut hash, mut made) = (0, leaf, Vec::new());
        while let Some((_, left)) = self.subtrees.pop_if(|(below, _)| *below == level) {
            hash = node_hash(left, hash);
            level += 1;
            made.push((stored_hash_index(level, number >> level), hash));
        }
        self.subtrees.push((level, hash));
        made
    }

    fn root(&self) -> Hash {
        let from_the_right = self.subtrees.iter().rev().map(|(_, hash)| *hash);
        from_the_right.reduce(|right, left| node_hash(left, right)).unwrap_or(EMPTY_HASH)
    }
}

/// What a checkpoint says of the log at its size.
struct Expected {
    head: Checkpoint,
    /// Kept elsewhere.
    is_kept: bool,
}

/// Verifies a log in a snapshot.
pub(crate) fn verify(db: Db<'_>, keyring: Option<&Keyring>, evidence: &AuditEvidence) -> Result<AuditVerification, StoreError> {
    let mut found = AuditVerification::default();
    let mut expected = expectations(db, evidence, &mut found)?;
    let key = keyring.map(|keyring| store_key(db, keyring)).transpose()?.flatten();
    found.personal_verified = key.is_some();
    let mut edge = Edge::default();
    let mut last = 0;
    loop {
        let page = RECORDS.list(db, params![last, PAGE])?;
        let nodes = nodes_of(db, last, page.last().map_or(last, |record| record.seq))?;
        let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        for record in &page {
            let number = u64::try_from(last).unwrap_or(0);
            last += 1;
            if record.seq != last {
                found.fault(missing(last, record.seq - 1));
                last = record.seq;
            }
            let leaf = check_record(record, &mut found);
            for (place, hash) in edge.add(u64::try_from(record.seq - 1).unwrap_or(number), leaf) {
                if nodes.get(&cell(place)) != Some(&hash) {
                    found.fault(format!(
                        "record {}: the tree above it does not fit, so it or one before it has been changed",
                        record.seq
                    ));
                }
            }
            if let Some(key) = &key {
                check_personal(db, key, record, &mut found)?;
            }
            expected.retain(|expected| !is_met(expected, last, edge.root(), &mut found));
        }
        if is_last {
            break;
        }
    }
    expected.retain(|expected| !is_met(expected, 0, EMPTY_HASH, &mut found));
    for Expected { head, .. } in expected {
        found.fault(format!("a checkpoint was signed over {} records, and there are {last}: the end was cut off", head.size()));
    }
    check_end(db, last, &mut found)?;
    found.size = last;
    found.root = edge.root().to_string();
    Ok(found)
}

/// The checkpoints that the log has to fit, those that are no checkpoints named as faults.
fn expectations(db: Db<'_>, evidence: &AuditEvidence, found: &mut AuditVerification) -> Result<Vec<Expected>, StoreError> {
    let own = verifier(db)?;
    let mut expected = Vec::new();
    if let (Some(given), Some(own)) = (&evidence.verifier, &own)
        && given.trim() != own
    {
        found.fault(format!(
            "the log's key is `{own}`, not the one that was given: the log was made anew, or the key belongs to another store"
        ));
    }
    let Some(trusted) = evidence.verifier.as_deref().map(str::trim).or(own.as_deref()) else { return Ok(expected) };
    for note in &evidence.kept {
        match checkpoint::open(note, trusted) {
            Ok(head) => expected.push(Expected { head, is_kept: true }),
            Err(reason) => found.fault(format!("a checkpoint that was given: {reason}")),
        }
    }
    let mut after = -1;
    loop {
        let page = checkpoint::page(db, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(expected) };
        after = last.size;
        for CheckpointColumns { size, note } in &page {
            match checkpoint::open(note, trusted) {
                Ok(head) if i64::try_from(head.size()) == Ok(*size) => expected.push(Expected { head, is_kept: false }),
                Ok(_) => found.fault(format!("the checkpoint of {size} records says another size")),
                Err(reason) => found.fault(format!("the checkpoint of {size} records: {reason}")),
            }
        }
    }
}

/// Whether a checkpoint is of this size; then it is held against the head.
fn is_met(expected: &Expected, size: i64, root: Hash, found: &mut AuditVerification) -> bool {
    let Expected { head, is_kept } = expected;
    if i64::try_from(head.size()) != Ok(size) {
        return false;
    }
    match (*head.hash() == root, is_kept) {
        (true, true) => found.kept.push(head.size()),
        (true, false) => found.checkpoints += 1,
        (false, true) => found.fault(format!("the first {size} records are not those that a given checkpoint was signed over")),
        (false, false) => {
            found.fault(format!("the first {size} records are not those that the checkpoint over them was signed for"));
        }
    }
    true
}

/// The leaf that a record ought to have.
fn check_record(record: &RecordColumns, found: &mut AuditVerification) -> Hash {
    let stored = hash_of(&record.leaf).unwrap_or_default();
    match Fields::from(record).leaf() {
        Ok(leaf) if leaf == stored => {}
        Ok(_) | Err(_) => found.fault(format!("record {} has been changed: its hash is another", record.seq)),
    }
    stored
}

fn check_personal(
    db: Db<'_>,
    key: &crate::seal::DataKey,
    record: &RecordColumns,
    found: &mut AuditVerification,
) -> Result<(), StoreError> {
    let personal = match personal_of(db, key, record.seq) {
        Ok(personal) => personal,
        Err(StoreError::Unsealable { .. }) => {
            found.fault(format!("record {}: what is personal in it does not open", record.seq));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for (field, salt, value) in personal {
        let text = match field.as_str() {
            "actor" => &record.actor,
            "origin" => &record.origin,
            _ => &record.detail,
        };
        if !commits_to(text, &salt, &value) {
            found.fault(format!("record {}: `{field}` is not what it commits to", record.seq));
        }
    }
    Ok(())
}

/// What stands after the last record, or before the first.
fn check_end(db: Db<'_>, last: i64, found: &mut AuditVerification) -> Result<(), StoreError> {
    let size = append::size(db)?;
    if size > last {
        found.fault(missing(last + 1, size));
    } else if size < last {
        found.fault(format!("there are {last} records, and the log says {size}"));
    }
    let end = stored_hash_index(0, u64::try_from(last).unwrap_or(0));
    if db.get("audit_nodes", AFTER, params![cell(end)])?.value::<i64>("count")? > 0 {
        found.fault(format!("the tree goes on after record {last}: the end was cut off"));
    }
    if db.get("audit", BEFORE, params![])?.value::<i64>("count")? > 0 {
        found.fault("there are records before the first".to_owned());
    }
    Ok(())
}

fn missing(from: i64, to: i64) -> String {
    if from >= to { format!("record {from} is missing") } else { format!("records {from} to {to} are missing") }
}

/// The nodes that were made with the records after `from`, up to `to`, by place.
fn nodes_of(db: Db<'_>, from: i64, to: i64) -> Result<HashMap<i64, Hash>, StoreError> {
    let place = |seq: i64| cell(stored_hash_index(0, u64::try_from(seq).unwrap_or(0)));
    let nodes = NODES.list(db, params![place(from), place(to)])?;
    Ok(nodes.into_iter().map(|NodeColumns { place, hash }| (place, hash_of(&hash).unwrap_or_default())).collect())
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![RECORDS.sql(), NODES.sql(), AFTER.to_owned(), BEFORE.to_owned()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tlog_tiles::{Error, HashReader, record_hash, stored_hash_count, stored_hashes, tree_hash};

    use super::*;

    struct Stored(Vec<Hash>);
    impl HashReader for Stored {
        fn read_hashes(&self, places: &[u64]) -> Result<Vec<Hash>, Error> {
            Ok(places.iter().map(|place| self.0[usize::try_from(*place).unwrap()]).collect())
        }
    }

    proptest! {
        #[test]
        fn the_edge_has_the_nodes_and_the_root_of_the_tree(size in 0_u64..200) {
            let (mut stored, mut edge) = (Stored(Vec::new()), Edge::default());
            for number in 0..size {
                let data = number.to_be_bytes();
                let made = stored_hashes(number, &data, &stored).unwrap();
                let first = u64::try_from(stored.0.len()).unwrap();
                prop_assert_eq!(first, stored_hash_index(0, number));
                let above: Vec<(u64, Hash)> = (first + 1..).zip(made[1..].iter().copied()).collect();
                stored.0.extend(made);
                prop_assert_eq!(edge.add(number, record_hash(&data)), above);
            }
            prop_assert_eq!(u64::try_from(stored.0.len()).unwrap(), stored_hash_count(size));
            prop_assert!(edge.root() == tree_hash(size, &stored).unwrap());
        }
    }
}
