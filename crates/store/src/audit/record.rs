//! The form of a record that is hashed, and what is left out of it because it is personal.
//!
//! The form is JSON as RFC 8785 writes it: names in their order, no spaces. Its leaf is the SHA-256 of a zero byte and that text
//! (RFC 6962 §2.1).

use std::collections::BTreeMap;

use bellwire_domain::{AuditActor, AuditDetail, AuditEntry, AuditOrigin, Entropy, Timestamp};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tlog_tiles::{Hash, record_hash};

use crate::StoreError;
use crate::rows::audit::RecordColumns;

const SALT_LENGTH: usize = 16;
/// The field of who did it.
pub(super) const ACTOR: &str = "actor";
/// What stands before a commitment.
const COMMITMENT: &str = "sha256:";

/// What is personal in a record: a value that the record only commits to.
pub(super) struct Personal {
    /// Where in the record its commitment stands: `actor`, `origin`, or `detail.` and a name.
    pub(super) field: String,
    pub(super) salt: [u8; SALT_LENGTH],
    pub(super) value: String,
}

/// A record but for its number and its time.
pub(super) struct Draft {
    pub(super) actor: String,
    pub(super) origin: String,
    pub(super) detail: String,
    pub(super) personal: Vec<Personal>,
}

impl Draft {
    /// Splits an entry into what is hashed and what can be erased.
    pub(super) fn of(entry: &AuditEntry, entropy: &dyn Entropy) -> Self {
        let mut personal = Vec::new();
        let mut commit = |field: String, value: &str| {
            let salt = entropy.bytes();
            personal.push(Personal { field, salt, value: value.to_owned() });
            commitment(&salt, value)
        };
        let actor = match &entry.actor {
            AuditActor::Key(id) => id.to_string(),
            AuditActor::Client(id) => id.to_string(),
            AuditActor::Portal(account) => format!("portal:{account}"),
            AuditActor::Person(name) => format!("person:{}", commit(ACTOR.to_owned(), name)),
            AuditActor::Command => "command".to_owned(),
            AuditActor::Node => "node".to_owned(),
            AuditActor::Unknown => "unknown".to_owned(),
        };
        let AuditOrigin { via, address } = entry.origin;
        let origin = match address {
            None => via.to_string(),
            Some(address) => format!("{via} {}", commit("origin".to_owned(), &address.to_string())),
        };
        let detail: BTreeMap<&str, Value> = entry
            .detail
            .iter()
            .map(|(name, detail)| {
                let value = match detail {
                    AuditDetail::Text(text) => text.as_str().into(),
                    AuditDetail::Texts(texts) => texts.as_slice().into(),
                    AuditDetail::Number(number) => (*number).into(),
                    AuditDetail::Personal(text) => commit(format!("detail.{name}"), text).into(),
                };
                (*name, value)
            })
            .collect();
        let detail = serde_json::to_string(&detail).unwrap_or_else(|_| "{}".to_owned());
        Self { actor, origin, detail, personal }
    }
}

/// A salted hash by which a value can be recognized and not found.
fn commitment(salt: &[u8], value: &str) -> String {
    format!("{COMMITMENT}{}", hex::encode(Sha256::new().chain_update(salt).chain_update(value).finalize()))
}

/// Whether `text`, the field of a record, commits to that value.
pub(super) fn commits_to(text: &str, salt: &[u8], value: &str) -> bool {
    text.contains(&commitment(salt, value))
}

/// The fields in the order of their names.
#[derive(Serialize)]
struct Canonical<'a> {
    account: Option<&'a str>,
    action: &'a str,
    actor: &'a str,
    at: String,
    detail: &'a RawValue,
    object: Option<&'a str>,
    origin: &'a str,
    seq: i64,
}

/// The fields of a record that is about to be written.
pub(super) struct Fields<'a> {
    pub(super) seq: i64,
    pub(super) at: Timestamp,
    pub(super) actor: &'a str,
    pub(super) action: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) object: Option<&'a str>,
    pub(super) origin: &'a str,
    pub(super) detail: &'a str,
}

