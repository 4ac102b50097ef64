//! The thread that keeps this node among the others. It sends the heartbeat, takes over from nodes that are gone, listens to what
//! others tell, and looks after the tables.
//!
//! Notices may get lost, as when the connection breaks or a pooler stands in between. They only make things quicker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bellwire_domain::Clock;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::nodes::{self, Beat, Watch};
use super::tidying::{self, Need};
use super::{claim, history};
use crate::StoreError;
use crate::queue::handoff::HandOff;
use crate::queue::lease::Lease;
use crate::queue::notice::Notice;
use crate::sql::{Db, PostgresUrl, Session, aside};

/// Beats in the length of a lease.
const BEATS: u32 = 6;
/// Between two looks for backlogs that other nodes have left.
const LOOK: Duration = Duration::from_secs(2);
/// Between two looks at what has to be done to the tables.
const TIDY: Duration = Duration::from_secs(2);
/// Between two looks whether the partitions of the next weeks are there.
const MAKE_AHEAD: Duration = Duration::from_secs(3_600);
/// Told by [`Keeper::stop`]. No notification is empty.
const STOP: &str = "";

const LISTEN: &str = "LISTEN bellwire";

/// What the thread needs.
pub(super) struct Duties {
    pub(super) url: PostgresUrl,
    pub(super) lease: Arc<Lease>,
    pub(super) lease_length: Duration,
    pub(super) handoff: Arc<HandOff>,
    pub(super) clock: Arc<dyn Clock>,
}

/// The running thread.
pub(super) struct Keeper {
    notices: UnboundedSender<String>,
    thread: Option<JoinHandle<()>>,
}

/// A store that is dropped without having been closed leaves no thread behind.
impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.notices.send(STOP.to_owned());
    }
}

