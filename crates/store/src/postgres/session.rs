//! One connection, used by one thread at a time.
//!
//! The driver is asynchronous, and everything above it runs statements one after another on a thread that may wait. So each
//! connection has a runtime of its own, which runs on that thread while it waits, and nowhere else.

mod pipeline;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Statement};

use super::address::PostgresUrl;
use super::tls::connector;
use super::values::read;
use crate::StoreError;
use crate::driver::{Param, Row, Set};

pub(crate) use pipeline::{Bound, Step};

/// Statements kept prepared.
const STATEMENTS_MAX: usize = 512;
/// How long the server is waited for; one that has not answered by then is taken for gone. It has given the statement up
/// itself by then, if it still runs.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// The same for the beginning of a transaction, which waits for nothing.
const BEGIN_MAX: Duration = Duration::from_secs(5);
/// The same where a statement may take its time.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Rows fetched at once where a result is streamed.
const FETCH_ROWS: usize = 1_000;
/// What each connection asks of the server. A node that is frozen within a transaction must not keep its locks for long.
const SETTINGS: &str = "SET statement_timeout = '12s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '5s'; SET jit = off";
/// A plan is made once, and depends neither on what is bound nor on how full a table was when somebody looked: every statement of
/// the store finds its rows by an index. Those over whole groups join by `= ANY(ARRAY[…])` for that; `plans` says why.
const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off";
/// For statements over whole tables.
const ANY_PLANS: &str = "RESET plan_cache_mode; RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin";

/// Held until the end of the transaction, by one node at a time.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

/// What has gone wrong with a connection or its transaction, where the caller can do better than to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// Nothing that trying again would help.
    #[default]
    None,
    /// The transaction met another's: the same again may succeed.
    Conflict,
    /// A partition of the history is missing.
    NoPartition,
    /// The connection is gone.
    Lost,
}

/// A connection.
pub(crate) struct Session {
    /// Until it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
    fault: Cell<Fault>,
    /// A statement of the transaction has failed: the server would only say that it rolled back what is to be committed.
    failed: Cell<bool>,
    answer_max: Cell<Duration>,
    /// An answer did not come in time: no other is waited for.
    silent: Cell<bool>,
}

