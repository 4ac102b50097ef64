//! What becomes of deliveries that a process died with, and of the one that it died of.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Consumer, DeliveryState, Entropy, Suspicion, Timestamp};
use bellwire_egress::OutboundRequest;
use bellwire_engine::{Sending, Transport};
use bellwire_store::{Delivery, LaneKey, Location, MasterKey, RetryResult, StoreOptions};
use bellwire_testkit::ManualClock;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::world::{PATIENCE, World, drawn, left_by};

/// Sees requests being built and being sent, and keeps what a process would leave that were killed then.
struct Witness {
    /// Whether a request that is sent is answered; otherwise it stays in flight.
    answers: bool,
    folder: Option<PathBuf>,
    entropy: Arc<dyn Entropy>,
    sent: AtomicUsize,
    left_when_built: Mutex<Vec<TempDir>>,
    left_when_sent: Mutex<Vec<TempDir>>,
}

impl Witness {
    fn new(answers: bool, folder: Option<&TempDir>) -> Arc<Self> {
        Arc::new(Self {
            answers,
            folder: folder.map(|folder| folder.path().to_owned()),
            entropy: drawn(),
            sent: AtomicUsize::new(0),
            left_when_built: Mutex::default(),
            left_when_sent: Mutex::default(),
        })
    }

    /// A process over what another has left.
    fn start(left: TempDir, clock: &Arc<ManualClock>, answers: bool) -> (World, Arc<Self>) {
        let witness = Self::new(answers, Some(&left));
        (World::over(left, Arc::clone(clock), Arc::clone(&witness) as _, Arc::clone(&witness) as _), witness)
    }

    /// Waits until so many requests are sent.
    async fn has_sent(&self, count: usize) {
        let sent = async {
            while self.sent.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, sent).await.unwrap();
    }
}

/// The bytes that a request may use are drawn when it is built.
impl Entropy for Witness {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > size_of::<u32>() {
            self.left_when_built.lock().extend(self.folder.as_deref().map(left_by));
        }
        self.entropy.fill(bytes);
    }
}

impl Transport for Witness {
    fn send<'a>(&'a self, _: Consumer<'a>, _: OutboundRequest, _: Duration, _: Timestamp) -> Sending<'a> {
        self.left_when_sent.lock().extend(self.folder.as_deref().map(left_by));
        self.sent.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            if !self.answers {
                std::future::pending::<()>().await;
            }
            Ok(AttemptOutcome::answered(200).into())
        })
    }
}

/// A process with so many deliveries to an endpoint that takes one at a time. It is sending the first.
async fn sending(count: usize) -> (World, LaneKey) {
    let witness = Witness::new(false, None);
    let world = World::sending_through(Arc::clone(&witness) as _);
    let account = world.account("novamed").await;
    let lane = world.limited_endpoint(&account, "e", "https://client.example/hook", (Some(1), None)).await;
    world.publish(&account, "order:shipped", "{}", count).await;
    witness.has_sent(1).await;
    (world, lane)
}

/// What is held against the deliveries that the next process claims, in the order of their lane.
async fn suspicions(left: &TempDir, clock: &Arc<ManualClock>) -> Vec<Suspicion> {
    let place = Location::Sqlite(left.path().join("test.db"));
    let options = StoreOptions::new(place, MasterKey::new([1; 32]), Arc::clone(clock) as _, drawn());
    let (_records, queue) = bellwire_store::open(options).unwrap();
    queue.claim_due(bellwire_domain::Clock::now(&**clock), 100).await.unwrap();
    let mut claimed = tokio::time::timeout(PATIENCE, queue.next_claimed()).await.unwrap().unwrap();
    claimed.sort_by_key(|delivery| delivery.number);
    claimed.iter().map(|delivery| delivery.suspicion).collect()
}

fn all_delivered(all: &[Delivery]) -> bool {
    all.iter().all(|delivery| delivery.state == DeliveryState::Delivered)
}