impl Keeper {
    /// Starts it. `hear` is called with what other nodes tell.
    pub(super) fn start(duties: Duties, hear: impl Fn(Notice) + Send + 'static) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Database(error.to_string().into());
        let idle = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let (notices, received) = unbounded_channel();
        let sender = notices.clone();
        let run = move || {
            let tidying = Arc::default();
            let times = [Instant::now(); 3];
            let (session, watch) = (None, Watch::default());
            Thread { duties, hear: Box::new(hear), idle, session, watch, tidying, times, looked_at: None, sender }.run(received);
        };
        let thread = std::thread::Builder::new().name("bellwire-keeper".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { notices, thread: Some(thread) })
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(mut self) {
        let _ = self.notices.send(STOP.to_owned());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// In a simulation, of a node that is alone and hears nobody: a task that looks for backlogs, while the store is there.
pub(super) fn look_inline(duties: Duties, is_there: impl Fn() -> bool + Send + 'static) {
    let task = async move {
        let (mut session, mut looked_at) = (None, None);
        while is_there() {
            let looked = aside(|| {
                let session = match &mut session {
                    Some(session) => session,
                    none => none.insert(Session::connect(&duties.url, None)?),
                };
                claim::some_lanes_waiting(session, looked_at)
            });
            match looked {
                Ok((lanes, next)) => {
                    looked_at = next;
                    duties.handoff.mark_backlog(lanes);
                }
                Err(error) => tracing::warn!(error = %error, "backlogs could not be looked for"),
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the store")]
    drop(tokio::spawn(task));
}

struct Thread {
    duties: Duties,
    hear: Box<dyn Fn(Notice)>,
    /// Waits while there is no connection.
    idle: Runtime,
    session: Option<Session>,
    watch: Watch,
    tidying: Arc<AtomicBool>,
    /// When to look for backlogs, at the tables, and at the partitions.
    times: [Instant; 3],
    /// The number of the lane up to which backlogs were looked for; `None`: from the first one on.
    looked_at: Option<i64>,
    sender: UnboundedSender<String>,
}

impl Thread {
    fn run(mut self, mut notices: UnboundedReceiver<String>) {
        let beat = (self.duties.lease_length / BEATS).max(Duration::from_millis(20));
        loop {
            let next = Instant::now() + beat;
            if let Err(error) = self.round() {
                tracing::warn!(error = %error, "this node cannot reach the others through the database; trying again");
                self.session = None;
                self.watch.forget();
            }
            while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                let notice = match &self.session {
                    Some(session) => session.wait_for(&mut notices, left),
                    None => self.idle.block_on(async { tokio::time::timeout(left, notices.recv()).await.ok().flatten() }),
                };
                match notice.as_deref() {
                    None => {}
                    Some(STOP) => return,
                    Some(payload) => self.take(payload),
                }
            }
        }
    }

    fn take(&mut self, payload: &str) {
        match Notice::read(payload) {
            Some(Notice::Waiting) => {
                if let Err(error) = self.look_for_backlogs() {
                    tracing::warn!(error = %error, "backlogs could not be looked for");
                }
            }
            Some(notice) => (self.hear)(notice),
            None => {}
        }
    }

    fn round(&mut self) -> Result<(), StoreError> {
        if self.session.is_none() {
            let session = Session::connect(&self.duties.url, Some(self.sender.clone()))?;
            session.batch(LISTEN)?;
            self.session = Some(session);
            (self.hear)(Notice::Deaf);
        }
        let Some(session) = &self.session else { return Ok(()) };
        let lease = &self.duties.lease;
        let claimant = lease.current();
        if !lease.is_given_up() {
            let at = Instant::now();
            if nodes::beat(session, &claimant.token)? {
                lease.renew(claimant.epoch, at);
            } else {
                tracing::warn!("this node was silent for too long and others took over; it starts anew");
                lease.give_up(claimant.epoch);
                self.duties.handoff.claimable.notify_one();
            }
        }
        let (nodes, dead) = self.watch.look(session, &claimant.token, self.duties.lease_length)?;
        lease.set_nodes(nodes.saturating_sub(dead.len()));
        for Beat { token, beat } in dead {
            if let Some(freed) = nodes::take_over(session, &token, beat)? {
                tracing::warn!(deliveries = freed, "took over the deliveries of a node that is gone");
                Notice::Waiting.tell(Db::Postgres(session))?;
            }
        }
        self.look_after()
    }

    /// What is done less often than a beat.
    fn look_after(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        let due = |time: &mut Instant, pause: Duration| {
            let due = *time <= now;
            if due {
                *time = now + pause;
            }
            due
        };
        let [look, tidy, make] = &mut self.times;
        let (look, tidy, make) = (due(look, LOOK), due(tidy, TIDY), due(make, MAKE_AHEAD));
        if look {
            self.look_for_backlogs()?;
        }
        let Some(session) = &self.session else { return Ok(()) };
        if tidy && let Some(need) = tidying::need(session)? {
            self.tidy(need);
        }
        if make {
            history::make_ahead(session, self.duties.clock.now())?;
        }
        Ok(())
    }

    /// Looks at some lanes, and at the next ones the next time: a beat must not wait for it.
    fn look_for_backlogs(&mut self) -> Result<(), StoreError> {
        let Some(session) = &self.session else { return Ok(()) };
        let (lanes, next) = claim::some_lanes_waiting(session, self.looked_at)?;
        self.looked_at = next;
        if !lanes.is_empty() {
            self.duties.handoff.mark_backlog(lanes);
        }
        Ok(())
    }

    /// Does what the queue's table needs, aside: a beat must not wait for it.
    fn tidy(&self, need: Need) {
        if self.tidying.swap(true, Ordering::AcqRel) {
            return;
        }
        let (url, tidying) = (self.duties.url.clone(), Arc::clone(&self.tidying));
        let run = move || {
            if let Err(error) = tidying::run(&url, need) {
                tracing::warn!(error = %error, "the queue could not be vacuumed");
            }
            tidying.store(false, Ordering::Release);
        };
        if std::thread::Builder::new().name("bellwire-vacuum".to_owned()).spawn(run).is_err() {
            self.tidying.store(false, Ordering::Release);
        }
    }
}
