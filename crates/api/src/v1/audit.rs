//! The audit log on the wire.

mod checkpoint;
mod list;

use std::collections::BTreeMap;

use bellwire_domain::AuditAction;
use bellwire_http::Api;
use bellwire_store::AuditRecord;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(checkpoint::checkpoint))
}

/// A record of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRecord)]
struct RecordAnswer {
    /// Its number, from 1, without gaps.
    seq: i64,
    /// When.
    at: String,
    /// Who: the id of a key, `portal:` and an account, `person:` and a commitment to their name, `command`, `node` or `unknown`.
    actor: String,
    /// What was done.
    action: String,
    /// In which account.
    account: Option<String>,
    /// To what: an id.
    object: Option<String>,
    /// By which way, and a commitment to the address that it came from.
    origin: String,
    /// What else is known of it.
    #[schema(value_type = BTreeMap<String, Value>)]
    detail: Value,
    /// The hash of the record: of all that stands above.
    leaf: String,
    /// What the record commits to, as long as it has not been erased: `actor`, `origin`, `detail.reason`.
    personal: BTreeMap<String, String>,
}

impl RecordAnswer {
    fn sample() -> Self {
        let commitment = |digit: &str| format!("sha256:{}", digit.repeat(64));
        Self {
            seq: 4711,
            at: "2025-01-15T10:30:00.000000Z".to_owned(),
            actor: format!("person:{}", commitment("a")),
            action: AuditAction::PayloadsRead.to_string(),
            account: Some("clinic-7".to_owned()),
            object: None,
            origin: format!("console {}", commitment("b")),
            detail: serde_json::json!({ "count": 1, "ids": ["01946a2e-7c40-7000-8000-00000000000b"] }),
            leaf: "c".repeat(64),
            personal: [("actor".to_owned(), "ada@clinic.example".to_owned()), ("origin".to_owned(), "192.0.2.7".to_owned())]
                .into(),
        }
    }

    fn show(record: AuditRecord) -> Self {
        Self {
            seq: record.seq,
            at: record.at.to_string(),
            actor: record.actor,
            action: record.action,
            account: record.account,
            object: record.object,
            origin: record.origin,
            detail: serde_json::from_str(&record.detail).unwrap_or_default(),
            leaf: hex::encode(record.leaf),
            personal: record.personal,
        }
    }
}