#[tokio::test]
async fn a_suspect_is_noted_before_its_request_is_built_and_cleared_before_it_is_sent() {
    let (world, lane) = sending(2).await;
    let (next, witness) = Witness::start(world.killed(), &world.clock, true);
    next.until(&lane, all_delivered).await;
    let [built, sent] = [&witness.left_when_built, &witness.left_when_sent].map(|left| std::mem::take(&mut *left.lock()));
    assert_eq!((built.len(), sent.len()), (2, 2));
    assert_eq!(suspicions(&built[0], &world.clock).await, [Suspicion::Alone, Suspicion::Held]);
    assert_eq!(suspicions(&sent[0], &world.clock).await, [Suspicion::Held; 2], "it is not blamed for what it did not do");
    assert_eq!(suspicions(&built[1], &world.clock).await.last(), Some(&Suspicion::Alone));
    assert_eq!(suspicions(&sent[1], &world.clock).await.last(), Some(&Suspicion::Held));
}

#[tokio::test]
async fn nothing_is_noted_of_a_delivery_that_no_process_died_with() {
    let left = tempfile::tempdir().unwrap();
    let (world, witness) = Witness::start(left, &Arc::default(), true);
    let account = world.account("novamed").await;
    let lane = world.endpoint(&account, "e", "https://client.example/hook").await;
    world.publish(&account, "order:shipped", "{}", 1).await;
    world.until(&lane, all_delivered).await;
    let built = std::mem::take(&mut *witness.left_when_built.lock());
    assert_eq!(suspicions(&built[0], &world.clock).await, [Suspicion::Held]);
}

#[tokio::test]
async fn a_delivery_that_the_process_died_of_alone_fails_with_the_reason_and_its_lane_goes_on() {
    let (world, lane) = sending(3).await;
    let mut died = world.killed();
    for suspicion in [Suspicion::Alone, Suspicion::Accused, Suspicion::Refused] {
        let (next, witness) = Witness::start(died, &world.clock, true);
        next.until(&lane, all_delivered).await;
        let left = std::mem::take(&mut *witness.left_when_built.lock());
        assert_eq!(suspicions(&left[0], &world.clock).await[0], suspicion);
        died = left.into_iter().next().unwrap();
    }

    let (last, witness) = Witness::start(died, &world.clock, true);
    let ended = last.until(&lane, |all| all.iter().all(|delivery| delivery.ended_at.is_some())).await;
    let states: Vec<_> = ended.iter().rev().map(|delivery| (delivery.number, delivery.state)).collect();
    let [failed, delivered] = [DeliveryState::Failed, DeliveryState::Delivered];
    assert_eq!(states, [(1, failed), (2, delivered), (3, delivered)]);
    let (_, attempts) = last.records.find_delivery(ended[2].id).await.unwrap().unwrap();
    assert_eq!((attempts.len(), attempts[0].outcome.as_str()), (1, "unbuildable"));
    let reason = "request not made: the process died twice while it built this request";
    assert_eq!(attempts[0].detail.as_deref(), Some(reason));
    assert_eq!(witness.left_when_built.lock().len(), 2, "it is not built once more");

    let retried = last.records.retry_delivery(ended[2].id).await.unwrap();
    assert_eq!(retried, RetryResult::Due(lane.clone()));
    let delivered = last.until(&lane, all_delivered).await;
    assert_eq!(delivered[2].attempts, 2);
}

#[tokio::test]
async fn a_delivery_that_is_sent_whenever_the_process_dies_arrives_in_the_end() {
    let (mut world, lane) = sending(2).await;
    for _ in 0..3 {
        let (next, witness) = Witness::start(world.killed(), &world.clock, false);
        witness.has_sent(1).await;
        world = next;
    }
    let (last, _) = Witness::start(world.killed(), &world.clock, true);
    let delivered = last.until(&lane, all_delivered).await;
    assert!(delivered.iter().all(|delivery| delivery.attempts == 1));
}
