//! The one writer of a node: a thread that owns the writing connection and commits in groups, as its pair for SQLite does.
//!
//! Other nodes write here too. Everybody locks accounts before whatever belongs to them, and several in the order of their ids,
//! so that nodes wait for each other and do not deadlock. What conflicts all the same is tried again: a group of publications
//! and outcomes as a whole. Other writes, which can run only once, have a transaction each and answer
//! [`StoreError::Unavailable`]; whoever asked for them asks again.
//!
//! When the connection is lost, callers are told at once, and the next group finds a new connection or none. Lost before the
//! commit, nothing was written. Lost during the commit, nobody knows: so the node gives up its token and goes on with a new one.
//! Publishers ask again with the same ids. Deliveries that were committed as claimed by the old token are free again, and none
//! of them was handed to the engine.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bellwire_domain::AccountId;
use tokio::sync::mpsc;

use super::backend::SetBackend;
use super::record::Recorder;
use super::{history, load, nodes, write};
use crate::queue::access::Closing;
use crate::queue::commit::{Committed, Done, answering};
use crate::queue::context::WriteContext;
use crate::queue::jobs::{self, Group, Job, Jobs, Reply, Run};
use crate::queue::lease::{Claimant, draw_token};
use crate::queue::notice::Notice;
use crate::queue::order;
use crate::queue::outcome::RecordJob;
use crate::queue::plan::Plan;
use crate::queue::publication::PublishJob;
use crate::sql::{CommitFaults, Db, Fault, Kind, Param, PostgresUrl, Select, Session, Step, aside, columns, params};
use crate::{OpenError, StoreError};

/// How often a group is tried that meets conflicts or a lost connection.
const TRIES_MAX: u32 = 8;
/// Between two attempts to connect. Callers are answered meanwhile.
const RECONNECT: Duration = Duration::from_millis(250);

columns! {
    /// A locked account, and whether this node is still registered.
    struct Locked of "accounts" {
        own: Option<String> = "(SELECT token FROM own)",
    }
}

static LOCKED: Select<Locked> = Select::new("FROM accounts a WHERE a.id = ANY($1) ORDER BY a.id FOR UPDATE OF a");

/// In the order of ids, as everybody locks them; and the node's own row, which says that it is not being taken over.
fn lock_sql() -> String {
    format!("WITH own AS (SELECT token FROM nodes WHERE token = $2 FOR KEY SHARE) {}", LOCKED.text())
}

#[cfg(test)]
pub(super) fn statements() -> Vec<String> {
    vec![lock_sql()]
}

/// Starts the writer on a thread. It ends when every sender is gone.
pub(super) fn start(writer: Writer, jobs_max: usize) -> Result<(mpsc::Sender<Job>, Closing), StoreError> {
    let (sender, jobs) = jobs::channel(jobs_max);
    let answers = answering(Arc::clone(&writer.context.handoff));
    let thread = std::thread::Builder::new()
        .name("bellwire-writer".to_owned())
        .spawn(move || writer.run(jobs, &answers))
        .map_err(|error| StoreError::Database(error.to_string().into()))?;
    Ok((sender, vec![Box::new(move || drop(thread.join()))]))
}