impl<'a> From<&'a RecordColumns> for Fields<'a> {
    fn from(record: &'a RecordColumns) -> Self {
        Self {
            seq: record.seq,
            at: record.at,
            actor: &record.actor,
            action: &record.action,
            account: record.account.as_deref(),
            object: record.object.as_deref(),
            origin: &record.origin,
            detail: &record.detail,
        }
    }
}

impl Fields<'_> {
    /// The text that is hashed. An error: the details are no JSON, as nobody here writes them.
    pub(super) fn canonical(&self) -> Result<String, StoreError> {
        let inconsistent = |_| StoreError::Inconsistent { table: "audit", column: "detail", id: self.seq.to_string() };
        let detail: &RawValue = serde_json::from_str(self.detail).map_err(inconsistent)?;
        let &Self { seq, actor, action, account, object, origin, .. } = self;
        let form = Canonical { account, action, actor, at: self.at.to_string(), detail, object, origin, seq };
        serde_json::to_string(&form).map_err(inconsistent)
    }

    /// The leaf of the tree.
    pub(super) fn leaf(&self) -> Result<Hash, StoreError> {
        Ok(record_hash(self.canonical()?.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{AccountId, AuditAction, AuditVia};

    use super::*;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn entry() -> AuditEntry {
        let origin = AuditOrigin { via: AuditVia::Console, address: Some([192, 0, 2, 1].into()) };
        AuditEntry::new(AuditActor::Person("Ada \"A\" Lovelace".to_owned()), origin, AuditAction::ReplayStarted)
            .in_account(&AccountId::try_new("clinic").unwrap())
            .to("rpl_1")
            .with("reason", AuditDetail::Personal("the patient asked".to_owned()))
            .with("count", AuditDetail::Number(3))
            .with("events", AuditDetail::Texts(vec!["a".to_owned(), "b\u{1f}".to_owned()]))
    }

    #[test]
    fn nothing_personal_is_hashed_and_everything_personal_is_committed_to() {
        let draft = Draft::of(&entry(), &Sevens);
        let hashed = format!("{} {} {}", draft.actor, draft.origin, draft.detail);
        for personal in ["Ada", "Lovelace", "192.0.2.1", "patient"] {
            assert!(!hashed.contains(personal), "{hashed}");
        }
        let fields: Vec<_> = draft.personal.iter().map(|personal| personal.field.as_str()).collect();
        assert_eq!(fields, ["actor", "origin", "detail.reason"]);
        assert!(commits_to(&draft.actor, &draft.personal[0].salt, "Ada \"A\" Lovelace"));
        assert!(!commits_to(&draft.actor, &draft.personal[0].salt, "Ada"));
        assert!(commits_to(&draft.origin, &draft.personal[1].salt, "192.0.2.1"));
    }

    #[test]
    fn the_hashed_form_is_canonical_json() {
        let detail = r#"{"count":3,"events":["a","b\u001f"]}"#;
        let fields = Fields {
            seq: 7,
            at: Timestamp::from_secs(1_736_937_000),
            actor: "key_1",
            action: "replay.started",
            account: Some("clinic"),
            object: None,
            origin: "api",
            detail,
        };
        let expected = concat!(
            r#"{"account":"clinic","action":"replay.started","actor":"key_1","at":"2025-01-15T10:30:00.000000Z","#,
            r#""detail":{"count":3,"events":["a","b\u001f"]},"object":null,"origin":"api","seq":7}"#
        );
        assert_eq!(fields.canonical().unwrap(), expected);
        let leaf: [u8; 32] = Sha256::new().chain_update([0]).chain_update(expected).finalize().into();
        assert_eq!(fields.leaf().unwrap().0, leaf);
        assert!(Fields { detail: "{", ..fields }.leaf().is_err());
    }
}
