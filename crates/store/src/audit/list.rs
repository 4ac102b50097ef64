//! Reading records: pages of the log, of those that somebody asks for.

use std::collections::BTreeMap;
use std::fmt::Write;

use bellwire_domain::{AuditAction, Timestamp};

use super::keys::AuditKeys;
use super::record::ACTOR;
use crate::StoreError;
use crate::page::{Page, PageRequest};
use crate::rows::audit::{PersonalColumns, RecordColumns};
use crate::seal::{DataKey, Place};
use crate::sql::{Db, Param, Select, params, select};

/// Which records.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Of this account.
    pub account: Option<String>,
    /// By this actor, as the record names it, or a person by name.
    pub actor: Option<String>,
    /// Of this kind.
    pub action: Option<AuditAction>,
    /// To the thing with this id.
    pub object: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// The latest first.
    pub newest_first: bool,
}

/// A record of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number, from 1.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who: the id of a key, `portal:` and an account, `person:` and a commitment, `command`, `node` or `unknown`.
    pub actor: String,
    /// What: a word of [`AuditAction`].
    pub action: String,
    /// In which account.
    pub account: Option<String>,
    /// To what.
    pub object: Option<String>,
    /// From where: a way in, and a commitment to an address.
    pub origin: String,
    /// What else, as a JSON object.
    pub detail: String,
    /// The hash of the record.
    pub leaf: Vec<u8>,
    /// What the record commits to, as far as it has not been erased: `actor`, `origin`, `detail.reason`.
    pub personal: BTreeMap<String, String>,
}

/// What a person's records are found by, if a text is a person's name.
fn is_person(actor: &str) -> bool {
    let is_other = ["key_", "portal:", "person:"].iter().any(|beginning| actor.starts_with(beginning));
    !is_other && !["command", "node", "unknown"].contains(&actor)
}

/// The statement for a query, and what is bound to it.
struct Statement<'a> {
    rest: String,
    params: Vec<Param<'a>>,
}

impl<'a> Statement<'a> {
    /// Records after a number or, the newest first, before it.
    fn new(query: &'a AuditQuery, lookup: Option<&'a [u8; 32]>, from: i64) -> Self {
        let mut made = Self { rest: "FROM audit a".to_owned(), params: Vec::new() };
        if let Some(lookup) = lookup {
            made.rest.push_str(" JOIN audit_personal p ON p.seq = a.seq");
            made.and("p.lookup =", Param::Bytes(lookup));
        }
        made.and(if query.newest_first { "a.seq <" } else { "a.seq >" }, from.into());
        if lookup.is_none() {
            made.rest.push_str(" AND a.seq > 0");
        }
        let action = query.action.map(AuditAction::as_str);
        let actor = query.actor.as_deref().filter(|_| lookup.is_none());
        let texts =
            [("account", query.account.as_deref()), ("actor", actor), ("action", action), ("object", query.object.as_deref())];
        for (name, value) in texts {
            if let Some(value) = value {
                made.and(&format!("a.{name} ="), value.into());
            }
        }
        for (condition, at) in [("a.at >=", query.since), ("a.at <", query.until)] {
            if let Some(at) = at {
                made.and(condition, at.into());
            }
        }
        made
    }

    fn and(&mut self, condition: &str, value: Param<'a>) {
        self.params.push(value);
        let word = if self.params.len() == 1 { "WHERE" } else { "AND" };
        let _ = write!(self.rest, " {word} {condition} ${}", self.params.len());
    }

    fn ordered(mut self, query: &AuditQuery, limit: i64) -> Self {
        self.params.push(limit.into());
        let order = if query.newest_first { " DESC" } else { "" };
        let _ = write!(self.rest, " ORDER BY a.seq{order} LIMIT ${}", self.params.len());
        self
    }
}

/// A page of records. The cursor is a record's number.
pub(crate) fn list(
    db: Db<'_>,
    keys: &AuditKeys,
    query: &AuditQuery,
    page: &PageRequest,
) -> Result<Page<AuditRecord>, StoreError> {
    let lookup = query.actor.as_deref().filter(|actor| is_person(actor)).map(|actor| keys.lookup(ACTOR, actor));
    let start = if query.newest_first { i64::MAX } else { 0 };
    let from = page.after.as_deref().map_or(start, |after| after.parse().unwrap_or(start));
    let statement = Statement::new(query, lookup.as_ref(), from).ordered(query, page.fetch());
    let rows = db.query("audit", &select::<RecordColumns>(&statement.rest), &statement.params)?;
    let found = rows.iter().map(crate::sql::Row::read).collect::<Result<Vec<RecordColumns>, _>>()?;
    let cut = page.cut(found, |record| record.seq.to_string());
    let items = cut.items.into_iter().map(|record| with_personal(db, &keys.store_key, record)).collect::<Result<_, _>>()?;
    Ok(Page { items, next: cut.next })
}

static PERSONAL: Select<PersonalColumns> = Select::new("FROM audit_personal p WHERE p.seq = $1 ORDER BY p.seq, p.field");

/// A record with what it commits to, as far as that is there.
fn with_personal(db: Db<'_>, store_key: &DataKey, record: RecordColumns) -> Result<AuditRecord, StoreError> {
    let personal = personal_of(db, store_key, record.seq)?.into_iter().map(|(field, _, value)| (field, value)).collect();
    let RecordColumns { seq, at, actor, action, account, object, origin, detail, leaf } = record;
    Ok(AuditRecord { seq, at, actor, action, account, object, origin, detail, leaf, personal })
}

/// The personal values of a record: field, salt, value.
pub(super) fn personal_of(db: Db<'_>, key: &DataKey, seq: i64) -> Result<Vec<(String, Vec<u8>, String)>, StoreError> {
    let rows = PERSONAL.list(db, params![seq])?;
    let open = |PersonalColumns { seq, field, salt, value_sealed }: PersonalColumns| {
        let place = Place::audit_personal(seq, &field);
        let value = key.open(&place, &value_sealed)?;
        Ok((field, salt, String::from_utf8(value).map_err(|_| place.unsealable())?))
    };
    rows.into_iter().map(open).collect()
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    let some = || Some("x".to_owned());
    let queries = [
        AuditQuery::default(),
        AuditQuery { newest_first: true, ..AuditQuery::default() },
        AuditQuery { account: some(), ..AuditQuery::default() },
        AuditQuery { object: some(), newest_first: true, ..AuditQuery::default() },
        AuditQuery {
            actor: some(),
            since: Some(Timestamp::default()),
            until: Some(Timestamp::default()),
            ..AuditQuery::default()
        },
        AuditQuery { action: Some(AuditAction::KeyCreated), ..AuditQuery::default() },
    ];
    let text = |query: &AuditQuery, lookup: Option<&[u8; 32]>| {
        select::<RecordColumns>(&Statement::new(query, lookup, 0).ordered(query, 1).rest)
    };
    let mut texts: Vec<String> = queries.iter().map(|query| text(query, None)).collect();
    texts.extend([text(&AuditQuery::default(), Some(&[0; 32])), PERSONAL.sql()]);
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_other_actor_is_a_persons() {
        for actor in ["key_01", "portal:clinic", "command", "node", "unknown", "person:sha256:00"] {
            assert!(!is_person(actor), "{actor}");
        }
        for actor in ["ada@example.org", "Ada", "operator"] {
            assert!(is_person(actor), "{actor}");
        }
    }
}
