//! Starting and stopping: the shared state of the loops.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::Contracts;
use bellwire_domain::{Clock, Entropy};
use bellwire_egress::Sender;
use bellwire_store::{Claimed, ClaimedDelivery, LaneKey, Outcome, Store};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::claimer::{self, Wake};
use crate::recorder;
use crate::replayer;
use crate::scheduler::Scheduler;

/// What an engine needs.
pub struct EngineOptions {
    /// The store.
    pub store: Store,
    /// The receiving end of the store's hand-off.
    pub claimed: Claimed,
    /// The loaded contracts.
    pub contracts: Arc<Contracts>,
    /// What sends.
    pub sender: Sender,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes: trace ids and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Requests in flight at once, over all endpoints.
    pub in_flight_max: usize,
}

/// Outcomes that may wait to be recorded; attempts wait for room.
const OUTCOMES_MAX: usize = 4_096;

/// What the loops share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) contracts: Arc<Contracts>,
    pub(crate) sender: Sender,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) scheduler: Mutex<Scheduler<LaneKey, ClaimedDelivery>>,
    pub(crate) wake: Wake,
    pub(crate) outcomes: mpsc::Sender<Outcome>,
    /// No new work.
    pub(crate) soft_stop: CancellationToken,
    attempts: TaskTracker,
}

impl Shared {
    /// Starts every attempt that the scheduler allows now, each on a task of its own.
    pub(crate) fn pump(self: &Arc<Self>) {
        loop {
            let next = self.scheduler.lock().start();
            let Some((lane, delivery)) = next else { return };
            self.attempts.spawn(Arc::clone(self).work(lane, delivery));
        }
    }

    /// Makes attempts until the scheduler has none left to start: one task per request in flight, not per delivery.
    async fn work(self: Arc<Self>, lane: LaneKey, delivery: ClaimedDelivery) {
        let mut slot = Slot { shared: &self, held: Some((lane, delivery)) };
        while let Some((lane, delivery)) = slot.held.clone() {
            self.attempt(&lane, delivery).await;
            slot.held = None;
            let mut scheduler = self.scheduler.lock();
            scheduler.finish(&lane);
            slot.held = scheduler.start();
        }
    }
}

/// A running job. If its task ends without finishing it, as in a panic, the slot is freed and the delivery put back.
struct Slot<'s> {
    shared: &'s Arc<Shared>,
    held: Option<(LaneKey, ClaimedDelivery)>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some((lane, delivery)) = self.held.take() {
            self.shared.scheduler.lock().finish(&lane);
            self.shared.wake.abandon(delivery);
        }
    }
}

/// The running engine.
pub struct Engine {
    shared: Arc<Shared>,
    loops: TaskTracker,
    /// Ends the recorder, once no attempt can add an outcome.
    hard_stop: CancellationToken,
}

impl Engine {
    /// Starts the loops on the current runtime.
    pub fn start(options: EngineOptions) -> Self {
        let (outcomes, received) = mpsc::channel(OUTCOMES_MAX);
        let shared = Arc::new(Shared {
            store: options.store,
            contracts: options.contracts,
            sender: options.sender,
            clock: options.clock,
            entropy: options.entropy,
            scheduler: Mutex::new(Scheduler::new(options.in_flight_max)),
            wake: Wake::default(),
            outcomes,
            soft_stop: CancellationToken::new(),
            attempts: TaskTracker::new(),
        });
        let hard_stop = CancellationToken::new();
        let loops = TaskTracker::new();
        loops.spawn(dispatch(Arc::clone(&shared), options.claimed));
        loops.spawn(claimer::run(Arc::clone(&shared)));
        loops.spawn(replayer::run(Arc::clone(&shared)));
        loops.spawn(recorder::run(Arc::clone(&shared), received, hard_stop.clone()));
        loops.close();
        Self { shared, loops, hard_stop }
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.shared.scheduler.lock().running()
    }

    /// Takes no new work, lets requests in flight finish for at most `grace`, and records what came of them. What is left
    /// stays due in the store.
    pub async fn stop(self, grace: Duration) {
        self.shared.soft_stop.cancel();
        self.shared.scheduler.lock().close();
        self.shared.attempts.close();
        if tokio::time::timeout(grace, self.shared.attempts.wait()).await.is_err() {
            tracing::warn!(in_flight = self.in_flight(), "stopping with requests in flight; they stay due");
        }
        self.hard_stop.cancel();
        self.loops.wait().await;
    }
}

/// Puts what the store hands over into lanes.
async fn dispatch(shared: Arc<Shared>, mut claimed: Claimed) {
    loop {
        let batch = tokio::select! {
            batch = claimed.recv() => batch,
            () = shared.soft_stop.cancelled() => return,
        };
        let Some(batch) = batch else { return };
        {
            let mut scheduler = shared.scheduler.lock();
            for delivery in batch {
                scheduler.admit(&delivery.lane(), delivery);
            }
        }
        shared.pump();
    }
}
