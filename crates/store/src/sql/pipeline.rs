//! Running statements on a connection to PostgreSQL, one by one or several in one round trip.
//!
//! A round trip costs more than most statements: two processes have to be woken up, each behind others on a busy machine. So
//! what need not wait for an answer is sent along with what goes before it. The server still carries out one after another.

use std::pin::pin;

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;

use super::bound::{Bound, BoundValue, Step};
use super::fault::NoAnswer;
use super::param::{Param, Set};
use super::row::Row;
use super::session::{ANSWER_MAX, BEGIN_MAX, Session};
use super::values::{arrays, read};
use crate::StoreError;

/// Rows fetched at once where a result is streamed.
const FETCH_ROWS: usize = 1_000;

impl Session {
    /// Runs a query; every row it finds.
    pub(crate) fn query(&self, table: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.query_set(table, sql, &[], params)
    }

    /// Runs a statement; the number of rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<usize, StoreError> {
        self.execute_set(sql, &[], params)
    }

    /// A query over sets of rows, whose columns are arrays: `$1`, `$2`, …; `rest` follows them.
    pub(crate) fn query_set(
        &self,
        table: &'static str,
        sql: &str,
        sets: &[Set<'_, '_>],
        rest: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let bound = self.bind(table, sql, sets, rest)?;
        self.wait(self.rows(&bound))?.into_iter().collect()
    }

    /// As [`Session::query_set`], for statements that answer nothing; the number of rows changed.
    pub(crate) fn execute_set(&self, sql: &str, sets: &[Set<'_, '_>], rest: &[Param<'_>]) -> Result<usize, StoreError> {
        let bound = self.bind("", sql, sets, rest)?;
        let changed = self.wait(self.client.execute_raw(&bound.statement, bound.values()))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// Streams a query without parameters through a cursor; within a transaction.
    pub(crate) fn for_each(
        &self,
        table: &'static str,
        sql: &str,
        each: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.batch(&format!("DECLARE streamed NO SCROLL CURSOR FOR {sql}"))?;
        loop {
            // Not kept prepared: each cursor has rows of its own shape.
            let fetched = self.wait(self.client.query(&format!("FETCH {FETCH_ROWS} FROM streamed"), &[]))?;
            for row in &fetched {
                each(&read(row, table)?)?;
            }
            if fetched.len() < FETCH_ROWS {
                return self.batch("CLOSE streamed");
            }
        }
    }

    /// A statement with its values, to be sent with others: see [`Session::pipeline`].
    pub(crate) fn bind<'a>(
        &self,
        table: &'static str,
        sql: &str,
        sets: &[Set<'_, 'a>],
        rest: &[Param<'a>],
    ) -> Result<Bound<'a>, StoreError> {
        let statement = self.prepare(sql)?;
        let mut values: Vec<BoundValue<'a>> = sets.iter().flat_map(|(kinds, cells)| arrays(kinds, cells)).collect();
        values.extend(rest.iter().map(|one| -> BoundValue<'a> { Box::new(*one) }));
        Ok(Bound { table, statement, values })
    }

    /// Takes all steps in one round trip: what each of them answers, or the first error. Within a transaction, a step after
    /// one that failed does nothing, and a commit takes all of them back.
    pub(crate) fn pipeline<'s>(&self, steps: impl IntoIterator<Item = Step<'s>>) -> Result<Vec<Vec<Row>>, StoreError> {
        let answers = self.wait(try_join_all(steps.into_iter().map(|step| self.take(step))))?;
        answers.into_iter().map(|rows| rows.into_iter().collect()).collect()
    }

    async fn take(&self, step: Step<'_>) -> Result<Vec<Result<Row, StoreError>>, NoAnswer> {
        match step {
            Step::Begin => {
                let begun = tokio::time::timeout(BEGIN_MAX, self.client.batch_execute("BEGIN")).await;
                begun.map_err(|_| NoAnswer::Silence)??;
                Ok(Vec::new())
            }
            Step::Run(bound) => Ok(self.rows(bound).await?),
            Step::Commit => {
                self.send_commit().await?;
                Ok(Vec::new())
            }
        }
    }

    /// Begins a transaction and runs its first statement.
    pub(crate) fn begin_with(&self, first: &Bound<'_>) -> Result<Vec<Row>, StoreError> {
        self.failed.set(false);
        self.answer_max.set(ANSWER_MAX);
        Ok(self.pipeline([Step::Begin, Step::Run(first)])?.pop().unwrap_or_default())
    }

    /// What a statement answers; a row that cannot be read is told from a statement that failed.
    async fn rows(&self, bound: &Bound<'_>) -> Result<Vec<Result<Row, StoreError>>, tokio_postgres::Error> {
        let mut rows = pin!(self.client.query_raw(&bound.statement, bound.values()).await?);
        let mut found = Vec::new();
        while let Some(row) = rows.try_next().await? {
            found.push(read(&row, bound.table));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
