//! Paths from a variable to a value inside it, such as `event.data.lines[0].sku`.

use std::borrow::Cow;

use crate::json;
use crate::piece::{EvalError, Piece};
use crate::variables::{Scope, Variable};

/// A variable, and the steps to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) variable: Variable,
    pub(crate) inside: Vec<Segment>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl Path {
    /// The steps inside the variable, up to the first that is not a name.
    pub(crate) fn names_inside(&self) -> Vec<&str> {
        self.inside.iter().map_while(Segment::key).collect()
    }

    /// The value at its end, or `Absent`. Looking for it is charged, since each step reads the value from its start.
    pub(crate) fn find<'a>(&self, scope: Scope<'a>) -> Result<Piece<'a>, EvalError> {
        let value = scope.get(&self.variable);
        if self.inside.is_empty() {
            return Ok(value);
        }
        scope.meter().step(value.len())?;
        Ok(match value {
            Piece::Json(Cow::Borrowed(raw)) => self.walk(raw).map_or(Piece::Absent, |raw| Piece::Json(Cow::Borrowed(raw))),
            Piece::Json(Cow::Owned(raw)) => self.walk(&raw).map_or(Piece::Absent, |raw| Piece::Json(Cow::Owned(raw.to_owned()))),
            _ => Piece::Absent,
        })
    }

    fn walk<'r>(&self, raw: &'r str) -> Option<&'r str> {
        self.inside.iter().try_fold(raw, |raw, segment| match segment {
            Segment::Key(key) => json::member(raw, key),
            Segment::Index(index) => json::element(raw, *index),
        })
    }
}

impl Segment {
    /// The name, if it is one.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}
