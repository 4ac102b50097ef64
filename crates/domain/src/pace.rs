//! How hard an endpoint is pressed.
//!
//! The contract says how many requests may be in flight to an endpoint; how many are, follows from how it answers. Each answer
//! lets one more follow. An endpoint that has not answered yet gets few while room is scarce. One that asks to be spared (429,
//! 502, 504, or a `Retry-After` that the contract honours) is slowed down. One that does not answer at all is probed: one
//! request at a time, with pauses between them, until it answers again. None of this changes when a delivery is due, only how
//! many deliveries of one endpoint go out at once.

use std::time::Duration;

use crate::{AttemptOutcome, DeliveryPolicy, Timestamp};

/// Requests in flight before the first answer while room is scarce, and after attempts that were not answered.
pub const WINDOW_SCARCE: u32 = 4;
/// Attempts without an answer, in a row, after which an endpoint is only probed.
pub const SILENT_MAX: u32 = 5;
/// The pause after the first probe that was not answered; it doubles with each, and may last a quarter longer.
const PROBE_PAUSE_FIRST: Duration = Duration::from_millis(50);
const PROBE_PAUSE_MAX: Duration = Duration::from_millis(800);
/// The pause after the first answer that asks for less; it doubles with each.
const SLOW_PAUSE_FIRST: Duration = Duration::from_millis(250);
const SLOW_PAUSE_MAX: Duration = Duration::from_secs(5);

/// What an attempt tells about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It answered, whatever it said.
    Answered,
    /// It, or what stands before it, asks for less.
    SlowDown {
        /// How long it asked to be left alone.
        pause: Option<Duration>,
    },
    /// It did not answer.
    Silent,
}

impl DeliveryPolicy {
    /// What an outcome tells about the endpoint; `None`: nothing, as nothing was sent.
    pub fn signal(&self, outcome: &AttemptOutcome) -> Option<Signal> {
        match outcome {
            AttemptOutcome::Response { status, .. } if self.success.accepts(*status) => Some(Signal::Answered),
            AttemptOutcome::Response { status, retry_after, .. } => {
                let pause = retry_after.zip(self.retry_after_max).map(|(asked, max)| asked.min(max));
                let spare = matches!(status, 429 | 502 | 504) || (*status == 503 && pause.is_some());
                Some(if spare { Signal::SlowDown { pause } } else { Signal::Answered })
            }
            AttemptOutcome::Unbuildable { .. } => None,
            AttemptOutcome::Timeout { .. }
            | AttemptOutcome::Dns { .. }
            | AttemptOutcome::Blocked { .. }
            | AttemptOutcome::Tls { .. }
            | AttemptOutcome::Connect { .. }
            | AttemptOutcome::Closed { .. }
            | AttemptOutcome::Protocol { .. }
            | AttemptOutcome::AccessToken { .. } => Some(Signal::Silent),
        }
    }
}

/// How an endpoint has answered lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    window: u32,
    /// It has answered at least once.
    known: bool,
    silent: u32,
    slowed: u32,
    pause: Option<Pause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    from: Timestamp,
    until: Timestamp,
}

impl Default for Pace {
    fn default() -> Self {
        Self { window: u32::MAX, known: false, silent: 0, slowed: 0, pause: None }
    }
}

impl Pace {
    /// The pace after an attempt that ended at `now`, where `in_flight_max` requests may be in flight.
    #[must_use]
    pub fn observe(self, signal: Signal, in_flight_max: u32, now: Timestamp) -> Self {
        match signal {
            Signal::Answered => Self { window: self.window.saturating_add(1), known: true, silent: 0, slowed: 0, pause: None },
            Signal::SlowDown { pause } => {
                let pause = pause.unwrap_or_default().max(doubled(SLOW_PAUSE_FIRST, self.slowed, SLOW_PAUSE_MAX));
                let slowed = self.slowed.saturating_add(1);
                let window = (self.window.min(in_flight_max) / 2).max(1);
                Self { window, known: true, silent: 0, slowed, pause: Some(self.paused(now, now.plus(pause))) }
            }
            Signal::Silent => {
                let silent = self.silent.saturating_add(1);
                let probes = silent.checked_sub(SILENT_MAX);
                let until = probes.map(|probes| {
                    let pause = doubled(PROBE_PAUSE_FIRST, probes, PROBE_PAUSE_MAX);
                    // At round instants many dead endpoints are probed together, and what that asks of the store is one commit.
                    now.plus(pause).rounded_up(pause / 4)
                });
                let pause = until.map_or(self.pause, |until| Some(self.paused(now, until)));
                Self { window: WINDOW_SCARCE.min(self.window), silent, pause, ..self }
            }
        }
    }

    /// A pause from `now` to `until`, or to the end of one that runs, whichever is later.
    fn paused(self, now: Timestamp, until: Timestamp) -> Pause {
        Pause { from: now, until: self.opens_at(now).map_or(until, |running| running.max(until)) }
    }

