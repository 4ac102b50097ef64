//! Several statements on one way to the server and back.
//!
//! A way costs more than most statements: two processes have to be woken, on a busy machine each behind others. So what need not
//! wait for an answer is sent along with what goes before it. The server takes one after another all the same.

use std::pin::pin;

use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::{ANSWER_MAX, BEGIN_MAX, NoAnswer, Session};
use crate::StoreError;
use crate::driver::{Param, Row, Set};
use crate::postgres::values::{arrays, read};

/// A value on its way to the server.
type Value<'a> = Box<dyn ToSql + Sync + 'a>;

/// A statement with its values.
pub(crate) struct Bound<'a> {
    /// Where its rows come from, for errors.
    table: &'static str,
    statement: Statement,
    values: Vec<Value<'a>>,
}

impl Bound<'_> {
    pub(super) const fn statement(&self) -> &Statement {
        &self.statement
    }

    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &(dyn ToSql + Sync)> {
        self.values.iter().map(|value| -> &(dyn ToSql + Sync) { &**value })
    }
}

/// What a [`Session::pipeline`] is made of.
#[derive(Clone, Copy)]
pub(crate) enum Step<'s> {
    /// Begins a transaction.
    Begin,
    /// Runs a statement.
    Run(&'s Bound<'s>),
    /// Commits. When it fails, nobody knows whether the transaction is committed: the connection is to be taken for lost.
    Commit,
}

impl Session {
    /// A statement with its values, to be sent with others: see [`Session::pipeline`].
    pub(crate) fn bind<'a>(
        &self,
        table: &'static str,
        sql: &str,
        sets: &[Set<'_, 'a>],
        rest: &[Param<'a>],
    ) -> Result<Bound<'a>, StoreError> {
        let statement = self.prepare(sql)?;
        let mut values: Vec<Value<'a>> = sets.iter().flat_map(|(kinds, cells)| arrays(kinds, cells)).collect();
        values.extend(rest.iter().map(|one| -> Value<'a> { Box::new(*one) }));
        Ok(Bound { table, statement, values })
    }

    /// Takes all steps on one way to the server and back: what each of them answers, or the first error. Within a
    /// transaction a step that follows one that failed does nothing; a commit takes back all of them.
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
                self.client.batch_execute("COMMIT").await.map_err(NoAnswer::Unknown)?;
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
    pub(super) async fn rows(&self, bound: &Bound<'_>) -> Result<Vec<Result<Row, StoreError>>, tokio_postgres::Error> {
        let mut rows = pin!(self.client.query_raw(&bound.statement, bound.values()).await?);
        let mut found = Vec::new();
        while let Some(row) = rows.try_next().await? {
            found.push(read(&row, bound.table));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::params;
    use crate::postgres::migrations::tests::migrated;
    use crate::postgres::session::Fault;

    const INSERT: &str = "INSERT INTO numbers (number) VALUES ($1)";

    /// A table in which no number may be twice, checked when `checked` says.
    fn with_numbers(checked: &str) -> Session {
        let (session, _) = migrated();
        session.batch(&format!("CREATE TEMPORARY TABLE numbers (number BIGINT UNIQUE {checked})")).unwrap();
        session
    }

    fn count(session: &Session) -> i64 {
        session.query("numbers", "SELECT COUNT(*) FROM numbers", &[]).unwrap()[0].int(0, "count").unwrap()
    }

    #[test]
    fn steps_are_taken_in_order_and_each_is_answered() {
        let session = with_numbers("");
        let insert = session.bind("numbers", INSERT, &[], params![1i64]).unwrap();
        let read = session.bind("numbers", "SELECT number FROM numbers", &[], &[]).unwrap();
        assert!(session.begin_with(&read).unwrap().is_empty());
        let answers = session.pipeline([Step::Run(&insert), Step::Run(&read), Step::Commit]).unwrap();
        assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0]);
        session.batch("ROLLBACK").unwrap(); // of nothing: it is committed
        assert_eq!(count(&session), 1);
    }

    #[test]
    fn a_commit_behind_a_statement_that_failed_takes_everything_back() {
        let session = with_numbers("");
        let insert = session.bind("numbers", INSERT, &[], params![1i64]).unwrap();
        session.begin_with(&insert).unwrap();
        let refused = session.pipeline([Step::Run(&insert), Step::Commit]).unwrap_err();
        assert!(matches!(&refused, StoreError::Database(why) if why.to_string().contains("23505")), "{refused:?}");
        assert_eq!((session.take_fault(), count(&session)), (Fault::None, 0));
    }

    #[test]
    fn after_a_commit_that_failed_the_connection_is_lost() {
        let session = with_numbers("DEFERRABLE INITIALLY DEFERRED");
        let insert = session.bind("numbers", INSERT, &[], params![1i64]).unwrap();
        session.begin_with(&insert).unwrap();
        session.pipeline([Step::Run(&insert), Step::Commit]).unwrap_err();
        assert_eq!(session.take_fault(), Fault::Lost);
    }
}
