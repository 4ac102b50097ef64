//! The one writer of an SQLite file: a thread that owns the writing connection and commits in groups.
//!
//! Callers send a job and wait. The thread takes the jobs that are waiting (`jobs` says which, where there are many), runs them in
//! one transaction, commits once, and has a task of the runtime answer them all; whatever arrives meanwhile shares the next commit.
//! There is no timer: alone, a write commits at once.
//!
//! Publishing and recording, the two hot jobs, are merged into statements over all their rows. The others run one by one, each
//! in a savepoint, so that one that fails takes nothing else with it.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bellwire_domain::{Clock, Entropy};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;

use crate::delivery_ids::DeliveryIds;
use crate::driver::Db;
use crate::handoff::HandOff;
use crate::jobs::{self, Group, Job, Jobs, Reply, Run};
use crate::lease::Lease;
use crate::outcomes::{OutcomeStatements, RecordJob};
use crate::publish::{PublishJob, PublishStatements};
use crate::{StoreError, checkpointer, outcomes, publish};

/// What the writing side needs besides the connection.
#[derive(Clone)]
pub(crate) struct WriteContext {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) handoff: Arc<HandOff>,
    /// Marks the rows that this process holds.
    pub(crate) lease: Arc<Lease>,
    /// Live deliveries that one account may have.
    pub(crate) account_backlog_max: i64,
    /// Draws the ids of deliveries.
    pub(crate) delivery_ids: Arc<DeliveryIds>,
}

/// Starts the writer on a thread, and one for checkpoints beside it. They end when every sender is gone.
pub(crate) fn start(
    mut writer: Writer,
    path: &Path,
    jobs_max: usize,
) -> Result<(mpsc::Sender<Job>, Option<JoinHandle<()>>), StoreError> {
    let (sender, jobs) = jobs::channel(jobs_max);
    let checkpoints = checkpointer::start(&mut writer.connection, path)?;
    let answers = answering(writer.context.clone());
    let thread = std::thread::Builder::new()
        .name("bellwire-writer".to_owned())
        .spawn(move || {
            writer.run(jobs, &answers);
            drop(writer);
            let _ = checkpoints.join();
        })
        .map_err(|error| StoreError::Database(error.to_string().into()))?;
    Ok((sender, Some(thread)))
}

/// Starts a task that answers groups in the order in which they come: to wake many callers is cheaper from within their runtime
/// than from a thread, which goes on with the next group meanwhile. It ends when the sender is gone.
pub(crate) fn answering(context: WriteContext) -> mpsc::UnboundedSender<Done> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Done>();
    let task = async move {
        while let Some(done) = receiver.recv().await {
            done.answer(&context);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the writer, which `close` waits for")]
    drop(tokio::spawn(task));
    sender
}

/// Starts the writer as a task of the current runtime. It ends when every sender is gone.
pub(crate) fn start_inline(
    mut writer: Writer,
    commits: Arc<dyn Fn() -> bool + Send + Sync>,
    jobs_max: usize,
) -> Result<mpsc::Sender<Job>, StoreError> {
    writer.connection.pragma_update(None, "synchronous", "OFF")?;
    writer.connection.commit_hook(Some(move || !commits()))?;
    let (sender, mut jobs) = jobs::channel(jobs_max);
    let task = async move {
        while let Some(group) = jobs.next().await {
            let done = writer.commit(group);
            tokio::task::yield_now().await; // committed and not yet answered: a simulated crash may come here
            done.answer(&writer.context);
        }
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the store's last sender, which `close` drops")]
    drop(tokio::spawn(task));
    Ok(sender)
}

/// The writing side: the connection and what its jobs need.
pub(crate) struct Writer {
    connection: Connection,
    context: WriteContext,
    publish_statements: PublishStatements,
    outcome_statements: OutcomeStatements,
}

/// A group whose transaction has ended, before anybody knows.
pub(crate) struct Done {
    pub(crate) replies: Vec<Reply>,
    pub(crate) records: Vec<RecordJob>,
    pub(crate) publishes: Vec<PublishJob>,
    pub(crate) result: Result<(outcomes::Recorded, publish::Published), StoreError>,
}

impl Done {
    /// Answers every caller and hands what was committed to the engine.
    pub(crate) fn answer(self, context: &WriteContext) {
        match self.result {
            Ok((recorded, published)) => {
                self.replies.into_iter().for_each(|reply| reply(Ok(())));
                outcomes::answer(self.records, recorded, context);
                publish::answer(self.publishes, published, context);
            }
            Err(error) => {
                tracing::error!(error = %error, "a group of writes was rolled back");
                self.replies.into_iter().for_each(|reply| reply(Err(error.clone())));
                self.records.into_iter().for_each(|job| job.fail(&error));
                self.publishes.into_iter().for_each(|job| job.fail(&error));
            }
        }
    }
}

impl Writer {
    pub(crate) fn new(connection: Connection, context: WriteContext) -> Self {
        let (publish_statements, outcome_statements) = (PublishStatements::new(), OutcomeStatements::new());
        Self { connection, context, publish_statements, outcome_statements }
    }

    fn run(&mut self, mut jobs: Jobs, answers: &mpsc::UnboundedSender<Done>) {
        while let Some(group) = jobs.next_on_thread() {
            let _ = answers.send(self.commit(group));
        }
    }

    /// Runs a group in one transaction and commits.
    fn commit(&mut self, group: Group) -> Done {
        let started = std::time::Instant::now();
        let Group { writes, records, publishes } = group;
        let mut replies = Vec::with_capacity(writes.len());
        let result = self.transact(writes, &records, &publishes, &mut replies);
        metrics::histogram!("bellwire_store_commit_seconds").record(started.elapsed().as_secs_f64());
        Done { replies, records, publishes, result }
    }

    fn transact(
        &mut self,
        writes: Vec<Run>,
        records: &[RecordJob],
        jobs: &[PublishJob],
        replies: &mut Vec<Reply>,
    ) -> Result<(outcomes::Recorded, publish::Published), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let db = Db::Sqlite(&transaction);
        for run in writes {
            db.execute("SAVEPOINT job", &[])?;
            let (reply, keep) = run(Ok(db));
            replies.push(reply);
            if !keep {
                db.execute("ROLLBACK TO job", &[])?;
            }
            db.execute("RELEASE job", &[])?;
        }
        let recorded = outcomes::record(db, &self.context, &self.outcome_statements, records)?;
        let published = publish::publish(db, &self.context, &self.publish_statements, jobs)?;
        match transaction.commit() {
            Ok(()) => Ok((recorded, published)),
            Err(error) => {
                published.abandon(&self.context);
                Err(error.into())
            }
        }
    }
}
