//! Rows on their way out of a query.

use rusqlite::types::Value;

use super::cell::Cell;
use crate::StoreError;

/// One row, with the table it came from for errors.
#[derive(Debug)]
pub(crate) struct Row {
    cells: Vec<Value>,
    table: &'static str,
}

impl Row {
    pub(super) fn new(
        mut cells: impl ExactSizeIterator<Item = Result<Value, StoreError>>,
        table: &'static str,
    ) -> Result<Self, StoreError> {
        let mut row = Self { cells: Vec::with_capacity(cells.len()), table }; // `collect` would not know how many there are
        cells.try_for_each(|cell| cell.map(|cell| row.cells.push(cell)))?;
        Ok(row)
    }

    /// The only cell of a query that selects one expression.
    pub(crate) fn value<'r, T: Cell<'r>>(&'r self, what: &'static str) -> Result<T, StoreError> {
        self.cells().take(what)
    }

    /// All its cells, to be read in the order of the query's SELECT list.
    pub(super) const fn cells(&self) -> Cells<'_> {
        Cells { row: self, next: 0 }
    }

    fn wrong(&self, column: &'static str) -> StoreError {
        let id = match self.cells.first() {
            Some(Value::Text(id)) => id.clone(),
            Some(Value::Integer(id)) => id.to_string(),
            _ => "unknown".to_owned(),
        };
        StoreError::Inconsistent { table: self.table, column, id }
    }
}

/// The cells of a row that have not been read yet.
pub(crate) struct Cells<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Cells<'r> {
    /// The next one, which the query selected as `column`.
    pub(crate) fn take<T: Cell<'r>>(&mut self, column: &'static str) -> Result<T, StoreError> {
        let cell = self.row.cells.get(self.next);
        self.next += 1;
        cell.and_then(T::read).ok_or_else(|| self.row.wrong(column))
    }

    /// Whether the next `count` are all NULL: the other side of an outer join had no row. They are passed over then.
    pub(super) fn skip_nulls(&mut self, count: usize) -> bool {
        let cells = self.row.cells.get(self.next..self.next + count).unwrap_or_default();
        let none = cells.iter().all(|cell| matches!(cell, Value::Null));
        self.next += if none { count } else { 0 };
        none
    }
}
