//! Time: simulated, and moved by hand.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bellwire_domain::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::runtime::Handle;

/// The time, as the process sees it and as it is.
#[derive(Debug, Default)]
pub struct SimTime {
    before: Mutex<Duration>,
    /// When, and the runtime whose clock says so.
    pub life_started: Mutex<Option<(tokio::time::Instant, Handle)>>,
    jumped_micros: AtomicI64,
    pub calm: AtomicBool,
    /// The last instant read, and how often in a row.
    read: Mutex<(Duration, u32)>,
}

/// Readings of one instant after which something spins.
const READINGS_MAX: u32 = 50_000;

impl SimTime {
    /// Since the run began, by a clock that nobody moves.
    pub fn elapsed(&self) -> Duration {
        let life = self.life_started.lock().as_ref().map_or(Duration::ZERO, |(started, runtime)| {
            let _of_this_life = runtime.enter(); // on PostgreSQL the store asks from other threads
            started.elapsed()
        });
        let now = *self.before.lock() + life;
        let mut read = self.read.lock();
        *read = if read.0 == now { (now, read.1 + 1) } else { (now, 0) };
        assert!(read.1 < READINGS_MAX, "time stands still at {now:?}: a loop spins");
        now
    }

    /// By the clock of the process.
    pub fn wall(&self) -> Timestamp {
        let now = Timestamp::from_secs(1_800_000_000).plus(self.elapsed());
        Timestamp::from_micros(now.as_micros() + self.jumped_micros.load(Ordering::SeqCst))
    }

    pub fn jump(&self, micros: i64) {
        self.jumped_micros.fetch_add(micros, Ordering::SeqCst);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Waits until an instant of the run.
    pub async fn until(&self, at: Duration) {
        tokio::time::sleep(at.saturating_sub(self.elapsed())).await;
    }

    pub fn end_life(&self, down_for: Duration) {
        let elapsed = self.elapsed();
        *self.life_started.lock() = None;
        *self.before.lock() = elapsed + down_for;
    }
}

impl Clock for SimTime {
    fn now(&self) -> Timestamp {
        self.wall()
    }
}
