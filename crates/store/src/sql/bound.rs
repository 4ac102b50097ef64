//! Statements for PostgreSQL with their values, ready to be sent together.

use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

/// A value on its way to the server.
pub(super) type BoundValue<'a> = Box<dyn ToSql + Sync + 'a>;

/// A statement with its values.
pub(crate) struct Bound<'a> {
    /// Where its rows come from, for errors.
    pub(super) table: &'static str,
    pub(super) statement: Statement,
    pub(super) values: Vec<BoundValue<'a>>,
}

impl Bound<'_> {
    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &(dyn ToSql + Sync)> {
        self.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value })
    }
}

/// One step of a pipeline.
#[derive(Clone, Copy)]
pub(crate) enum Step<'s> {
    /// Begins a transaction.
    Begin,
    /// Runs a statement.
    Run(&'s Bound<'s>),
    /// Commits. When this fails, nobody knows whether the transaction is committed: the connection counts as lost.
    Commit,
}
