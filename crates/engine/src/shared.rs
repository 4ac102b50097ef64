//! What the loops share, and how attempts start.

use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{Contract, Contracts};
use bellwire_domain::trace::Traces;
use bellwire_domain::{Clock, Entropy, Signal, Timestamp};
use bellwire_store::{Account, ClaimedDelivery, LaneKey, Outcome, Queue};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt_metrics::AttemptMetrics;
use crate::pulse::Beats;
use crate::scheduler::Scheduler;
use crate::suspects::Suspects;
use crate::tokens::Tokens;
use crate::transport::Transport;
use crate::waking::{NextLook, NextRound};

/// How long an attempt waits before it asks again whether this node still holds the delivery.
const LEASE_PAUSE: Duration = Duration::from_millis(200);

/// How long a lane pauses that found no room to send.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// How long a lane pauses whose endpoint is refused. Somebody has to mend or delete it first.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);

/// What the loops share.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) contracts: watch::Receiver<Arc<Contracts>>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) scheduler: Mutex<Scheduler<LaneKey, ClaimedDelivery>>,
    pub(crate) pacer: NextLook,
    pub(crate) wake: NextRound,
    pub(crate) outcomes: mpsc::Sender<Outcome>,
    pub(crate) suspects: Suspects,
    pub(crate) tokens: Tokens,
    /// No new work.
    pub(crate) soft_stop: CancellationToken,
    pub(crate) attempts: TaskTracker,
    pub(crate) attempt_metrics: AttemptMetrics,
    pub(crate) traces: Option<Arc<dyn Traces>>,
    pub(crate) beats: Arc<Beats>,
}

/// How an attempt ended.
pub(crate) enum Ended {
    /// It was made, or its delivery was put back. What it told of the endpoint.
    Over(Option<Signal>),
    /// There was no room to send, so it was not made.
    NoRoom(ClaimedDelivery),
    /// It shares a request with others that are not there yet, and waits for them until an instant. So many were there.
    Gathers(ClaimedDelivery, usize, Timestamp),
    /// What is stored of its endpoint was changed by somebody else, so it was not made.
    Refused(ClaimedDelivery),
}

impl Shared {
    /// An account's contract as it is loaded now. Whoever has it goes on with it, whatever is loaded meanwhile.
    pub(crate) fn contract(&self, account: &Account) -> Option<Arc<Contract>> {
        self.contracts.borrow().get_version(&account.contract, account.contract_version.as_deref()).cloned()
    }

    /// Starts every attempt that the scheduler allows now, each on a task of its own, and tells the pacer when it is needed
    /// sooner than it thinks.
    pub(crate) fn pump(self: &Arc<Self>) {
        let deadline = self.start_all();
        if deadline.is_some_and(|deadline| deadline < self.pacer.looks_at()) {
            self.pacer.sooner.notify_one();
        }
    }

    /// Starts what may start; the instant at which there may be more.
    pub(crate) fn start_all(self: &Arc<Self>) -> Option<Timestamp> {
        let now = self.clock.now();
        loop {
            let mut scheduler = self.scheduler.lock();
            let Some((lane, delivery)) = scheduler.start(now) else { return scheduler.next_deadline() };
            drop(scheduler);
            self.attempts.spawn(Arc::clone(self).work(lane, delivery));
        }
    }

    /// Makes attempts until the scheduler has none left to start: one task per request in flight, not per delivery.
    async fn work(self: Arc<Self>, lane: LaneKey, delivery: ClaimedDelivery) {
        let mut slot = Slot { shared: &self, held: Some((lane, delivery)) };
        while let Some((lane, delivery)) = slot.held.clone() {
            let is_held = self.queue.covers(&delivery) || Box::pin(self.holds(&delivery)).await;
            let ended = if is_held { self.attempt(&lane, delivery).await } else { Ended::Over(None) };
            slot.held = None;
            let is_refused = matches!(ended, Ended::Refused(_));
            let fell_silent;
            (fell_silent, slot.held) = self.turn(&lane, ended);
            self.pump(); // one answer may make room for more than one request
            if fell_silent {
                tracing::info!(endpoint.id = %lane.endpoint_id, "an endpoint does not answer; it is only probed until it does");
            }
            if fell_silent || is_refused {
                Box::pin(self.quieten(&lane)).await;
            }
        }
    }

    /// Whether a delivery may be attempted: waits while this node is not sure to hold it still, and forgets it when it does not.
    pub(crate) async fn holds(&self, delivery: &ClaimedDelivery) -> bool {
        loop {
            if self.queue.covers(delivery) {
                return true;
            }
            if self.queue.forget_lost(delivery) {
                return false;
            }
            tokio::select! {
                biased;
                () = self.soft_stop.cancelled() => return false,
                () = self.queue.lease_changed() => {}
                () = tokio::time::sleep(LEASE_PAUSE) => {}
            }
        }
    }

    /// Ends an attempt and starts the next. Where none was made, the lane pauses.
    fn turn(&self, lane: &LaneKey, ended: Ended) -> (bool, Option<(LaneKey, ClaimedDelivery)>) {
        let now = self.clock.now();
        let mut scheduler = self.scheduler.lock();
        let fell_silent = match ended {
            Ended::Over(signal) => scheduler.finish(lane, signal, now),
            Ended::NoRoom(delivery) => {
                metrics::counter!("bellwire_attempts_put_off_total").increment(1);
                scheduler.put_off(lane, delivery, ROOM_PAUSE, now);
                false
            }
            Ended::Gathers(delivery, seen, until) => {
                scheduler.gather(lane, delivery, (seen, until), now);
                false
            }
            Ended::Refused(delivery) => {
                metrics::counter!("bellwire_attempts_refused_total").increment(1);
                scheduler.put_off(lane, delivery, REFUSED_PAUSE, now);
                false
            }
        };
        (fell_silent, scheduler.start(now))
    }

    /// An endpoint has stopped answering, or is refused: what it holds in memory goes back to the store, but for the next probe.
    async fn quieten(&self, lane: &LaneKey) {
        let excess = self.scheduler.lock().take_waiting(lane, 1, self.clock.now());
        self.queue.throttle(lane);
        if !excess.is_empty() {
            self.put_back(excess).await;
        }
    }
}

/// A running attempt. If its task ends without finishing it, as in a panic, the slot is freed and the delivery put back.
struct Slot<'s> {
    shared: &'s Arc<Shared>,
    held: Option<(LaneKey, ClaimedDelivery)>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some((lane, delivery)) = self.held.take() {
            self.shared.scheduler.lock().finish(&lane, None, self.shared.clock.now());
            self.shared.wake.abandon(delivery);
        }
    }
}
