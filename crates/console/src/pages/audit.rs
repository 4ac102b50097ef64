//! The audit log: who did what, the latest first, and the checkpoint that an auditor keeps.

use std::fmt::Write;

use askama::Template;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bellwire_domain::{AuditAction, Timestamp};
use bellwire_store::{AuditQuery, AuditRecord, Page};
use serde_json::{Map, Value};

use super::filter::Field;
use crate::layout::{Area, Layout, html};
use crate::query::{Query, instant};
use crate::show::When;
use crate::visitor::Visitor;
use crate::{Console, Refusal};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    layout: Layout,
    fields: Vec<Field>,
    rows: Vec<RecordRow>,
    next: Option<String>,
    is_filtered: bool,
}

struct RecordRow {
    seq: i64,
    when: When,
    who: String,
    action: String,
    account: String,
    object: String,
    from: String,
    detail: String,
}

const FIELDS: [(&str, &str, &[&str], &str); 6] = [
    ("actor", "Who", &[], "key_… or a name"),
    ("action", "What", AuditAction::WORDS, ""),
    ("account", "Account", &[], ""),
    ("object", "Id", &[], "of what it was done to"),
    ("since", "Since", &[], "24h or 2026-01-31"),
    ("until", "Until", &[], "1h or 2026-01-31"),
];

pub(super) async fn list(State(console): State<Console>, visitor: Visitor, query: Query) -> Result<Response, Refusal> {
    let app = console.app();
    let now = app.clock().now();
    let given = |name: &str| query.get(name).map(str::to_owned);
    let (since, wrong_since) = typed(query.get("since"), now);
    let (until, wrong_until) = typed(query.get("until"), now);
    let action = query.get("action").and_then(AuditAction::parse);
    let wrong_action = (query.get("action").is_some() && action.is_none()).then(|| "There is no such action.".to_owned());
    let is_wrong = wrong_since.is_some() || wrong_until.is_some() || wrong_action.is_some();
    let wanted = AuditQuery {
        account: given("account"),
        actor: given("actor"),
        action,
        object: given("object"),
        since,
        until,
        newest_first: true,
    };
    let found = app.list_audit(&visitor.actor, wanted, query.page()).await?;
    let found = if is_wrong { Page::default() } else { found };
    let wrong = |name: &str| match name {
        "since" => wrong_since.clone(),
        "until" => wrong_until.clone(),
        "action" => wrong_action.clone(),
        _ => None,
    };
    let fields = FIELDS.map(|(name, label, words, hint)| {
        let value = given(name).unwrap_or_default();
        Field { name, label, value, words, hint, wrong: wrong(name) }
    });
    html(&AuditPage {
        layout: Layout::of_operator(&console, &visitor, Area::Audit, "Audit", &query).with_call("/v1/audit"),
        is_filtered: FIELDS.iter().any(|(name, ..)| query.get(name).is_some()),
        fields: fields.into(),
        next: query.next(found.next.as_ref()),
        rows: found.items.iter().map(|record| row(record, now)).collect(),
    })
}

/// The signed head of the log, as a file to keep.
pub(super) async fn checkpoint(State(console): State<Console>, visitor: Visitor) -> Result<Response, Refusal> {
    let checkpoint = console.app().audit_checkpoint(&visitor.actor).await?;
    let name = format!("attachment; filename=\"checkpoint-{}.txt\"", checkpoint.size);
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, checkpoint.note).into_response())
}

/// An instant that was typed, or what is wrong with it.
pub(super) fn typed(text: Option<&str>, now: Timestamp) -> (Option<Timestamp>, Option<String>) {
    match text.map(|text| instant(text, now)) {
        None => (None, None),
        Some(Some(at)) => (Some(at), None),
        Some(None) => (None, Some("Write a time such as 24h, 2026-01-31 or 2026-01-31T10:30Z.".to_owned())),
    }
}

fn row(record: &AuditRecord, now: Timestamp) -> RecordRow {
    let personal = |field: &str| record.personal.get(field).map(String::as_str);
    let (way, is_committed) = match record.origin.split_once(' ') {
        Some((way, _)) => (way, true),
        None => (record.origin.as_str(), false),
    };
    let from = match (personal("origin"), is_committed) {
        (Some(address), _) => format!("{way}, {address}"),
        (None, true) => format!("{way}, erased"),
        (None, false) => way.to_owned(),
    };
    let is_person = record.actor.starts_with("person:");
    let who = personal("actor").unwrap_or(if is_person { "a person, erased" } else { &record.actor });
    RecordRow {
        seq: record.seq,
        when: When::new(record.at, now),
        who: who.to_owned(),
        action: record.action.clone(),
        account: record.account.clone().unwrap_or_default(),
        object: record.object.clone().unwrap_or_default(),
        from,
        detail: details(record),
    }
}

/// What else is known, in a line.
fn details(record: &AuditRecord) -> String {
    let detail: Map<String, Value> = serde_json::from_str(&record.detail).unwrap_or_default();
    let mut line = String::new();
    for (name, value) in &detail {
        let committed = record.personal.get(&format!("detail.{name}"));
        let shown = match (committed, value) {
            (Some(personal), _) => personal.clone(),
            (None, Value::String(text)) if text.starts_with("sha256:") => "erased".to_owned(),
            (None, Value::String(text)) => text.clone(),
            (None, Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            (None, other) => other.to_string(),
        };
        if !shown.is_empty() {
            let _ = write!(line, "{}{name}: {shown}", if line.is_empty() { "" } else { "; " });
        }
    }
    line
}
