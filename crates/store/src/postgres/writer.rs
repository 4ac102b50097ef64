//! The one writer of a node: a thread that owns the writing connection and commits in groups, as its pair for SQLite does.
//!
//! Here other nodes write too. Everybody locks accounts before whatever belongs to them, and several in the order of their ids,
//! so that nodes wait for each other and do not deadlock. What conflicts nevertheless is tried again: a group of publications
//! and outcomes as a whole. Other writes, which can run once only, have a transaction each and answer
//! [`StoreError::Unavailable`]; whoever asked for them asks again.
//!
//! When the connection is lost, callers are told so at once, and the next group finds a new connection or none. Lost before the
//! commit, nothing was written. Lost during the commit, nobody knows: so the node gives up its token, and goes on with a new
//! one. Publishers ask again with the same ids. Deliveries that were committed as claimed by the old token are free again,
//! and none of them was handed to the engine.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bellwire_domain::AccountId;
use tokio::sync::mpsc;

use super::history;
use super::nodes;
use super::session::{Fault, Session, Step};
use super::{Message, PostgresUrl, aside};
use crate::driver::{Db, Kind, Param, params};
use crate::jobs::{self, Group, Job, Jobs, Reply, Run};
use crate::outcomes::{OutcomeStatements, RecordJob};
use crate::publish::{PublishJob, PublishStatements};
use crate::writer::{Done, WriteContext, answering};
use crate::{StoreError, outcomes, publish};

/// How often a group is tried that meets conflicts or a lost connection.
const TRIES_MAX: u32 = 8;
/// Between two attempts to connect. Callers are answered meanwhile.
const RECONNECT: Duration = Duration::from_millis(250);

/// In the order of ids, as everybody locks them; and the node's own row, which says that it is not being taken over.
pub(crate) const LOCK_ACCOUNTS: &str = "WITH own AS (SELECT token FROM nodes WHERE token = $2 FOR KEY SHARE) \
     SELECT a.id, (SELECT token FROM own) FROM accounts a WHERE a.id = ANY($1) ORDER BY a.id FOR UPDATE OF a";

/// Starts the writer on a thread. It ends when every sender is gone.
pub(crate) fn start(
    session: Session,
    url: PostgresUrl,
    context: WriteContext,
    jobs_max: usize,
) -> Result<(mpsc::Sender<Job>, JoinHandle<()>), StoreError> {
    let (sender, jobs) = jobs::channel(jobs_max);
    let answers = answering(context.clone());
    let writer = Writer::new(session, url, context);
    let thread = std::thread::Builder::new()
        .name("bellwire-writer".to_owned())
        .spawn(move || writer.run(jobs, &answers))
        .map_err(|error| StoreError::Database(error.to_string().into()))?;
    Ok((sender, thread))
}

