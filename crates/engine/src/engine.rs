//! Starting and stopping the loops.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::Contracts;
use bellwire_domain::trace::Traces;
use bellwire_domain::{Clock, Entropy, RetentionPeriods, Timestamp};
use bellwire_store::Queue;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt_metrics::AttemptMetrics;
use crate::pulse::Pulse;
use crate::scheduler::Scheduler;
use crate::shared::Shared;
use crate::suspects::Suspects;
use crate::tokens::Tokens;
use crate::transport::Transport;
use crate::waking::{NextLook, NextRound};
use crate::{activator, claimer, deleter, eraser, heartbeats, lapser, pacer, recorder, replayer, retainer, rollups, watch};

/// What an engine needs.
pub struct EngineOptions {
    /// The queue of live deliveries.
    pub queue: Queue,
    /// The loaded contracts. Each attempt takes those that are loaded when it begins.
    pub contracts: Receiver<Arc<Contracts>>,
    /// What sends.
    pub transport: Arc<dyn Transport>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes: trace ids and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Requests in flight at once, over all endpoints.
    pub in_flight_max: usize,
    /// How long everything is kept, at least.
    pub retention: RetentionPeriods,
    /// What takes spans to whoever collects them; `None`: nobody does.
    pub traces: Option<Arc<dyn Traces>>,
}

/// Outcomes that may wait to be recorded; attempts wait for room.
const OUTCOMES_MAX: usize = 4_096;

/// The running engine.
pub struct Engine {
    shared: Arc<Shared>,
    loops: TaskTracker,
    /// Ends the recorder, once no attempt can add an outcome.
    hard_stop: CancellationToken,
}

/// What an engine holds in memory, for whoever watches it. Cheap to clone.
#[derive(Clone)]
pub struct Lanes(Arc<Shared>);

impl Lanes {
    /// Since when the oldest delivery is due that is held and waits in its lane; `None`: none waits.
    pub fn oldest_due(&self) -> Option<Timestamp> {
        self.0.scheduler.lock().heads().map(|delivery| delivery.due_at).min()
    }

    /// Deliveries that are held, in flight ones among them.
    pub fn held(&self) -> usize {
        self.0.queue.held()
    }
}

impl Engine {
    /// Starts the loops on the current runtime.
    pub fn start(options: EngineOptions) -> Self {
        let (outcomes, received) = mpsc::channel(OUTCOMES_MAX);
        let (suspects, notes) = Suspects::new();
        let shared = Arc::new(Shared {
            queue: options.queue,
            contracts: options.contracts,
            transport: options.transport,
            clock: options.clock,
            entropy: options.entropy,
            scheduler: Mutex::new(Scheduler::new(options.in_flight_max)),
            pacer: NextLook::default(),
            wake: NextRound::default(),
            outcomes,
            suspects,
            tokens: Tokens::default(),
            soft_stop: CancellationToken::new(),
            attempts: TaskTracker::new(),
            attempt_metrics: AttemptMetrics::new(),
            traces: options.traces,
            beats: Arc::default(),
        });
        let hard_stop = CancellationToken::new();
        let loops = TaskTracker::new();
        loops.spawn(dispatch(Arc::clone(&shared)));
        loops.spawn(claimer::run(Arc::clone(&shared)));
        loops.spawn(pacer::run(Arc::clone(&shared)));
        loops.spawn(replayer::run(Arc::clone(&shared)));
        loops.spawn(activator::run(Arc::clone(&shared)));
        loops.spawn(heartbeats::run(Arc::clone(&shared)));
        loops.spawn(lapser::run(Arc::clone(&shared)));
        loops.spawn(deleter::run(Arc::clone(&shared)));
        loops.spawn(eraser::run(Arc::clone(&shared)));
        loops.spawn(rollups::run(Arc::clone(&shared)));
        loops.spawn(retainer::run(Arc::clone(&shared), options.retention));
        loops.spawn(watch::run(Arc::clone(&shared), notes, hard_stop.clone()));
        loops.spawn(recorder::run(Arc::clone(&shared), received, hard_stop.clone()));
        loops.close();
        Self { shared, loops, hard_stop }
    }

    /// What is held in memory.
    pub fn lanes(&self) -> Lanes {
        Lanes(Arc::clone(&self.shared))
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> usize {
        self.shared.scheduler.lock().running()
    }

    /// Whether it is alive, for whoever restarts a process that hangs.
    pub fn pulse(&self) -> Pulse {
        Pulse::of(Arc::clone(&self.shared.beats))
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
async fn dispatch(shared: Arc<Shared>) {
    loop {
        let batch = tokio::select! {
            biased;
            () = shared.soft_stop.cancelled() => return,
            batch = shared.queue.next_claimed() => batch,
        };
        let Some(batch) = batch else { return };
        {
            let now = shared.clock.now();
            let mut scheduler = shared.scheduler.lock();
            for delivery in batch {
                scheduler.admit(&delivery.lane(), delivery, now);
            }
        }
        shared.pump();
    }
}
