//! The jobs that wait for the writer, and which of them share the next commit.
//!
//! What is under way goes first: outcomes, claims and the other writes, then new events. A platform that posts faster than its
//! events can be stored fills every commit with them; in the order of their coming, an outcome and the claim that follows it
//! would wait behind all that was posted meanwhile, and deliveries would crawl while the backlog grows.
//!
//! New events are taken account by account in turn, and each account has a share of the tickets for those that may wait.

use std::collections::VecDeque;

use bellwire_domain::{AccountId, Turns};
use tokio::sync::{mpsc, oneshot};

use super::backend::Backend;
use super::outcome::RecordJob;
use super::publication::PublishJob;
use crate::StoreError;

/// New events that share one commit at most, unless one request brings more. So many cost a commit's flush little, and who waits
/// for the next commit waits for no more than that; and deliveries, of which a claim round brings as many, keep up with them.
const EVENTS_MAX: usize = 256;
/// Outcomes, and other writes, that share one commit at most.
const OTHERS_MAX: usize = 1_024;

/// Called with the commit's result: answers the job's caller.
pub(crate) type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Runs a write's statements, or learns why it cannot: the reply, and whether its changes are kept.
pub(crate) type Run = Box<dyn FnOnce(Result<&dyn Backend, StoreError>) -> (Reply, bool) + Send>;

pub(crate) enum Job {
    Publish(PublishJob),
    Record(RecordJob),
    Write(Run),
}

/// What runs at the writer, and says whether its changes are kept.
pub(crate) type Work = Box<dyn FnOnce(&dyn Backend) -> bool + Send>;