/// Starts the writer as a task of the current runtime, which waits for each group: nothing else goes on meanwhile. It ends when
/// every sender is gone. Where `commits` says no, the connection breaks instead.
pub(crate) fn start_inline(
    session: Session,
    url: PostgresUrl,
    context: WriteContext,
    commits: Arc<dyn Fn() -> bool + Send + Sync>,
    jobs_max: usize,
) -> mpsc::Sender<Job> {
    let (sender, mut jobs) = jobs::channel(jobs_max);
    let faults = Faults { commits, done_before: Cell::new(false) };
    let mut writer = Writer { faults: Some(faults), reconnect: Duration::ZERO, ..Writer::new(session, url, context) };
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

struct Writer {
    url: PostgresUrl,
    session: Option<Session>,
    /// Not before.
    connect_at: Instant,
    reconnect: Duration,
    context: WriteContext,
    publish_statements: PublishStatements,
    outcome_statements: OutcomeStatements,
    /// In a simulation.
    faults: Option<Faults>,
}

/// Breaks connections at a commit.
struct Faults {
    /// Whether the next one goes well.
    commits: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Whether the server had committed when the connection broke the last time: the next time it will not have.
    done_before: Cell<bool>,
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
            done.answer(context);
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

impl Writer {
    fn new(session: Session, url: PostgresUrl, context: WriteContext) -> Self {
        Self {
            url,
            session: Some(session),
            connect_at: Instant::now(),
            reconnect: RECONNECT,
            context,
            publish_statements: PublishStatements::new(),
            outcome_statements: OutcomeStatements::new(),
            faults: None,
        }
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
            self.session = Some(connected?);
            tracing::info!("connected to the database again");
        }
        let Some(session) = &self.session else { return Err(StoreError::Closed) };
        if self.context.lease.is_given_up() {
            let old = self.context.lease.current();
            let token = crate::store::hex_token(&*self.context.entropy);
            let at = Instant::now();
            nodes::register(session, &token, self.context.clock.now(), &self.context.delivery_ids)?;
            self.context.lease.replace(token, at);
            tracing::warn!("this node goes on with a new token; what it held is free again");
            if nodes::take_over(session, &old.token, i64::MAX)?.is_some() {
                Db::Postgres(session).tell(&Message::Waiting)?;
            }
        }
        Ok(())
    }

    /// Runs one write in a transaction of its own; whom to answer, and what.
    fn write(&mut self, run: Run) -> (Reply, Result<(), StoreError>) {
        let ready = self.ready();
        let Some(session) = self.session.as_ref().filter(|_| ready.is_ok()) else {
            let (reply, _) = run(Err(ready.err().unwrap_or(StoreError::Closed)));
            return (reply, Ok(()));
        };
        if let Err(error) = session.begin() {
            let (reply, _) = run(Err(error));
            return (reply, Ok(()));
        }
        let (reply, keep) = run(Ok(Db::Postgres(session)));
        let fault = session.take_fault();
        if keep {
            let committed = self.end(session);
            if committed.is_err() {
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

    /// Commits, unless the connection is to break at this moment: when the server has committed, or before.
    fn end(&self, session: &Session) -> Result<(), StoreError> {
        let Some(faults) = self.faults.as_ref().filter(|faults| !(faults.commits)()) else { return session.commit() };
        let is_done = !faults.done_before.get();
        faults.done_before.set(is_done);
        if is_done { session.commit() } else { session.batch("ROLLBACK") }?;
        Err(StoreError::Unavailable("the connection broke".into()))
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
        Done { replies: Vec::new(), records, publishes, result }
    }

    fn transact(
        &mut self,
        records: &mut Vec<RecordJob>,
        jobs: &mut Vec<PublishJob>,
        waiting: &mut Jobs,
    ) -> Result<(outcomes::Recorded, publish::Published), Failure> {
        self.ready().map_err(Failure::Final)?;
        let claimant = self.context.lease.current();
        let Some(session) = &self.session else { return Err(Failure::Final(StoreError::Closed)) };
        // A simulation ends the transaction by itself.
        let commits_at_once = self.faults.is_none().then_some(Step::Commit);
        let mut asked_to_commit = false;
        let written = lock_accounts(session, &claimant.token, records, jobs).and_then(|locked| {
            let Some(locked) = locked else { return Err(nodes::taken_over(&self.context.lease, &claimant)) };
            join_waiting(&locked, records, jobs, waiting);
            let reads = publish::reads(session, jobs)?;
            let (recorded, read) = outcomes::record_set(session, &self.context, &self.outcome_statements, records, &reads)?;
            asked_to_commit = commits_at_once.is_some();
            let published =
                publish::publish_read(session, &self.context, &self.publish_statements, jobs, &read, commits_at_once)?;
            Ok((recorded, published))
        });
        let (recorded, published) = match written {
            Ok(written) => written,
            Err(error) => return Err(self.fail(error, asked_to_commit.then_some(claimant.epoch))),
        };
        if let Some(Err(error)) = (!asked_to_commit).then(|| self.end(session)) {
            published.abandon(&self.context);
            return Err(self.forget(error, claimant.epoch));
        }
        Ok((recorded, published))
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
        let left = nodes::take_over(session, &self.context.lease.current().token, i64::MAX)
            .and_then(|_| Db::Postgres(session).tell(&Message::Waiting));
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
    let rows = session.begin_with(&session.bind("accounts", LOCK_ACCOUNTS, &[(&[Kind::Text], &cells)], params![token])?)?;
    let is_own = rows.first().map_or(Ok(true), |row| row.find_text(1, "token").map(|token| token.is_some()))?;
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
