//! What an observer outside of the process saw: every request that reached the network, every answer to a publisher.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Timestamp};
use bellwire_store::{Attempt, Delivery};

use crate::network::Behaviour;

/// One request.
#[derive(Debug, Clone)]
pub struct Sent {
    pub delivery: String,
    pub event: String,
    pub endpoint: String,
    pub attempt: u32,
    /// Whether it is the first of its request, which others may share.
    pub is_first: bool,
    /// Which life of the process sent it.
    pub life: usize,
    /// By a clock that nobody moves.
    pub started: Duration,
    /// By the process's clock.
    pub started_wall: Timestamp,
    /// When and with what it ended; `None`: the process died first.
    pub ended: Option<(Duration, Timestamp, AttemptOutcome)>,
}

/// What a publisher was told.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub account: String,
    pub event: String,
    pub at: Duration,
    pub life: usize,
}

/// An endpoint of the simulation.
#[derive(Debug, Clone)]
pub struct SimEndpoint {
    pub account: String,
    pub id: String,
    pub contract: &'static str,
    pub behaviour: Behaviour,
    pub in_flight_max: u32,
    /// Nobody disables, pauses or deletes it.
    pub left_alone: bool,
}

/// One delivery as the store has it in the end.
#[derive(Debug, Clone)]
pub struct Stored {
    pub delivery: Delivery,
    pub attempts: Vec<Attempt>,
}

/// Everything that was seen in a run.
#[derive(Debug, Default)]
pub struct Ledger {
    pub seed: u64,
    /// No crash, no failed commit, no clock that jumps: attempts must be on time.
    pub punctual: bool,
    pub endpoints: Vec<SimEndpoint>,
    pub sent: Vec<Sent>,
    pub accepted: Vec<Accepted>,
    /// Deliveries that somebody asked to send again.
    pub retried_by_hand: BTreeSet<String>,
    /// Acts that were acknowledged, and have to be in the audit log.
    pub recorded: u64,
    /// Erasures that were acknowledged: their account and id, and when.
    pub erasures: Vec<(String, String, Duration)>,
    pub crashes: usize,
    pub stops: usize,
    pub commits_failed: usize,
    /// When the process gave up all that it held, as it did not know what had become of a commit.
    pub given_up: Vec<Duration>,
    /// When the process's clock jumped.
    pub clock_jumps: Vec<Duration>,
    pub stored: Vec<Stored>,
    /// Attempts by the store's figures.
    pub counted_attempts: i64,
    /// Event ids by account, in the order of `seq`.
    pub logs: BTreeMap<String, Vec<(i64, String)>>,
    /// What went wrong with the simulation itself.
    pub broken: Vec<String>,
}

/// The subject of some events.
pub const SUBJECT: &str = "patient:1";

/// Whether an event is about the subject: one in five is, by its number.
pub fn is_about_subject(event: &str) -> bool {
    event.trim_start_matches("evt_").parse::<usize>().is_ok_and(|number| number % 5 == 0)
}

impl Ledger {
    pub fn endpoint(&self, id: &str) -> Option<&SimEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    /// Whether all that was held at one instant was free again by another.
    pub fn is_given_up(&self, from: Duration, to: Duration) -> bool {
        self.given_up.iter().any(|at| (from..=to).contains(at))
    }

    /// Whether the process's clock ran steadily between two instants.
    pub fn is_steady(&self, from: Duration, to: Duration) -> bool {
        !self.clock_jumps.iter().any(|jump| (from..=to).contains(jump))
    }
}

/// For people: the run, line by line.
impl fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "seed {}, punctual: {}", self.seed, self.punctual)?;
        for endpoint in &self.endpoints {
            writeln!(formatter, "endpoint {endpoint:?}")?;
        }
        for accepted in &self.accepted {
            writeln!(formatter, "{:>12?} life {} accepted {}", accepted.at, accepted.life, accepted.event)?;
        }
        for sent in &self.sent {
            let Sent { delivery, event, endpoint, attempt, life, started, .. } = sent;
            write!(formatter, "{started:>12?} life {life} sent {event} to {endpoint}, attempt {attempt} of {delivery}: ")?;
            match &sent.ended {
                Some((at, _, outcome)) => writeln!(formatter, "{outcome} at {at:?}")?,
                None => writeln!(formatter, "the process died")?,
            }
        }
        for Stored { delivery, attempts } in &self.stored {
            let (id, state, endpoint) = (&delivery.id, delivery.state.as_str(), &delivery.endpoint_id);
            writeln!(formatter, "stored {id} to {endpoint}: {state} after {} attempts", attempts.len())?;
        }
        writeln!(
            formatter,
            "{} crashes, {} stops, {} failed commits, {} clock jumps",
            self.crashes,
            self.stops,
            self.commits_failed,
            self.clock_jumps.len()
        )
    }
}

/// Sums over many runs, to see that the faults meant to happen did.
#[derive(Debug, Default)]
pub struct Totals {
    events: usize,
    requests: usize,
    crashes: usize,
    cut_off: usize,
    stops: usize,
    commits_failed: usize,
    clock_jumps: usize,
}

impl Totals {
    pub fn add(&mut self, ledger: &Ledger) {
        self.events += ledger.accepted.len();
        self.requests += ledger.sent.len();
        self.crashes += ledger.crashes;
        self.cut_off += ledger.sent.iter().filter(|sent| sent.ended.is_none()).count();
        self.stops += ledger.stops;
        self.commits_failed += ledger.commits_failed;
        self.clock_jumps += ledger.clock_jumps.len();
    }

    /// A simulation in which nothing happens would always pass.
    pub fn check_that_faults_happened(&self, seeds: u64) {
        let Self { events, requests, crashes, cut_off, stops, commits_failed, clock_jumps } = *self;
        let least = usize::try_from(seeds / 10).unwrap();
        for (what, count) in [
            ("events", events),
            ("requests", requests),
            ("crashes", crashes),
            ("requests cut off by a crash", cut_off),
            ("stops", stops),
            ("failed commits", commits_failed),
            ("clock jumps", clock_jumps),
        ] {
            assert!(count >= least, "only {count} {what} in {seeds} seeds");
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, requests, crashes, cut_off, stops, commits_failed, clock_jumps } = self;
        write!(
            formatter,
            "{events} events, {requests} requests, {cut_off} of them cut off by {crashes} crashes; {stops} stops, \
             {commits_failed} failed commits, {clock_jumps} clock jumps"
        )
    }
}