/// A job that runs `work` in a savepoint and answers through the receiver.
pub(crate) fn write_job(work: Work) -> (Job, oneshot::Receiver<Result<(), StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    let run: Run = Box::new(move |backend| {
        let kept = backend.map(work);
        let is_kept = matches!(kept, Ok(true));
        let reply: Reply = Box::new(move |commit| drop(sender.send(commit.and(kept.map(drop)))));
        (reply, is_kept)
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
    publishes: Turns<AccountId, PublishJob>,
}

/// As many jobs may be in the channel, and as many again beside it; who offers another is refused.
pub(crate) fn channel(jobs_max: usize) -> (mpsc::Sender<Job>, Jobs) {
    let (sender, receiver) = mpsc::channel(jobs_max);
    let jobs = Jobs { receiver, writes: VecDeque::new(), records: VecDeque::new(), publishes: Turns::default() };
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
        self.take_received();
        while events_of(&self.publishes) < EVENTS_MAX {
            std::thread::yield_now();
            if self.take_received() == 0 {
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
        take(&mut self.records, records, OTHERS_MAX, RecordJob::size, record_fits);
        take_in_turn(&mut self.publishes, publishes, publish_fits);
    }

    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.records.is_empty() && self.publishes.is_empty()
    }

    fn sort(&mut self, job: Job) {
        match job {
            Job::Publish(job) => self.publishes.push_back(&job.publication.account_id.clone(), job),
            Job::Record(job) => self.records.push_back(job),
            Job::Write(run) => self.writes.push_back(run),
        }
    }

    /// Empties the channel, and says how many jobs it had.
    fn take_received(&mut self) -> usize {
        let mut received = 0;
        while self.writes.len() + self.records.len() + self.publishes.len() < self.receiver.max_capacity() {
            let Ok(job) = self.receiver.try_recv() else { break };
            self.sort(job);
            received += 1;
        }
        received
    }

    fn group(&mut self) -> Group {
        let mut group = Group::default();
        take(&mut self.writes, &mut group.writes, OTHERS_MAX, |_| 1, |_| true);
        take(&mut self.records, &mut group.records, OTHERS_MAX, RecordJob::size, |_| true);
        take_in_turn(&mut self.publishes, &mut group.publishes, |_| true);
        group
    }
}

fn events_of(publishes: &Turns<AccountId, PublishJob>) -> usize {
    publishes.iter().map(PublishJob::size).sum()
}

/// Moves publications that fit, account by account in turn, up to [`EVENTS_MAX`] events all together; a larger one goes alone.
fn take_in_turn(waiting: &mut Turns<AccountId, PublishJob>, taken: &mut Vec<PublishJob>, fits: impl Fn(&PublishJob) -> bool) {
    let mut size: usize = taken.iter().map(PublishJob::size).sum();
    while let Some(job) = waiting.pop(|_, job| fits(job)) {
        if !taken.is_empty() && size + job.size() > EVENTS_MAX {
            waiting.push_front(&job.publication.account_id.clone(), job);
            return;
        }
        size += job.size();
        taken.push(job);
    }
}

/// Moves jobs that fit, in their order, up to `max` in size all together; one that is larger goes alone. The others keep their place.
fn take<T>(waiting: &mut VecDeque<T>, taken: &mut Vec<T>, max: usize, size_of: impl Fn(&T) -> usize, fits: impl Fn(&T) -> bool) {
    let mut size: usize = taken.iter().map(&size_of).sum();
    let mut passed = Vec::new();
    while let Some(job) = waiting.pop_front() {
        if !fits(&job) {
            passed.push(job);
        } else if taken.is_empty() || size + size_of(&job) <= max {
            size += size_of(&job);
            taken.push(job);
        } else {
            passed.push(job);
            break;
        }
    }
    passed.into_iter().rev().for_each(|job| waiting.push_front(job));
}

#[cfg(test)]
mod tests {
    use bellwire_domain::{AccountId, EventId, EventType, Timestamp};
    use bytes::Bytes;

    use super::*;
    use crate::queue::publication::{NewEvent, Publication, SealedEvent};
    use crate::queue::tickets::Tickets;

    fn publishing(account: &str, events: usize) -> Job {
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
            wanted: None,
            order: None,
        };
        let sealed = |number| SealedEvent {
            event: event(number),
            sealed: Vec::new(),
            fingerprint: [0; 32],
            subjects: Vec::new(),
            order_key: None,
        };
        let publication = Publication {
            account_id: AccountId::try_new(account).unwrap(),
            account_created_at: Timestamp::default(),
            account_version: 1,
            events: (0..events).map(sealed).collect(),
        };
        let ticket = Tickets::new(1).take(&publication.account_id).unwrap();
        Job::Publish(PublishJob { publication, ticket, reply: oneshot::channel().0 })
    }

    fn recording() -> Job {
        Job::Record(RecordJob { outcomes: [].into(), sealed: Vec::new(), reply: oneshot::channel().0 })
    }

    fn writing() -> Job {
        write_job(Box::new(|_| true)).0
    }

    fn waiting(offered: Vec<Job>) -> Jobs {
        let (sender, jobs) = channel(64);
        for job in offered {
            assert!(sender.try_send(job).is_ok());
        }
        jobs
    }

    /// Other writes, outcomes and events of each group.
    fn groups(mut jobs: Jobs) -> Vec<(usize, usize, Vec<usize>)> {
        let next = std::iter::from_fn(|| jobs.next_on_thread());
        next.map(|group| (group.writes.len(), group.records.len(), group.publishes.iter().map(PublishJob::size).collect()))
            .collect()
    }

    fn events_by_group(sizes: &[usize]) -> Vec<Vec<usize>> {
        let jobs = waiting(sizes.iter().map(|size| publishing("a", *size)).collect());
        groups(jobs).into_iter().map(|(_, _, events)| events).collect()
    }

    #[test]
    fn a_group_holds_so_many_events_and_not_so_many_batches() {
        assert_eq!(events_by_group(&[1, 1, 1]), [vec![1, 1, 1]]);
        assert_eq!(events_by_group(&[EVENTS_MAX / 2, EVENTS_MAX / 2, 1]), [vec![EVENTS_MAX / 2, EVENTS_MAX / 2], vec![1]]);
        assert_eq!(events_by_group(&[1, EVENTS_MAX, 1]), [vec![1], vec![EVENTS_MAX], vec![1]], "a job goes in as a whole");
        assert_eq!(events_by_group(&[EVENTS_MAX + 1, 1]), [vec![EVENTS_MAX + 1], vec![1]], "a larger one goes alone");
    }

    #[test]
    fn an_account_that_posts_much_does_not_delay_its_neighbour() {
        let mut offered: Vec<Job> = (0..1_000).map(|_| publishing("much", 1)).collect();
        offered.push(publishing("little", 1));
        let (sender, mut jobs) = channel(2_000);
        for job in offered {
            assert!(sender.try_send(job).is_ok());
        }
        let first = jobs.next_on_thread().unwrap().publishes;
        assert!(first.iter().any(|job| job.publication.account_id.as_str() == "little"));
    }

    #[test]
    fn what_is_under_way_goes_before_new_events_that_came_earlier() {
        let mut offered: Vec<Job> = (0..3).map(|_| publishing("a", EVENTS_MAX)).collect();
        offered.extend([recording(), writing()]);
        let first = (1, 1, vec![EVENTS_MAX]);
        assert_eq!(groups(waiting(offered)), [first, (0, 0, vec![EVENTS_MAX]), (0, 0, vec![EVENTS_MAX])]);
    }

    #[test]
    fn other_writes_never_keep_events_out() {
        let (sender, jobs) = channel(2 * OTHERS_MAX + 1);
        for job in (0..2 * OTHERS_MAX).map(|_| writing()).chain([publishing("a", 1)]) {
            assert!(sender.try_send(job).is_ok());
        }
        drop(sender);
        assert_eq!(groups(jobs), [(OTHERS_MAX, 0, vec![1]), (OTHERS_MAX, 0, vec![])]);
    }

    #[test]
    fn those_that_join_a_group_fit_it_and_the_others_keep_their_places() {
        let mut jobs = waiting(vec![publishing("a", 1), publishing("b", 2), publishing("a", 3), recording(), publishing("b", 4)]);
        let (mut records, mut publishes) = (Vec::new(), Vec::new());
        jobs.join(&mut records, &mut publishes, |_| false, |job| job.publication.account_id.as_str() == "b");
        assert_eq!((records.len(), publishes.iter().map(PublishJob::size).collect::<Vec<_>>()), (0, vec![2, 4]));
        assert_eq!(groups(jobs), [(0, 1, vec![1, 3])]);
    }

    #[test]
    fn a_group_that_is_full_is_joined_by_nobody() {
        let mut jobs = waiting(vec![publishing("a", EVENTS_MAX), publishing("a", 1)]);
        let Group { mut records, mut publishes, .. } = jobs.next_on_thread().unwrap();
        jobs.join(&mut records, &mut publishes, |_| true, |_| true);
        assert_eq!(publishes.len(), 1);
    }
}
