//! One connection to PostgreSQL, used by one thread at a time: how it is made, its transactions, and what becomes of it.
//!
//! The driver is asynchronous, and everything above it runs statements one after another on a thread that may block. So each
//! connection has a runtime of its own, which runs on that thread while it waits and nowhere else. Statements are sent by
//! `pipeline`.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use quick_cache::unsync::Cache;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Statement};

use super::address::PostgresUrl;
use super::fault::{CommitFate, CommitFaults, Fault, NoAnswer, describe};
use super::tls::connector;
use crate::StoreError;

/// Statements kept prepared.
const STATEMENTS_MAX: usize = 512;
/// How long the server is waited for; one that has not answered by then is taken for gone. It has given the statement up
/// itself by then, if it still runs.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(15);
/// The same for the beginning of a transaction, which waits for nothing.
pub(super) const BEGIN_MAX: Duration = Duration::from_secs(5);
/// The same where a statement may take its time.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// What each connection asks of the server. A node that is frozen within a transaction must not keep its locks for long.
const SETTINGS: &str = "SET statement_timeout = '12s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '5s'; SET jit = off";
/// A plan is made once, and depends neither on what is bound nor on how full a table was when somebody looked: every statement of
/// the store finds its rows by an index. Those over whole groups join by `= ANY(ARRAY[…])` for that; `plans` says why.
const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off";
/// For statements over whole tables.
const ANY_PLANS: &str = "RESET plan_cache_mode; RESET enable_seqscan; RESET enable_hashjoin; RESET enable_mergejoin";

/// A connection.
pub(crate) struct Session {
    /// Until it is dropped.
    runtime: Option<Runtime>,
    pub(super) client: Client,
    statements: RefCell<Cache<String, Statement>>,
    fault: Cell<Fault>,
    /// A statement of the transaction has failed: the server would answer a commit with a rollback.
    pub(super) failed: Cell<bool>,
    pub(super) answer_max: Cell<Duration>,
    /// An answer did not come in time: no other is waited for.
    silent: Cell<bool>,
    /// In a simulation.
    commit_faults: Option<CommitFaults>,
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
            statements: RefCell::new(Cache::new(STATEMENTS_MAX)),
            fault: Cell::default(),
            failed: Cell::default(),
            answer_max: Cell::new(BEGIN_MAX),
            silent: Cell::default(),
            commit_faults: None,
        };
        session.batch(&format!("{SETTINGS}; {PLANS}"))?;
        session.answer_max.set(ANSWER_MAX);
        Ok(session)
    }

    /// The same connection, which breaks at some of its commits.
    pub(crate) fn with_commit_faults(mut self, commit_faults: Option<CommitFaults>) -> Self {
        self.commit_faults = commit_faults;
        self
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

    /// Lifts the timeouts of the transaction's statements: for a migration, or for what deletes a lot.
    pub(crate) fn lift_timeouts(&self) -> Result<(), StoreError> {
        self.answer_max.set(PATIENCE);
        self.batch("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
    }

    /// Lets the server plan as it likes.
    pub(crate) fn plan_freely(&self) -> Result<(), StoreError> {
        self.batch(ANY_PLANS)
    }

    /// Lifts the timeouts of every statement outside of transactions.
    pub(crate) fn lift_timeouts_always(&self) -> Result<(), StoreError> {
        self.answer_max.set(PATIENCE);
        self.batch("SET statement_timeout = 0; SET lock_timeout = 0")
    }

    /// Commits, if every statement of the transaction succeeded.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        if self.failed.get() {
            self.batch("ROLLBACK")?;
            return Err(StoreError::Unavailable("a statement failed before".into()));
        }
        self.wait(self.send_commit())
    }

    /// Sends a commit. In a simulation the connection may break before or after the server carries it out.
    pub(super) async fn send_commit(&self) -> Result<(), NoAnswer> {
        let fate = self.commit_faults.as_ref().map_or(CommitFate::Answered, CommitFaults::next);
        let sql = if fate == CommitFate::Broken { "ROLLBACK" } else { "COMMIT" };
        self.client.batch_execute(sql).await.map_err(NoAnswer::Unknown)?;
        if fate == CommitFate::Answered { Ok(()) } else { Err(NoAnswer::Broken) }
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
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn wait<T, E: Into<NoAnswer>>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<T, StoreError> {
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
            NoAnswer::Broken => {
                self.silent.set(true);
                (Fault::Lost, StoreError::Unavailable("the connection broke".into()))
            }
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

impl Drop for Session {
    /// A runtime must not be waited for where other tasks run.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
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
