//! What goes wrong on a connection to PostgreSQL, and what that means for its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_postgres::error::SqlState;

use crate::StoreError;

/// What has gone wrong with a connection or its transaction, where the caller can do better than give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    /// Nothing that another try would help.
    #[default]
    None,
    /// The transaction met another one: the same again may succeed.
    Conflict,
    /// A partition of the history is missing.
    NoPartition,
    /// The connection is gone.
    Lost,
}

/// Why a statement has no answer.
pub(super) enum NoAnswer {
    /// It failed.
    Refused(tokio_postgres::Error),
    /// It failed, and may have been carried out all the same.
    Unknown(tokio_postgres::Error),
    /// The connection broke as it was sent, and it may have been carried out all the same.
    Broken,
    /// Nothing came in time.
    Silence,
}

impl From<tokio_postgres::Error> for NoAnswer {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Refused(error)
    }
}

/// Breaks a connection at its commits, for simulations: every other time after the server has committed.
#[derive(Clone)]
pub(crate) struct CommitFaults {
    /// Whether the next commit goes well.
    commits: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Whether the server had committed the last time: the next time it will not have.
    done_before: Arc<AtomicBool>,
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitFate {
    /// It is answered.
    Answered,
    /// The server commits, and the connection breaks before it says so.
    DoneAndBroken,
    /// The connection breaks before the server commits.
    Broken,
}

impl CommitFaults {
    pub(crate) fn new(commits: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self { commits, done_before: Arc::default() }
    }

    pub(super) fn next(&self) -> CommitFate {
        if (self.commits)() {
            return CommitFate::Answered;
        }
        let is_done = !self.done_before.fetch_not(Ordering::Relaxed);
        if is_done { CommitFate::DoneAndBroken } else { CommitFate::Broken }
    }
}

/// What an error means for the connection, and for the caller.
pub(super) fn describe(error: &tokio_postgres::Error) -> (Fault, StoreError) {
    let Some(database) = error.as_db_error() else {
        let text: String = match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        // A value that does not fit its parameter never left this side: the connection is as it was.
        let is_ours = error.to_string().contains("serializing");
        return if is_ours {
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
    // Connections, resources, an operator at work, a server that starts or stops, one that has become read-only by a failover.
    let gone = ["08", "57P", "25006"].iter().any(|class| code.code().starts_with(class));
    let passing = ["53", "55P03", "57014", "25P"].iter().any(|class| code.code().starts_with(class));
    match (gone, passing) {
        (true, _) => (Fault::Lost, StoreError::Unavailable(text)),
        (false, true) => (Fault::None, StoreError::Unavailable(text)),
        (false, false) => (Fault::None, StoreError::Database(text)),
    }
}
