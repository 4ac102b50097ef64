//! For tests only: a clock that is set by hand, randomness that a seed decides, waiting with a deadline, HTTP from both ends,
//! processes, a PostgreSQL cluster, a proxy that cuts nodes off from it, and a certificate authority.
//!
//! It depends on `bellwire-domain` and on nothing else of ours. What needs a crate's own types stays with that crate's tests.

pub mod authority;
pub mod http;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod sink;
pub mod waiting;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use bellwire_domain::{Clock, Entropy, Timestamp};
use sha2::{Digest, Sha256};

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `now`.
    pub const fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.as_micros()))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Sets it, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

/// Starts at 2025-01-15T10:30:00Z.
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(Timestamp::from_secs(1_736_937_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that look random, and are the same for the same seed.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// A sequence of its own for each seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.drawn.fetch_add(1, Ordering::SeqCst);
            let block = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(count.to_be_bytes()).finalize();
            chunk.iter_mut().zip(block).for_each(|(byte, random)| *byte = random);
        }
    }
}
