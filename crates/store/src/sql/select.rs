//! Queries by what they read.

use std::marker::PhantomData;
use std::sync::OnceLock;

use super::columns::{Columns, select};
use super::db::Db;
use super::param::Param;
use super::row::Row;
use crate::StoreError;

/// A query: what it reads, and everything after its SELECT list. It is a `static`: its text is made once, at its first use, as
/// some queries run for every event and every attempt.
pub(crate) struct Select<C> {
    rest: &'static str,
    text: OnceLock<String>,
    reads: PhantomData<fn() -> C>,
}

impl<C: for<'r> Columns<'r>> Select<C> {
    /// A query that goes on with `rest`: `FROM …`.
    pub(crate) const fn new(rest: &'static str) -> Self {
        Self { rest, text: OnceLock::new(), reads: PhantomData }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| select::<C>(self.rest))
    }

    /// The same for a list of statements to prepare.
    #[cfg(test)]
    pub(crate) fn sql(&self) -> String {
        self.text().to_owned()
    }

    /// Everything it finds.
    pub(crate) fn list(&self, db: Db<'_>, params: &[Param<'_>]) -> Result<Vec<C>, StoreError> {
        db.query(C::TABLE, self.text(), params)?.iter().map(Row::read).collect()
    }

    /// The first that it finds.
    pub(crate) fn find(&self, db: Db<'_>, params: &[Param<'_>]) -> Result<Option<C>, StoreError> {
        db.find(C::TABLE, self.text(), params)?.map(|row| row.read()).transpose()
    }
}
