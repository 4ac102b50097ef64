//! What a move of a store writes down on both sides, and what follows from it.
//!
//! The source says in its `meta` where it is being moved, and in the end that it has been. The target says in its own where the
//! rows come from and how far the copying is. A `bellwire serve` starts on a source that is not marked as moved, and on a target
//! that is not marked as unfinished. The source gets its final mark first, so there is no instant at which both would start.
//!
//! Each attempt to fill a target has an id. A server that is started on the source in between removes the unfinished mark, since
//! from then on what was copied is out of date: the ids on both sides differ, and the target is filled anew.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::Value as Cell;
use serde_json::{Map, Value, json};

use crate::rows::meta;
use crate::sql::Db;
use crate::{OpenError, StoreError};

/// Where a store is being moved, or where a target comes from.
const MOVE: &str = "move";

/// Where the store is being moved, as the source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceMark {
    /// Of this attempt.
    pub(crate) id: String,
    /// The target, without its password.
    pub(crate) to: String,
    /// Whether it is there, and nothing may be delivered from here.
    pub(crate) moved: bool,
}

impl SourceMark {
    pub(crate) fn write(&self) -> Vec<u8> {
        json!({ "id": self.id, "to": self.to, "moved": self.moved }).to_string().into_bytes()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let read: Value = serde_json::from_slice(bytes).ok()?;
        Some(Self { id: text(&read, "id")?, to: text(&read, "to")?, moved: read.get("moved")?.as_bool()? })
    }
}

/// From where the target is being filled, and how far.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TargetMark {
    /// Of this attempt.
    pub(crate) id: String,
    /// The source's own id, whatever its file is called.
    pub(crate) store: String,
    /// The source's file.
    pub(crate) from: String,
    /// Whether it may be served.
    pub(crate) complete: bool,
    /// What has been copied of each table.
    pub(crate) tables: BTreeMap<String, Copied>,
}

/// How much of a table has been copied.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Copied {
    pub(crate) rows: u64,
    /// The key of the last row; empty: none was.
    pub(crate) after: Vec<Cell>,
}