    /// How many requests may be in flight, `in_flight_max` at most and never none. `scarce`: many others want to send.
    pub fn window(self, in_flight_max: u32, scarce: bool) -> u32 {
        let window = match (self.is_probing(), self.known || !scarce) {
            (true, _) => 1,
            (false, true) => self.window,
            (false, false) => self.window.min(WINDOW_SCARCE),
        };
        window.min(in_flight_max).max(1)
    }

    /// Whether the endpoint has stopped answering.
    pub const fn is_probing(self) -> bool {
        self.silent >= SILENT_MAX
    }

    /// The instant before which no request may start; `None`: one may start now. A clock that was set back ends a pause
    /// rather than lengthening it.
    pub fn opens_at(self, now: Timestamp) -> Option<Timestamp> {
        self.pause.filter(|pause| pause.from <= now && now < pause.until).map(|pause| pause.until)
    }
}

fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    first.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::tests::answer;
    use crate::{TimeoutPhase, delivery};

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn policy(retry_after_max: Option<u64>) -> DeliveryPolicy {
        DeliveryPolicy { retry_after_max: retry_after_max.map(Duration::from_secs), ..delivery::tests::policy(&[]) }
    }

    #[test]
    fn what_each_outcome_tells() {
        let honours = policy(Some(60));
        let spare = |seconds| Some(Signal::SlowDown { pause: seconds });
        for status in [429, 502, 504] {
            assert_eq!(honours.signal(&answer(status, None)), spare(None), "{status}");
        }
        for status in [200, 204, 302, 400, 404, 500, 503] {
            assert_eq!(honours.signal(&answer(status, None)), Some(Signal::Answered), "{status}");
        }
        assert_eq!(honours.signal(&answer(503, Some(600))), spare(Some(Duration::from_secs(60))));
        assert_eq!(policy(None).signal(&answer(503, Some(600))), Some(Signal::Answered));
        assert_eq!(policy(None).signal(&answer(429, Some(600))), spare(None));
        let timeout = AttemptOutcome::Timeout { phase: TimeoutPhase::Headers };
        assert_eq!(honours.signal(&timeout), Some(Signal::Silent));
        assert_eq!(honours.signal(&AttemptOutcome::Unbuildable { reason: String::new() }), None);
    }

    #[test]
    fn an_endpoint_that_never_answers_is_probed_and_opens_with_its_first_answer() {
        let mut pace = Pace::default();
        for _ in 0..SILENT_MAX - 1 {
            pace = pace.observe(Signal::Silent, 32, NOW);
            assert_eq!((pace.window(32, false), pace.opens_at(NOW)), (WINDOW_SCARCE, None));
        }
        pace = pace.observe(Signal::Silent, 32, NOW);
        assert_eq!((pace.window(32, false), pace.opens_at(NOW)), (1, Some(NOW.plus(PROBE_PAUSE_FIRST))));
        let long_dead = (0..100).fold(pace, |pace, _| pace.observe(Signal::Silent, 32, NOW));
        assert_eq!(long_dead.opens_at(NOW), Some(NOW.plus(PROBE_PAUSE_MAX)));
        for late in [1, 123_456, 200_000] {
            let now = NOW.plus(Duration::from_micros(late));
            let opens_at = long_dead.observe(Signal::Silent, 32, now).opens_at(now);
            assert_eq!(opens_at, Some(NOW.plus(Duration::from_secs(1))), "{late}: they are probed together");
        }
        let alive = long_dead.observe(Signal::Answered, 32, NOW);
        assert!(!alive.is_probing() && alive.opens_at(NOW).is_none() && alive.window(32, true) > WINDOW_SCARCE);
    }

    #[test]
    fn an_endpoint_that_asks_to_be_spared_gets_half_and_a_pause() {
        let grown = (0..60).fold(Pace::default(), |pace, _| pace.observe(Signal::Answered, 32, NOW));
        assert_eq!(grown.window(32, true), 32);
        assert_eq!(Pace::default().window(100, true), WINDOW_SCARCE);
        let asked = Duration::from_secs(40);
        let slowed = grown.observe(Signal::SlowDown { pause: Some(asked) }, 32, NOW);
        assert_eq!((slowed.window(100, false), slowed.opens_at(NOW)), (16, Some(NOW.plus(asked))));
        let again = slowed.observe(Signal::SlowDown { pause: None }, 32, NOW);
        assert_eq!(again.opens_at(NOW), Some(NOW.plus(asked)), "a shorter pause does not end a longer one");
        assert_eq!(slowed.opens_at(NOW.minus(Duration::from_secs(1))), None, "the clock was set back");
    }

    proptest! {
        #[test]
        fn something_may_always_start_sooner_or_later(signals in proptest::collection::vec(0u8..3, 0..200), cap in 0u32..50) {
            let pace = signals.iter().fold(Pace::default(), |pace, signal| pace.observe(match signal {
                0 => Signal::Answered,
                1 => Signal::SlowDown { pause: None },
                _ => Signal::Silent,
            }, cap, NOW));
            for scarce in [false, true] {
                prop_assert!((1..=cap.max(1)).contains(&pace.window(cap, scarce)));
            }
            prop_assert!(pace.opens_at(NOW).is_none_or(|opens| opens.since(NOW) <= SLOW_PAUSE_MAX));
        }
    }
}
