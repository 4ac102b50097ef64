//! How far an attempt has got, and how long each phase of it took.
//!
//! A connection from the pool goes straight to the request: no clock is read for it here, as the attempt's deadline is counted
//! anyway.

use std::time::Duration;

use bellwire_domain::{Phase, Phases, TimeoutPhase};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Shared between an attempt and what is broken off at its deadline.
pub(crate) struct Progress(Mutex<Course>);

struct Course {
    at: TimeoutPhase,
    /// What is measured now, and since when.
    running: Option<(Phase, Instant)>,
    phases: Phases,
}

impl Default for Progress {
    /// A connection from the pool skips all phases before the request itself.
    fn default() -> Self {
        Self(Mutex::new(Course { at: TimeoutPhase::Headers, running: None, phases: Phases::default() }))
    }
}

impl Progress {
    /// Goes on to a phase. Until there is a connection, its time is measured.
    pub(crate) fn reach(&self, at: TimeoutPhase) {
        let mut course = self.0.lock();
        course.at = at;
        let phase = match at {
            TimeoutPhase::Body => return, // part of the answer, whose beginning is behind it
            TimeoutPhase::Dns => Phase::Dns,
            TimeoutPhase::Connect => Phase::Connect,
            TimeoutPhase::Tls => Phase::Tls,
            TimeoutPhase::Headers => Phase::Answer,
        };
        let now = Instant::now();
        course.end(now);
        course.running = Some((phase, now));
    }

    /// There is a connection, or none: what was measured ends.
    pub(crate) fn pause(&self) {
        let mut course = self.0.lock();
        if course.running.is_some() {
            course.end(Instant::now());
        }
    }

    /// A request was out for so long.
    pub(crate) fn answered_in(&self, took: Duration) {
        self.0.lock().phases.add(Phase::Answer, took);
    }

    /// Where it is.
    pub(crate) fn phase(&self) -> TimeoutPhase {
        self.0.lock().at
    }

    /// How long the phases took that are over.
    pub(crate) fn phases(&self) -> Phases {
        self.0.lock().phases
    }
}

impl Course {
    fn end(&mut self, now: Instant) {
        if let Some((phase, since)) = self.running.take() {
            self.phases.add(phase, now.saturating_duration_since(since));
        }
    }
}
