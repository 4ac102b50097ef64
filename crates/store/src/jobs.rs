//! The jobs that wait for the writer, and which of them share the next commit.
//!
//! What is under way goes first: outcomes, claims and the other writes, then new events. A platform that posts faster than its
//! events can be stored fills every commit with them; in the order of their coming, an outcome and the claim that follows it
//! would wait behind all that was posted meanwhile, and deliveries would crawl while the backlog grows.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};

use crate::StoreError;
use crate::driver::Db;
use crate::outcomes::RecordJob;
use crate::publish::PublishJob;

/// Events, outcomes and other writes that share one commit at most, but for the job that goes beyond: whoever waits for a commit
/// waits for no more than that before it.
const GROUP_MAX: usize = 1_024;

/// Called with the commit's result: answers the job's caller.
pub(crate) type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Runs a job's statements, or learns why it cannot; the reply, and whether its changes are to be kept.
pub(crate) type Run = Box<dyn FnOnce(Result<Db<'_>, StoreError>) -> (Reply, bool) + Send>;

pub(crate) enum Job {
    Publish(PublishJob),
    Record(RecordJob),
    Write(Run),
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

/// Jobs of one commit, by kind.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) writes: Vec<Run>,
    pub(crate) records: Vec<RecordJob>,
    pub(crate) publishes: Vec<PublishJob>,
}

/// The waiting jobs: those in the channel, and those that were taken from it to see what they are.
pub(crate) struct Jobs {
    receiver: mpsc::Receiver<Job>,
    writes: VecDeque<Run>,
    records: VecDeque<RecordJob>,
    publishes: VecDeque<PublishJob>,
}

/// As many jobs may be in the channel, and as many again beside it; who offers another is refused.
pub(crate) fn channel(jobs_max: usize) -> (mpsc::Sender<Job>, Jobs) {
    let (sender, receiver) = mpsc::channel(jobs_max);
    let jobs = Jobs { receiver, writes: VecDeque::new(), records: VecDeque::new(), publishes: VecDeque::new() };
    (sender, jobs)
}

impl Jobs {
    /// The next group; `None` once every sender is gone and nothing waits.
    pub(crate) async fn next(&mut self) -> Option<Group> {
        if self.is_empty() {
            let job = self.receiver.recv().await?;
            self.sort(job);
        }
        self.take_received();
        Some(self.group())
    }

    /// As [`Jobs::next`], on a thread that has nothing else to do: where the machine is busy, those that are about to ask run
    /// first, and their jobs share this commit. Where it is idle, nobody else wants the processor, and nothing waits.
    pub(crate) fn next_on_thread(&mut self) -> Option<Group> {
        if self.is_empty() {
            let job = self.receiver.blocking_recv()?;
            self.sort(job);
        }
        let mut size = self.take_received();
        while size < GROUP_MAX {
            std::thread::yield_now();
            let before = std::mem::replace(&mut size, self.take_received());
            if size == before {
                break;
            }
        }
        Some(self.group())
    }

    /// Adds to a group on its way those waiting outcomes and publications that fit it, as long as it has room.
    pub(crate) fn join(
        &mut self,
        records: &mut Vec<RecordJob>,
        publishes: &mut Vec<PublishJob>,
        record_fits: impl Fn(&RecordJob) -> bool,
        publish_fits: impl Fn(&PublishJob) -> bool,
    ) {
        self.take_received();
        let mut size: usize = publishes.iter().map(PublishJob::size).chain(records.iter().map(RecordJob::size)).sum();
        take(&mut self.records, records, &mut size, RecordJob::size, record_fits);
        take(&mut self.publishes, publishes, &mut size, PublishJob::size, publish_fits);
    }

    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.records.is_empty() && self.publishes.is_empty()
    }

    fn sort(&mut self, job: Job) {
        match job {
            Job::Publish(job) => self.publishes.push_back(job),
            Job::Record(job) => self.records.push_back(job),
            Job::Write(run) => self.writes.push_back(run),
        }
    }

    /// Empties the channel, and says how many events, outcomes and other writes wait.
    fn take_received(&mut self) -> usize {
        while self.writes.len() + self.records.len() + self.publishes.len() < self.receiver.max_capacity() {
            let Ok(job) = self.receiver.try_recv() else { break };
            self.sort(job);
        }
        let records = self.records.iter().map(RecordJob::size);
        self.writes.len() + records.chain(self.publishes.iter().map(PublishJob::size)).sum::<usize>()
    }

    fn group(&mut self) -> Group {
        let (mut group, mut size) = (Group::default(), 0);
        take(&mut self.writes, &mut group.writes, &mut size, |_| 1, |_| true);
        take(&mut self.records, &mut group.records, &mut size, RecordJob::size, |_| true);
        size = size.min(GROUP_MAX - 1); // one publication at least: they wait behind the others, and not for ever
        take(&mut self.publishes, &mut group.publishes, &mut size, PublishJob::size, |_| true);
        group
    }
}

/// Moves jobs that fit, in their order, until the group's size is reached. The others keep theirs.
fn take<T>(
    waiting: &mut VecDeque<T>,
    taken: &mut Vec<T>,
    size: &mut usize,
    size_of: impl Fn(&T) -> usize,
    fits: impl Fn(&T) -> bool,
) {
    let mut passed = Vec::new();
    while *size < GROUP_MAX {
        match waiting.pop_front() {
            Some(job) if fits(&job) => {
                *size += size_of(&job);
                taken.push(job);
            }
            Some(job) => passed.push(job),
            None => break,
        }
    }
    passed.into_iter().rev().for_each(|job| waiting.push_front(job));
}
