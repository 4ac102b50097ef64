//! The one writer of an SQLite file: a thread that owns the writing connection and commits in groups.
//!
//! Callers send a job and wait. The thread takes every job that is waiting, runs them in one transaction, commits once, and has
//! a task of the runtime answer them all; whatever arrives meanwhile shares the next commit. There is no timer: alone, a write
//! commits at once.
//!
//! Publishing and recording, the two hot jobs, are merged into statements over all their rows. The others run one by one, each
//! in a savepoint, so that one that fails takes nothing else with it.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bellwire_domain::{Clock, Entropy};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::delivery_ids::DeliveryIds;
use crate::driver::Db;
use crate::handoff::HandOff;
use crate::lease::Lease;
use crate::outcomes::{OutcomeStatements, RecordJob};
use crate::publish::{PublishJob, PublishStatements};
use crate::{StoreError, checkpointer, outcomes, publish};

/// Events, outcomes and other writes that share one commit at most, but for the job that goes beyond: whoever waits for a commit
/// waits for no more than that before it.
pub(crate) const GROUP_MAX: usize = 1_024;

/// Called with the commit's result: answers the job's caller.
pub(crate) type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Runs a job's statements, or learns why it cannot; the reply, and whether its changes are to be kept.
pub(crate) type Run = Box<dyn FnOnce(Result<Db<'_>, StoreError>) -> (Reply, bool) + Send>;

pub(crate) enum Job {
    Publish(PublishJob),
    Record(RecordJob),
    Write(Run),
}

impl Job {
    /// How many events or outcomes it has; one for another write.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Publish(job) => job.size(),
            Self::Record(job) => job.size(),
            Self::Write(_) => 1,
        }
    }
}

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
        let result = db.map_err(E::from).and_then(work);
        let keep = result.is_ok();
        let reply: Reply = Box::new(move |commit| {
            let _ = sender.send(commit.map_err(E::from).and(result));
        });
        (reply, keep)
    });
    (Job::Write(run), receiver)
}

/// Starts the writer on a thread, and one for checkpoints beside it. They end when every sender is gone.
pub(crate) fn start(
    mut writer: Writer,
    path: &Path,
    jobs_max: usize,
) -> Result<(mpsc::Sender<Job>, Option<JoinHandle<()>>), StoreError> {
    let (sender, receiver) = mpsc::channel(jobs_max);
    let checkpoints = checkpointer::start(&mut writer.connection, path)?;
    let answers = answering(writer.context.clone());
    let thread = std::thread::Builder::new()
        .name("bellwire-writer".to_owned())
        .spawn(move || {
            writer.run(receiver, &answers);
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
    let (sender, mut receiver) = mpsc::channel(jobs_max);
    let task = async move {
        while let Some(first) = receiver.recv().await {
            let done = writer.commit(Group::gather(first, &mut receiver));
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

/// The waiting jobs, by kind.
#[derive(Default)]
pub(crate) struct Group {
    size: usize,
    pub(crate) writes: Vec<Run>,
    pub(crate) records: Vec<RecordJob>,
    pub(crate) publishes: Vec<PublishJob>,
}

impl Group {
    /// The first job and those that wait behind it.
    pub(crate) fn gather(first: Job, receiver: &mut mpsc::Receiver<Job>) -> Self {
        let mut group = Self::default();
        group.push(first);
        group.add_waiting(receiver);
        group
    }

    /// As [`Group::gather`], on a thread that has nothing else to do: where the machine is busy, those that are about to ask run
    /// first, and their jobs share this commit. Where it is idle, nobody else wants the processor, and nothing waits.
    pub(crate) fn gather_on_thread(first: Job, receiver: &mut mpsc::Receiver<Job>) -> Self {
        let mut group = Self::gather(first, receiver);
        while group.size < GROUP_MAX {
            let before = group.size;
            std::thread::yield_now();
            group.add_waiting(receiver);
            if group.size == before {
                break;
            }
        }
        group
    }

    fn add_waiting(&mut self, receiver: &mut mpsc::Receiver<Job>) {
        while self.size < GROUP_MAX {
            match receiver.try_recv() {
                Ok(job) => self.push(job),
                Err(_) => break,
            }
        }
    }

    fn push(&mut self, job: Job) {
        self.size += job.size();
        match job {
            Job::Publish(job) => self.publishes.push(job),
            Job::Record(job) => self.records.push(job),
            Job::Write(run) => self.writes.push(run),
        }
    }
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

    fn run(&mut self, mut receiver: mpsc::Receiver<Job>, answers: &mpsc::UnboundedSender<Done>) {
        while let Some(first) = receiver.blocking_recv() {
            let _ = answers.send(self.commit(Group::gather_on_thread(first, &mut receiver)));
        }
    }

    /// Runs a group in one transaction and commits.
    fn commit(&mut self, group: Group) -> Done {
        let started = std::time::Instant::now();
        let Group { writes, records, publishes, size: _ } = group;
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

#[cfg(test)]
mod tests {
    use bellwire_domain::{AccountId, EventId, EventType, Timestamp};
    use bytes::Bytes;

    use super::*;
    use crate::publish::{NewEvent, Publication, SealedEvent};

    fn publishing(events: usize) -> Job {
        let event = |number| NewEvent {
            id: EventId::try_new(&format!("e{number}")).unwrap(),
            id_chosen: false,
            event_type: EventType::try_new("x").unwrap(),
            occurred_at: Timestamp::default(),
            data: Bytes::from_static(b"{}"),
            subjects: Vec::new(),
            fingerprint: [0; 32],
            redeliver: false,
            is_test: false,
            only_endpoint: None,
        };
        let sealed = |number| SealedEvent { event: event(number), sealed: Vec::new(), fingerprint: [0; 32] };
        let publication = Publication {
            account_id: AccountId::try_new("a").unwrap(),
            account_created_at: Timestamp::default(),
            account_version: 1,
            events: (0..events).map(sealed).collect(),
        };
        Job::Publish(PublishJob { publication, reply: tokio::sync::oneshot::channel().0 })
    }

    #[test]
    fn a_group_holds_so_many_events_and_not_so_many_batches() {
        let gathered = |sizes: &[usize]| {
            let (sender, mut receiver) = mpsc::channel(16);
            for size in sizes {
                assert!(sender.try_send(publishing(*size)).is_ok());
            }
            let first = receiver.try_recv().unwrap();
            Group::gather(first, &mut receiver).publishes.len()
        };
        assert_eq!(gathered(&[1, 1, 1]), 3);
        assert_eq!(gathered(&[GROUP_MAX / 2, GROUP_MAX / 2, 1]), 2);
        assert_eq!(gathered(&[GROUP_MAX / 2, GROUP_MAX, 1]), 2, "a job goes in as a whole");
        assert_eq!(gathered(&[GROUP_MAX + 1, 1]), 1);
    }
}
