//! The one writer of an SQLite file: a thread that owns the writing connection and commits in groups.
//!
//! Callers send a job and wait. The thread takes the jobs that are waiting (`jobs` says which, where there are many), runs them
//! in one transaction, commits once, and has a task of the runtime answer them all. Whatever arrives meanwhile shares the next
//! commit. There is no timer: a lone write commits at once.
//!
//! Publishing and recording, the two hot jobs, run once for the whole group. The others run one by one, each in a savepoint, so
//! that one that fails takes nothing else with it.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::mpsc;

use super::backend::RowBackend;
use super::recipients::Recipients;
use super::write::Inserts;
use super::{checkpointer, load};
use crate::StoreError;
use crate::queue::Backend;
use crate::queue::access::Closing;
use crate::queue::commit::{Committed, Done, answering};
use crate::queue::context::WriteContext;
use crate::queue::jobs::{self, Group, Job, Jobs, Reply, Run};
use crate::queue::outcome::RecordJob;
use crate::queue::plan::Plan;
use crate::queue::publication::PublishJob;
use crate::queue::takeover::{self, Fate, Holder};
use crate::sql::Db;

/// Starts the writer on a thread, and one for checkpoints beside it. They end when every sender is gone.
pub(crate) fn start(mut writer: Writer, path: &Path, jobs_max: usize) -> Result<(mpsc::Sender<Job>, Closing), StoreError> {
    let (sender, jobs) = jobs::channel(jobs_max);
    let checkpoints = checkpointer::start(&mut writer.connection, path)?;
    let answers = answering(Arc::clone(&writer.context.handoff));
    let thread = std::thread::Builder::new()
        .name("bellwire-writer".to_owned())
        .spawn(move || {
            writer.run(jobs, &answers);
            writer.leave();
            drop(writer);
            let _ = checkpoints.join();
        })
        .map_err(|error| StoreError::Database(error.to_string().into()))?;
    Ok((sender, vec![Box::new(move || drop(thread.join()))]))
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
            done.answer(&writer.context.handoff);
        }
        writer.leave();
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the store's last sender, which `close` drops")]
    drop(tokio::spawn(task));
    Ok(sender)
}

/// The writing side: the connection and what its jobs need.
pub(crate) struct Writer {
    connection: Connection,
    context: WriteContext,
    inserts: Inserts,
    recipients: Recipients,
}

impl Writer {
    pub(crate) fn new(connection: Connection, context: WriteContext) -> Result<Self, StoreError> {
        let recipients = Recipients::watch(&connection)?;
        Ok(Self { connection, context, inserts: Inserts::new(), recipients })
    }

    fn run(&mut self, mut jobs: Jobs, answers: &mpsc::UnboundedSender<Done>) {
        while let Some(group) = jobs.next_on_thread() {
            let _ = answers.send(self.commit(group));
        }
    }

    /// The process stops: what it still holds is free.
    fn leave(&self) {
        let token = &self.context.lease.current().token;
        if let Err(error) = takeover::free(Db::Sqlite(&self.connection), Holder::This, token, Fate::Released) {
            tracing::warn!(error = %error, "what this process held could not be freed; the next one takes it over");
        }
    }

    /// Runs a group in one transaction and commits.
    fn commit(&mut self, group: Group) -> Done {
        let started = std::time::Instant::now();
        let Group { writes, records, publishes } = group;
        let mut replies = Vec::with_capacity(writes.len());
        let result = self.transact(writes, &records, &publishes, &mut replies);
        metrics::histogram!("bellwire_store_commit_seconds").record(started.elapsed().as_secs_f64());
        if result.is_err() {
            metrics::counter!("bellwire_store_commits_failed_total").increment(1);
        }
        Done { replies, records, publishes, result }
    }

    fn transact(
        &mut self,
        writes: Vec<Run>,
        records: &[RecordJob],
        publishes: &[PublishJob],
        replies: &mut Vec<Reply>,
    ) -> Result<Committed, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.recipients.begin(&transaction)?;
        let backend = RowBackend { db: Db::Sqlite(&transaction), context: &self.context, inserts: &self.inserts };
        for run in writes {
            backend.db.execute("SAVEPOINT job", &[])?;
            let (reply, is_kept) = run(Ok(&backend));
            replies.push(reply);
            if !is_kept {
                backend.db.execute("ROLLBACK TO job", &[])?;
            }
            backend.db.execute("RELEASE job", &[])?;
        }
        let recordings = backend.record(records)?;
        let publications: Vec<_> = publishes.iter().map(|job| &job.publication).collect();
        let loaded = load::load(backend.db, &publications, |account_id| self.recipients.take(backend.db, account_id))?;
        let (plan, planned) = Plan::make(loaded, &publications, &self.context, backend.claimant()?);
        self.recipients.planned(|| backend.write(&plan))?;
        transaction.commit()?;
        self.recipients.put_back(plan.into_endpoints());
        Ok(Committed { recordings, planned })
    }
}
