//! The one writer: a thread that owns the writing connection and commits in groups.
//!
//! Callers send a job and wait. The thread takes every job that is waiting, runs them in one transaction, commits once, and
//! answers them all; whatever arrives meanwhile shares the next commit. There is no timer: alone, a write commits at once.
//!
//! Publishing and recording, the two hot jobs, are merged into statements over all their rows. The others run one by one, each
//! in a savepoint, so that one that fails takes nothing else with it.

use std::sync::Arc;

use bellwire_domain::{Clock, Entropy};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::driver::Db;
use crate::handoff::HandOff;
use crate::outcomes::{OutcomeStatements, RecordJob};
use crate::publish::{PublishJob, PublishStatements};
use crate::{StoreError, outcomes, publish};

/// Jobs that share one commit at most.
const GROUP_JOBS_MAX: usize = 1_024;

/// Called with the commit's result: answers the job's caller.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Runs a job's statements; the reply, and whether its changes are to be kept.
type Run = Box<dyn FnOnce(Db<'_>) -> (Reply, bool) + Send>;

pub(crate) enum Job {
    Publish(PublishJob),
    Record(RecordJob),
    Write(Run),
}

/// What the writing side needs besides the connection.
pub(crate) struct WriteContext {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) handoff: Arc<HandOff>,
    /// Marks the rows that this process holds; another process's rows are those of a dead one.
    pub(crate) claim_token: String,
    /// Live deliveries that one account may have.
    pub(crate) account_backlog_max: i64,
}

/// A job that runs `work` in a savepoint and answers through the receiver.
pub(crate) fn write_job<T, E>(
    work: impl FnOnce(Db<'_>) -> Result<T, E> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let run: Run = Box::new(move |db| {
        let result = work(db);
        let keep = result.is_ok();
        let reply: Reply = Box::new(move |commit| {
            let _ = sender.send(commit.map_err(E::from).and(result));
        });
        (reply, keep)
    });
    (Job::Write(run), receiver)
}

/// Starts the thread. It ends when every sender is gone.
pub(crate) fn start(
    connection: Connection,
    context: WriteContext,
    jobs_max: usize,
) -> Result<(mpsc::Sender<Job>, std::thread::JoinHandle<()>), StoreError> {
    let (sender, receiver) = mpsc::channel(jobs_max);
    let mut writer = Writer {
        connection,
        context,
        publish_statements: PublishStatements::new(),
        outcome_statements: OutcomeStatements::new(),
    };
    let thread = std::thread::Builder::new()
        .name("bellwire-writer".to_owned())
        .spawn(move || writer.run(receiver))
        .map_err(|error| StoreError::Database(error.to_string().into()))?;
    Ok((sender, thread))
}

struct Writer {
    connection: Connection,
    context: WriteContext,
    publish_statements: PublishStatements,
    outcome_statements: OutcomeStatements,
}

/// The waiting jobs, by kind.
#[derive(Default)]
struct Group {
    writes: Vec<Run>,
    records: Vec<RecordJob>,
    publishes: Vec<PublishJob>,
}

impl Group {
    fn push(&mut self, job: Job) {
        match job {
            Job::Publish(job) => self.publishes.push(job),
            Job::Record(job) => self.records.push(job),
            Job::Write(run) => self.writes.push(run),
        }
    }
}

impl Writer {
    fn run(&mut self, mut receiver: mpsc::Receiver<Job>) {
        while let Some(first) = receiver.blocking_recv() {
            let mut group = Group::default();
            group.push(first);
            for _ in 1..GROUP_JOBS_MAX {
                match receiver.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
            self.commit(group);
        }
    }

    /// Runs a group in one transaction, commits, and answers every caller.
    fn commit(&mut self, group: Group) {
        let started = std::time::Instant::now();
        let Group { writes, records, publishes } = group;
        let mut replies = Vec::with_capacity(writes.len());
        let outcome = self.transact(writes, &records, &publishes, &mut replies);
        metrics::histogram!("bellwire_store_commit_seconds").record(started.elapsed().as_secs_f64());
        match outcome {
            Ok((recorded, published)) => {
                for reply in replies {
                    reply(Ok(()));
                }
                outcomes::answer(records, recorded, &self.context);
                publish::answer(publishes, published, &self.context);
            }
            Err(error) => {
                tracing::error!(error = %error, "a group of writes was rolled back");
                for reply in replies {
                    reply(Err(error.clone()));
                }
                for job in records {
                    job.fail(&error);
                }
                for job in publishes {
                    job.fail(&error);
                }
            }
        }
    }

    fn transact(
        &mut self,
        writes: Vec<Run>,
        records: &[RecordJob],
        jobs: &[PublishJob],
        replies: &mut Vec<Reply>,
    ) -> Result<(outcomes::Recorded, publish::Published), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let db = Db(&transaction);
        for run in writes {
            db.execute("SAVEPOINT job", &[])?;
            let (reply, keep) = run(db);
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