impl Session {
    /// Connects. `notices` gets the payloads of notifications.
    pub(crate) fn connect(url: &PostgresUrl, notices: Option<mpsc::UnboundedSender<String>>) -> Result<Self, StoreError> {
        let unavailable = |error: &dyn std::fmt::Display| StoreError::Unavailable(error.to_string().into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| unavailable(&error))?;
        let connector = connector(url)?;
        // The driver's own limit is for TCP alone: somebody may take the connection and say nothing.
        let connect = |config: &Config| {
            let connected = async { tokio::time::timeout(url.connect_max(), config.connect(connector.clone())).await };
            runtime.block_on(connected).map_err(|_| unavailable(&"the database does not answer"))
        };
        let mut connected = connect(url.config())?;
        // `prefer` is content without TLS where the server's rules let nobody in with it (libpq does the same).
        if let (Err(error), Some(plain)) = (&connected, url.without_tls())
            && error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
        {
            connected = connect(&plain)?;
        }
        let (client, mut connection) = connected.map_err(|error| describe(&error).1)?;
        runtime.spawn(async move {
            let mut messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let (AsyncMessage::Notification(notification), Some(notices)) = (message, &notices) {
                    let _ = notices.send(notification.payload().to_owned());
                }
            }
        });
        let session = Self {
            runtime: Some(runtime),
            client,
            statements: RefCell::default(),
            fault: Cell::default(),
            failed: Cell::default(),
            answer_max: Cell::new(BEGIN_MAX),
            silent: Cell::default(),
        };
        session.batch(&format!("{SETTINGS}; {PLANS}"))?;
        session.answer_max.set(ANSWER_MAX);
        Ok(session)
    }

    /// What went wrong last; asking forgets it.
    pub(crate) fn take_fault(&self) -> Fault {
        if self.client.is_closed() || self.silent.get() { Fault::Lost } else { self.fault.take() }
    }

    /// Runs texts without parameters.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.wait(self.client.batch_execute(sql))
    }

    pub(crate) fn begin(&self) -> Result<(), StoreError> {
        self.begin_as("BEGIN")
    }

    /// Begins a transaction of some kind.
    pub(crate) fn begin_as(&self, sql: &str) -> Result<(), StoreError> {
        self.failed.set(false);
        self.answer_max.set(BEGIN_MAX);
        let begun = self.batch(sql);
        self.answer_max.set(ANSWER_MAX);
        begun
    }

    /// Runs a text that may take so long, outside of a transaction.
    pub(crate) fn batch_within(&self, sql: &str, time: Duration) -> Result<(), StoreError> {
        self.batch(&format!("SET statement_timeout = {}", time.as_millis()))?;
        self.answer_max.set(time + ANSWER_MAX);
        self.batch(sql)
    }

    /// Lets every statement of the transaction take its time: a migration, or what deletes a lot.
    pub(crate) fn be_patient(&self) -> Result<(), StoreError> {
        self.answer_max.set(PATIENCE);
        self.batch("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
    }

    /// Lets the server plan as it likes.
    pub(crate) fn read_whole_tables(&self) -> Result<(), StoreError> {
        self.batch(ANY_PLANS)
    }

    /// Lets every statement outside of transactions take its time.
    pub(super) fn be_patient_always(&self) -> Result<(), StoreError> {
        self.answer_max.set(PATIENCE);
        self.batch("SET statement_timeout = 0; SET lock_timeout = 0")
    }

    /// Commits, if every statement of the transaction succeeded.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        if self.failed.get() {
            self.batch("ROLLBACK")?;
            return Err(StoreError::Unavailable("a statement failed before".into()));
        }
        self.batch("COMMIT")
    }

    /// Runs `work` in a transaction of its own.
    pub(crate) fn transaction<T, E: From<StoreError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.begin()?;
        match work() {
            Ok(value) => self.commit().map(|()| value).map_err(E::from),
            Err(error) => {
                let fault = self.fault.take();
                let _ = self.batch("ROLLBACK");
                self.fault.set(fault);
                Err(error)
            }
        }
    }

    /// Keeps every other node from what `key` stands for, until the transaction ends.
    pub(super) fn lock_until_end(&self, key: i64) -> Result<(), StoreError> {
        self.execute(LOCK, &[Param::Int(key)]).map(drop)
    }

    pub(crate) fn query(&self, table: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.query_set(table, sql, &[], params)
    }

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
        let changed = self.wait(self.client.execute_raw(bound.statement(), bound.values()))?;
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

    /// Waits for a notification or until `time` has passed, whichever is first. The connection is served meanwhile.
    pub(crate) fn wait_for(&self, notices: &mut mpsc::UnboundedReceiver<String>, time: Duration) -> Option<String> {
        let runtime = self.runtime.as_ref()?;
        runtime.block_on(async { tokio::time::timeout(time, notices.recv()).await.ok().flatten() })
    }

    /// The prepared statement of a text.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(sql))?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn wait<T, E: Into<NoAnswer>>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<T, StoreError> {
        let Some(runtime) = &self.runtime else { return Err(StoreError::Closed) };
        if self.silent.get() {
            return Err(silent());
        }
        let answered = runtime.block_on(async { tokio::time::timeout(self.answer_max.get(), answer).await });
        let no_answer = match answered {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error.into(),
            Err(_) => NoAnswer::Silence,
        };
        self.failed.set(true);
        let (fault, error) = match no_answer {
            NoAnswer::Refused(error) => describe(&error),
            NoAnswer::Unknown(error) => (Fault::Lost, describe(&error).1),
            NoAnswer::Silence => {
                self.silent.set(true);
                (Fault::Lost, silent())
            }
        };
        self.fault.set(fault);
        Err(error)
    }
}

fn silent() -> StoreError {
    StoreError::Unavailable("the database does not answer".into())
}

/// Why a statement has no answer.
enum NoAnswer {
    /// It failed.
    Refused(tokio_postgres::Error),
    /// It failed, and may have been done all the same.
    Unknown(tokio_postgres::Error),
    /// Nothing came in time.
    Silence,
}

impl From<tokio_postgres::Error> for NoAnswer {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Refused(error)
    }
}

impl Drop for Session {
    /// A runtime must not be waited for where other tasks run.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What an error means for the connection, and for the caller.
pub(super) fn describe(error: &tokio_postgres::Error) -> (Fault, StoreError) {
    let Some(database) = error.as_db_error() else {
        let text: String = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let spoken = error.to_string().contains("serializing");
        return if spoken {
            (Fault::None, StoreError::Database(text.into()))
        } else {
            (Fault::Lost, StoreError::Unavailable(text.into()))
        };
    };
    let code = database.code();
    let text = format!("{} ({})", database.message(), code.code()).into();
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
        return (Fault::Conflict, StoreError::Unavailable(text));
    }
    if *code == SqlState::CHECK_VIOLATION && database.constraint().is_none() {
        return (Fault::NoPartition, StoreError::Unavailable(text));
    }
    // Connections, resources, an operator at work, a server that starts or stops, one that only reads since a failover.
    let gone = ["08", "57P", "25006"].iter().any(|class| code.code().starts_with(class));
    let passing = ["53", "55P03", "57014", "25P"].iter().any(|class| code.code().starts_with(class));
    match (gone, passing) {
        (true, _) => (Fault::Lost, StoreError::Unavailable(text)),
        (false, true) => (Fault::None, StoreError::Unavailable(text)),
        (false, false) => (Fault::None, StoreError::Database(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_connections_and_says_nothing_is_not_waited_for() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://a@{}/b?connect_timeout=1", silent.local_addr().unwrap());
        let refused = Session::connect(&url.parse().unwrap(), None).err();
        assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{refused:?}");
    }
}
