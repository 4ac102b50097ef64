//! Queries by what they read.

use std::marker::PhantomData;

use super::columns::{Columns, select};
use super::db::Db;
use super::param::Param;
use super::row::Row;
use crate::StoreError;

/// A query: what it reads, and everything after its SELECT list.
pub(crate) struct Select<C> {
    rest: &'static str,
    reads: PhantomData<fn() -> C>,
}

impl<C: for<'r> Columns<'r>> Select<C> {
    /// A query that goes on with `rest`: `FROM …`.
    pub(crate) const fn new(rest: &'static str) -> Self {
        Self { rest, reads: PhantomData }
    }

    /// The whole text.
    pub(crate) fn sql(&self) -> String {
        select::<C>(self.rest)
    }

    /// Everything it finds.
    pub(crate) fn list(&self, db: Db<'_>, params: &[Param<'_>]) -> Result<Vec<C>, StoreError> {
        db.query(C::TABLE, &self.sql(), params)?.iter().map(Row::read).collect()
    }

    /// The first that it finds.
    pub(crate) fn find(&self, db: Db<'_>, params: &[Param<'_>]) -> Result<Option<C>, StoreError> {
        db.find(C::TABLE, &self.sql(), params)?.map(|row| row.read()).transpose()
    }
}