impl TargetMark {
    pub(crate) fn write(&self) -> Vec<u8> {
        let copied = |copied: &Copied| {
            let after = copied.after.iter().map(|cell| match cell {
                Cell::Integer(value) => json!(value),
                Cell::Text(value) => json!(value),
                Cell::Blob(value) => json!({ "hex": hex::encode(value) }),
                _ => Value::Null, // no key has such
            });
            json!({ "rows": copied.rows, "after": after.collect::<Vec<_>>() })
        };
        let tables: Map<String, Value> = self.tables.iter().map(|(name, table)| (name.clone(), copied(table))).collect();
        let (id, store, from) = (&self.id, &self.store, &self.from);
        json!({ "id": id, "store": store, "from": from, "complete": self.complete, "tables": tables }).to_string().into_bytes()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let read: Value = serde_json::from_slice(bytes).ok()?;
        let copied = |value: &Value| {
            let cell = |cell: &Value| match cell {
                Value::Number(number) => number.as_i64().map(Cell::Integer),
                Value::String(text) => Some(Cell::Text(text.clone())),
                Value::Object(_) => hex::decode(text(cell, "hex")?).ok().map(Cell::Blob),
                _ => None,
            };
            let after = value.get("after")?.as_array()?.iter().map(cell).collect::<Option<_>>()?;
            Some(Copied { rows: value.get("rows")?.as_u64()?, after })
        };
        let tables = read.get("tables")?.as_object()?.iter().map(|(name, table)| Some((name.clone(), copied(table)?)));
        Some(Self {
            id: text(&read, "id")?,
            store: text(&read, "store")?,
            from: text(&read, "from")?,
            complete: read.get("complete")?.as_bool()?,
            tables: tables.collect::<Option<_>>()?,
        })
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(ToOwned::to_owned)
}

/// What a target holds.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing, or the tables with nothing in them.
    Empty,
    /// Something that no move has brought.
    Filled,
    /// What a move has brought, or has begun to.
    Marked(TargetMark),
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Course {
    /// Copy from the first row on; first delete an unfinished copy that is there, or not.
    Begin { anew: bool },
    /// Go on where an attempt has stopped.
    Resume(TargetMark),
    /// Everything is copied and the source knows: the target has to be told.
    Complete(TargetMark),
    /// Nothing: it is there.
    Done,
    /// Refuse: the source has been moved to another database.
    Elsewhere { to: String },
    /// Refuse: the target holds another store.
    Filled,
    /// Refuse: another store is being moved there.
    Contested { from: String },
}

/// Decides by the marks of both sides.
pub(crate) fn course(source: Option<&SourceMark>, store: &str, target: Found) -> Course {
    match (source, target) {
        (Some(SourceMark { id, to, moved: true }), found) => match found {
            Found::Marked(mark) if mark.id == *id && mark.complete => Course::Done,
            Found::Marked(mark) if mark.id == *id => Course::Complete(mark),
            Found::Marked(_) | Found::Empty | Found::Filled => Course::Elsewhere { to: to.clone() },
        },
        (_, Found::Empty) => Course::Begin { anew: false },
        (_, Found::Filled) => Course::Filled,
        (_, Found::Marked(mark)) if mark.complete => Course::Filled,
        (Some(source), Found::Marked(mark)) if mark.id == source.id => Course::Resume(mark),
        (_, Found::Marked(mark)) if mark.store == store => Course::Begin { anew: true },
        (_, Found::Marked(mark)) => Course::Contested { from: mark.from },
    }
}

/// What the source says.
pub(crate) fn source_mark(db: Db<'_>) -> Result<Option<SourceMark>, StoreError> {
    let Some(bytes) = meta::find(db, MOVE)? else { return Ok(None) };
    SourceMark::read(&bytes).map(Some).ok_or_else(|| meta::inconsistent(MOVE))
}

pub(crate) fn set_source_mark(db: Db<'_>, mark: &SourceMark) -> Result<(), StoreError> {
    meta::put(db, MOVE, &mark.write())
}

/// The move is given up.
pub(crate) fn delete_source_mark(db: Db<'_>) -> Result<(), StoreError> {
    meta::delete(db, MOVE)
}

/// What the target says, and the bytes it is written as.
pub(crate) fn target_mark(db: Db<'_>) -> Result<Option<(TargetMark, Vec<u8>)>, StoreError> {
    let Some(bytes) = meta::find(db, MOVE)? else { return Ok(None) };
    TargetMark::read(&bytes).map(|mark| Some((mark, bytes))).ok_or_else(|| meta::inconsistent(MOVE))
}

pub(crate) fn set_target_mark(db: Db<'_>, bytes: &[u8]) -> Result<(), StoreError> {
    meta::put(db, MOVE, bytes)
}

/// Writes another mark in place of the one that this process knows; `false`: another process has changed it.
pub(crate) fn replace_target_mark(db: Db<'_>, before: &[u8], bytes: &[u8]) -> Result<bool, StoreError> {
    meta::replace(db, MOVE, before, bytes)
}

/// Whether a server may start on this SQLite file. It may on one that was being moved: what was copied is out of date from then
/// on.
pub(crate) fn admit_source(db: Db<'_>, path: &Path) -> Result<(), OpenError> {
    match source_mark(db)? {
        Some(SourceMark { to, moved: true, .. }) => Err(OpenError::Moved { path: path.to_owned(), to }),
        Some(SourceMark { to, .. }) => {
            tracing::warn!(to, "a move of this store was not finished and is given up: the next one begins anew");
            Ok(delete_source_mark(db)?)
        }
        None => Ok(()),
    }
}

/// Whether a node may start on this PostgreSQL database: not before everything is there.
pub(crate) fn admit_target(db: Db<'_>, database: &dyn std::fmt::Display) -> Result<(), OpenError> {
    match target_mark(db)? {
        Some((mark, _)) if !mark.complete => Err(unfinished(database, &mark.from)),
        _ => Ok(()),
    }
}

/// The error of a database that is not complete yet.
pub(crate) fn unfinished(database: &dyn std::fmt::Display, from: &str) -> OpenError {
    OpenError::Unfinished { database: database.to_string(), from: from.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: &str, moved: bool) -> SourceMark {
        SourceMark { id: id.to_owned(), to: "postgres://there/x".to_owned(), moved }
    }

    fn target(id: &str, store: &str, complete: bool) -> TargetMark {
        let after = vec![Cell::Text("a\0\u{e9}".to_owned()), Cell::Integer(i64::MAX), Cell::Blob(vec![0, 255])];
        let tables = [("events".to_owned(), Copied { rows: 7, after }), ("queue".to_owned(), Copied::default())].into();
        TargetMark { id: id.to_owned(), store: store.to_owned(), from: "/b.db".to_owned(), complete, tables }
    }

    #[test]
    fn marks_are_read_as_they_were_written() {
        for mark in [source("x", false), source("y", true)] {
            assert_eq!(SourceMark::read(&mark.write()), Some(mark));
        }
        for mark in [target("x", "s", false), target("y", "s", true)] {
            assert_eq!(TargetMark::read(&mark.write()), Some(mark));
        }
        for bytes in [&b""[..], b"{}", b"[1]", br#"{"id":1,"to":"x","moved":true}"#] {
            assert_eq!((SourceMark::read(bytes), TargetMark::read(bytes)), (None, None));
        }
    }

    #[test]
    fn what_follows_from_the_marks() {
        let mark = |id, store, complete| Found::Marked(target(id, store, complete));
        let unfinished = source("1", false);
        let moved = source("1", true);
        let course = |source: Option<&SourceMark>, found| course(source, "mine", found);
        for source in [None, Some(&unfinished)] {
            assert_eq!(course(source, Found::Empty), Course::Begin { anew: false });
            assert_eq!(course(source, Found::Filled), Course::Filled);
            assert_eq!(course(source, mark("0", "mine", false)), Course::Begin { anew: true }, "what was copied is old");
            assert_eq!(course(source, mark("0", "other", false)), Course::Contested { from: "/b.db".to_owned() });
            assert_eq!(course(source, mark("0", "mine", true)), Course::Filled);
            assert_eq!(course(source, mark("0", "other", true)), Course::Filled);
        }
        assert_eq!(course(Some(&unfinished), mark("1", "mine", false)), Course::Resume(target("1", "mine", false)));
        assert_eq!(course(Some(&moved), mark("1", "mine", false)), Course::Complete(target("1", "mine", false)));
        assert_eq!(course(Some(&moved), mark("1", "mine", true)), Course::Done);
        for found in [Found::Empty, Found::Filled, mark("0", "mine", false), mark("0", "mine", true)] {
            assert_eq!(course(Some(&moved), found), Course::Elsewhere { to: moved.to.clone() });
        }
    }
}