/// Starts the writer as a task of the current runtime, which waits for each group: nothing else goes on meanwhile. It ends when
/// every sender is gone.
pub(super) fn start_inline(mut writer: Writer, jobs_max: usize) -> mpsc::Sender<Job> {
    let (sender, mut jobs) = jobs::channel(jobs_max);
    let task = async move {
        while let Some(group) = jobs.next().await {
            let written = aside(|| Ok::<_, StoreError>(writer.perform(group, &mut jobs)));
            tokio::task::yield_now().await; // committed and not yet answered: a simulated crash may come here
            if let Ok(written) = written {
                written.answer(&writer.context);
            }
        }
        let _ = aside(move || {
            writer.leave();
            Ok::<_, StoreError>(())
        });
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the store's last sender, which `close` drops")]
    drop(tokio::spawn(task));
    sender
}

pub(super) struct Writer {
    url: PostgresUrl,
    session: Option<Session>,
    /// Not before.
    connect_at: Instant,
    reconnect: Duration,
    context: WriteContext,
    /// In a simulation.
    commit_faults: Option<CommitFaults>,
}

/// What became of a group, before anybody knows.
struct Written {
    replies: Vec<(Reply, Result<(), StoreError>)>,
    hot: Option<Done>,
}

impl Written {
    fn answer(self, context: &WriteContext) {
        self.replies.into_iter().for_each(|(reply, result)| reply(result));
        if let Some(done) = self.hot {
            done.answer(&context.handoff);
        }
    }
}

/// Why a group was not committed, and what may be done about it.
enum Failure {
    /// Nothing is written: the group may be tried again.
    Again(StoreError),
    /// It cannot succeed, or nobody knows whether it did.
    Final(StoreError),
}

/// A group of writes was not committed, or nobody knows whether it was.
fn count_failed() {
    metrics::counter!("bellwire_store_commits_failed_total").increment(1);
}

impl Writer {
    pub(super) fn new(session: Session, url: PostgresUrl, context: WriteContext) -> Self {
        let session = Some(session);
        Self { url, session, connect_at: Instant::now(), reconnect: RECONNECT, context, commit_faults: None }
    }

    /// One whose connections break at some commits: for simulations, which do not wait before they connect again.
    pub(super) fn with_commit_faults(self, faults: CommitFaults) -> Self {
        let session = self.session.map(|session| session.with_commit_faults(Some(faults.clone())));
        Self { session, reconnect: Duration::ZERO, commit_faults: Some(faults), ..self }
    }

    fn run(mut self, mut jobs: Jobs, answers: &mpsc::UnboundedSender<Done>) {
        while let Some(Group { writes, records, publishes }) = jobs.next_on_thread() {
            for run in writes {
                let (reply, result) = self.write(run);
                reply(result);
            }
            if !records.is_empty() || !publishes.is_empty() {
                let _ = answers.send(self.commit(records, publishes, &mut jobs));
            }
        }
        self.leave();
    }

    /// Runs a whole group, and answers nobody yet.
    fn perform(&mut self, group: Group, waiting: &mut Jobs) -> Written {
        let Group { writes, records, publishes } = group;
        let replies = writes.into_iter().map(|run| self.write(run)).collect();
        let is_hot = !records.is_empty() || !publishes.is_empty();
        Written { replies, hot: is_hot.then(|| self.commit(records, publishes, waiting)) }
    }

    /// A connection and a token, new ones if need be.
    fn ready(&mut self) -> Result<(), StoreError> {
        let lost = self.session.as_ref().is_none_or(|session| session.take_fault() == Fault::Lost);
        if lost {
            self.session = None;
            if Instant::now() < self.connect_at {
                return Err(StoreError::Unavailable("the database cannot be reached".into()));
            }
            let connected = Session::connect(&self.url, None);
            self.connect_at = Instant::now() + self.reconnect;
            self.session = Some(connected?.with_commit_faults(self.commit_faults.clone()));
            tracing::info!("connected to the database again");
        }
        let Some(session) = &self.session else { return Err(StoreError::Closed) };
        if self.context.lease.is_given_up() {
            let old = self.context.lease.current();
            let token = draw_token(&*self.context.entropy);
            let at = Instant::now();
            let WriteContext { keyring, clock, delivery_ids, .. } = &self.context;
            nodes::register(session, (&token, keyring), clock.now(), delivery_ids).map_err(|error| match error {
                OpenError::Store(error) => error,
                refused => StoreError::Unavailable(refused.to_string().into()),
            })?;
            self.context.lease.replace(token, at);
            tracing::warn!("this node goes on with a new token; what it held is free again");
            if nodes::release(session, &old.token)?.is_some() {
                Notice::Waiting.tell(Db::Postgres(session))?;
            }
        }
        Ok(())
    }

    /// Runs one write in a transaction of its own; whom to answer, and what.
    fn write(&mut self, run: Run) -> (Reply, Result<(), StoreError>) {
        let ready = self.ready();
        let Some(session) = self.session.as_ref().filter(|_| ready.is_ok()) else {
            count_failed();
            let (reply, _) = run(Err(ready.err().unwrap_or(StoreError::Closed)));
            return (reply, Ok(()));
        };
        if let Err(error) = session.begin() {
            count_failed();
            let (reply, _) = run(Err(error));
            return (reply, Ok(()));
        }
        let (reply, is_kept) = run(Ok(&SetBackend { session, context: &self.context }));
        let fault = session.take_fault();
        if is_kept {
            let committed = session.commit();
            if committed.is_err() {
                count_failed();
                self.context.lease.give_up(self.context.lease.current().epoch);
            }
            return (reply, committed);
        }
        if fault == Fault::Lost || session.batch("ROLLBACK").is_err() {
            self.session = None;
        } else if fault == Fault::NoPartition {
            self.make_partitions();
        }
        (reply, Ok(()))
    }

    /// Runs a group until it is committed or cannot be.
    fn commit(&mut self, mut records: Vec<RecordJob>, mut publishes: Vec<PublishJob>, waiting: &mut Jobs) -> Done {
        let started = Instant::now();
        let mut tries = 0;
        let result = loop {
            tries += 1;
            match self.transact(&mut records, &mut publishes, waiting) {
                Ok(done) => break Ok(done),
                Err(Failure::Again(error)) if tries < TRIES_MAX => {
                    tracing::debug!(error = %error, tries, "a group of writes is tried again");
                }
                Err(Failure::Again(error) | Failure::Final(error)) => break Err(error),
            }
        };
        metrics::histogram!("bellwire_store_commit_seconds").record(started.elapsed().as_secs_f64());
        if result.is_err() {
            count_failed();
        }
        Done { replies: Vec::new(), records, publishes, result }
    }

    fn transact(
        &mut self,
        records: &mut Vec<RecordJob>,
        publishes: &mut Vec<PublishJob>,
        waiting: &mut Jobs,
    ) -> Result<Committed, Failure> {
        self.ready().map_err(Failure::Final)?;
        let claimant = self.context.lease.current();
        let mut asked_to_commit = false;
        let Some(session) = &self.session else { return Err(Failure::Final(StoreError::Closed)) };
        let committed = self.send(session, &claimant, (records, publishes), waiting, &mut asked_to_commit);
        committed.map_err(|error| self.fail(error, asked_to_commit.then_some(claimant.epoch)))
    }

    /// Runs a group in three round trips: it begins and locks the accounts; it records and loads; it writes and commits.
    fn send(
        &self,
        session: &Session,
        claimant: &Arc<Claimant>,
        (records, publishes): (&mut Vec<RecordJob>, &mut Vec<PublishJob>),
        waiting: &mut Jobs,
        asked_to_commit: &mut bool,
    ) -> Result<Committed, StoreError> {
        let Some(locked) = lock_accounts(session, &claimant.token, records, publishes)? else {
            return Err(nodes::taken_over(&self.context.lease, claimant));
        };
        join_waiting(&locked, records, publishes, waiting);

        let publications: Vec<_> = publishes.iter().map(|job| &job.publication).collect();
        let recorder = Recorder::new(&self.context, records);
        let (moves, reads) = (recorder.moves(session)?, load::reads(session, &publications)?);
        let mut answers = session.pipeline(moves.iter().chain(&reads).map(Step::Run))?;
        let mut read = answers.split_off(moves.len());
        let (recordings, health_changed) = recorder.finish(session, &answers)?;
        if health_changed && !reads.is_empty() {
            read = session.pipeline(reads.iter().map(Step::Run))?;
        }

        let mut loaded = load::keep(&read)?;
        order::load(Db::Postgres(session), &mut loaded, &publications)?;
        let (plan, planned) = Plan::make(loaded, &publications, &self.context, Arc::clone(claimant));
        let mut writes = write::writes(session, &plan)?;
        if plan.makes_stale().next().is_some() {
            session.pipeline(writes.drain(..).as_slice().iter().map(Step::Run))?;
            order::drop_stale_of(Db::Postgres(session), &plan, self.context.clock.now())?;
        }
        *asked_to_commit = true;
        session.pipeline(writes.iter().map(Step::Run).chain([Step::Commit]))?;
        Ok(Committed { recordings, planned })
    }

    /// Committed or not: what the group claimed in that epoch is to be found by whoever comes first, and is not in memory.
    fn forget(&mut self, error: StoreError, epoch: u64) -> Failure {
        self.context.lease.give_up(epoch);
        self.session = None;
        Failure::Final(error)
    }

    /// Ends a transaction in which a statement failed; where it may be committed all the same, it claimed in the epoch `asked`.
    fn fail(&mut self, error: StoreError, asked: Option<u64>) -> Failure {
        let Some(session) = &self.session else { return Failure::Final(error) };
        let fault = session.take_fault();
        if let (Fault::Lost, Some(epoch)) = (fault, asked) {
            return self.forget(error, epoch);
        }
        if fault == Fault::Lost || session.batch("ROLLBACK").is_err() {
            self.session = None;
            return Failure::Again(error);
        }
        match fault {
            Fault::Conflict | Fault::Lost => Failure::Again(error),
            Fault::NoPartition => {
                self.make_partitions();
                Failure::Again(error)
            }
            Fault::None if self.context.lease.is_given_up() => Failure::Again(error),
            Fault::None => Failure::Final(error),
        }
    }

    fn make_partitions(&self) {
        let Some(session) = &self.session else { return };
        let now = self.context.clock.now();
        if let Err(error) = history::make_ahead(session, now).and_then(|()| history::make_queued(session)) {
            tracing::error!(error = %error, "partitions of the history could not be made");
        }
    }

    /// The node stops: what it still holds is free at once.
    fn leave(&self) {
        let Some(session) = &self.session else { return };
        let left = nodes::release(session, &self.context.lease.current().token)
            .and_then(|_| Notice::Waiting.tell(Db::Postgres(session)));
        if let Err(error) = left {
            tracing::warn!(error = %error, "this node could not take its leave; others take over when its lease ends");
        }
    }
}

/// Begins a transaction and locks every account that a group writes to, and says which; `None`: this node has been taken over.
/// Where none of the accounts exists any more, nothing will be claimed.
fn lock_accounts(
    session: &Session,
    token: &str,
    records: &[RecordJob],
    publishes: &[PublishJob],
) -> Result<Option<BTreeSet<AccountId>>, StoreError> {
    let accounts = publishes.iter().map(|job| &job.publication.account_id);
    let ids: BTreeSet<&AccountId> = accounts.chain(records.iter().flat_map(recorded_of)).collect();
    let cells: Vec<Param<'_>> = ids.iter().map(|id| id.as_str().into()).collect();
    let rows = session.begin_with(&session.bind("accounts", &lock_sql(), &[(&[Kind::Text], &cells)], params![token])?)?;
    let is_own = rows.first().map_or(Ok(true), |row| row.read::<Locked>().map(|locked| locked.own.is_some()))?;
    Ok(is_own.then(|| ids.into_iter().cloned().collect()))
}

fn recorded_of(job: &RecordJob) -> impl Iterator<Item = &AccountId> {
    job.outcomes.iter().map(|outcome| &outcome.delivery.account_id)
}

/// While other nodes held the locks, jobs came that need no others: they share this commit.
fn join_waiting(locked: &BTreeSet<AccountId>, records: &mut Vec<RecordJob>, publishes: &mut Vec<PublishJob>, waiting: &mut Jobs) {
    let record_fits = |job: &RecordJob| recorded_of(job).all(|id| locked.contains(id));
    waiting.join(records, publishes, record_fits, |job| locked.contains(&job.publication.account_id));
}
