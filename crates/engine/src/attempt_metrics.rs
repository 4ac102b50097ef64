//! Where attempts are counted. A series is looked up by its labels once; after that its handle is at hand.

use std::time::Duration;

use foldhash::HashMap;
use metrics::{Counter, Histogram};
use parking_lot::RwLock;

/// The series of all contracts.
pub(crate) struct AttemptMetrics {
    seconds: Histogram,
    end_to_end: Histogram,
    attempts: RwLock<HashMap<String, Vec<(&'static str, Counter)>>>,
}

impl AttemptMetrics {
    pub(crate) fn new() -> Self {
        let (seconds, end_to_end) =
            (metrics::histogram!("bellwire_attempt_seconds"), metrics::histogram!("bellwire_end_to_end_seconds"));
        Self { seconds, end_to_end, attempts: RwLock::default() }
    }

    /// Counts a delivery that has arrived, by how long that took.
    pub(crate) fn record_delivered(&self, took: Duration) {
        self.end_to_end.record(took.as_secs_f64());
    }

    /// Counts an attempt by its contract and the kind of its outcome.
    pub(crate) fn record(&self, contract: &str, outcome: &'static str, duration: Duration) {
        self.seconds.record(duration.as_secs_f64());
        let of = |series: &&(&'static str, Counter)| series.0 == outcome;
        if let Some((_, attempts)) = self.attempts.read().get(contract).and_then(|all| all.iter().find(of)) {
            return attempts.increment(1);
        }
        let attempts = metrics::counter!("bellwire_attempts_total", "contract" => contract.to_owned(), "outcome" => outcome);
        attempts.increment(1);
        self.attempts.write().entry(contract.to_owned()).or_default().push((outcome, attempts)); // twice at worst, of one series
    }
}
