//! What a move writes down on both sides, and what follows from what is found there.
//!
//! The source says in its `meta` where it is being moved, and in the end that it has been. The target says in its own from where
//! and how far. Of the two, a `bellwire serve` starts on a source that is not marked as moved, and on a target that is not
//! marked as unfinished: so the source gets its final mark first, and there is no instant at which both would start.
//!
//! Each attempt to fill a target has an id. A server that is started on the source in between takes the unfinished mark away,
//! since from then on what was copied is old: the ids on both sides differ, and the target is filled anew.

use std::collections::BTreeMap;

use rusqlite::types::Value as Cell;
use serde_json::{Map, Value, json};

/// Where the store is being moved, as the source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceMark {
    /// Of this attempt.
    pub(super) id: String,
    /// The target, without its password.
    pub(super) to: String,
    /// Whether it is there, and nothing may be delivered from here.
    pub(super) moved: bool,
}

impl SourceMark {
    pub(super) fn write(&self) -> Vec<u8> {
        json!({ "id": self.id, "to": self.to, "moved": self.moved }).to_string().into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let read: Value = serde_json::from_slice(bytes).ok()?;
        Some(Self { id: text(&read, "id")?, to: text(&read, "to")?, moved: read.get("moved")?.as_bool()? })
    }
}

/// From where the target is being filled, and how far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TargetMark {
    /// Of this attempt.
    pub(super) id: String,
    /// The source's own id, whatever its file is called.
    pub(super) store: String,
    /// The source's file.
    pub(super) from: String,
    /// Whether it may be served.
    pub(super) complete: bool,
    /// What has been copied of each table.
    pub(super) tables: BTreeMap<String, Copied>,
}

/// How much of a table has been copied.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Copied {
    pub(super) rows: u64,
    /// The key of the last row; empty: none was.
    pub(super) after: Vec<Cell>,
}

impl TargetMark {
    pub(super) fn write(&self) -> Vec<u8> {
        let copied = |copied: &Copied| {
            let after = copied.after.iter().map(|cell| match cell {
                Cell::Integer(value) => json!(value),
                Cell::Text(value) => json!(value),
                _ => Value::Null, // no key has such
            });
            json!({ "rows": copied.rows, "after": after.collect::<Vec<_>>() })
        };
        let tables: Map<String, Value> = self.tables.iter().map(|(name, table)| (name.clone(), copied(table))).collect();
        let (id, store, from) = (&self.id, &self.store, &self.from);
        json!({ "id": id, "store": store, "from": from, "complete": self.complete, "tables": tables }).to_string().into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let read: Value = serde_json::from_slice(bytes).ok()?;
        let copied = |value: &Value| {
            let cell = |cell: &Value| match cell {
                Value::Number(number) => number.as_i64().map(Cell::Integer),
                Value::String(text) => Some(Cell::Text(text.clone())),
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
pub(super) enum Found {
    /// Nothing, or the tables with nothing in them.
    Empty,
    /// Something that no move has brought.
    Filled,
    /// What a move has brought, or has begun to.
    Marked(TargetMark),
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Course {
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
pub(super) fn course(source: Option<&SourceMark>, store: &str, target: Found) -> Course {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(id: &str, moved: bool) -> SourceMark {
        SourceMark { id: id.to_owned(), to: "postgres://there/x".to_owned(), moved }
    }

    fn target(id: &str, store: &str, complete: bool) -> TargetMark {
        let after = vec![Cell::Text("a\0\u{e9}".to_owned()), Cell::Integer(i64::MAX)];
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
