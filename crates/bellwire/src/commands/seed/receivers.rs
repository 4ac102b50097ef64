//! Receivers that are made up: what each answers, and when it is out of order. No request leaves the process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Consumer, OutboundRequest, Phases, TimeoutPhase, Timestamp};
use bellwire_egress::Sent;
use bellwire_engine::{Sending, Transport};
use parking_lot::Mutex;
use url::Url;

use super::history::HistoryClock;

/// How a receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Takes everything.
    Steady,
    /// Fails now and then, and takes what comes again.
    Flaky,
    /// Takes its time, at times too much of it.
    Slow,
    /// Asks to be left alone when much comes.
    Busy,
    /// Refuses what it does not understand.
    Picky,
    /// Takes everything until an instant, and again from another on.
    Down { from: Timestamp, until: Timestamp },
    /// Answers 410 from an instant on.
    Gone { from: Timestamp },
    /// Its certificate has expired.
    Expired { from: Timestamp },
}

/// All of them, by their hosts.
pub(super) struct Receivers {
    clock: Arc<HistoryClock>,
    drawn: Mutex<fastrand::Rng>,
    by_host: Mutex<BTreeMap<String, Behaviour>>,
}

impl Receivers {
    pub(super) fn new(clock: Arc<HistoryClock>, seed: u64) -> Self {
        Self { clock, drawn: Mutex::new(fastrand::Rng::with_seed(seed ^ 0x5eed)), by_host: Mutex::default() }
    }

    /// A host, and how it is from now on.
    pub(super) fn add(&self, host: &str, behaviour: Behaviour) {
        self.by_host.lock().insert(host.to_owned(), behaviour);
    }

    /// After what time a receiver answers, and what.
    fn answer(&self, host: &str, timeout: Duration, now: Timestamp) -> (Duration, AttemptOutcome) {
        let behaviour = self.by_host.lock().get(host).copied().unwrap_or(Behaviour::Steady);
        let mut drawn = self.drawn.lock();
        let soon = Duration::from_millis(drawn.u64(25..220));
        let late = (timeout, AttemptOutcome::Timeout { phase: TimeoutPhase::Headers });
        let chance = drawn.u8(0..100);
        match behaviour {
            Behaviour::Flaky if chance < 2 => (soon, response(503, "upstream is restarting")),
            Behaviour::Flaky if chance < 3 => (soon, closed()),
            Behaviour::Slow if chance < 2 => late,
            Behaviour::Slow => (soon * 12, response(200, "")),
            Behaviour::Busy if chance < 4 => (soon, too_many()),
            Behaviour::Picky if chance < 2 => (soon, response(422, "{\"error\":\"unknown patient\"}")),
            Behaviour::Down { from, until } if from <= now && now < until => match chance {
                0..50 => (soon / 8, AttemptOutcome::Connect { detail: "connection refused".to_owned() }),
                50..80 => (soon, response(502, "bad gateway")),
                _ => late,
            },
            Behaviour::Gone { from } if from <= now => (soon, response(410, "")),
            Behaviour::Expired { from } if from <= now => {
                (soon, AttemptOutcome::Tls { detail: "the certificate has expired".to_owned() })
            }
            _ => (soon, response(200, "")),
        }
    }
}

fn response(status: u16, body: &str) -> AttemptOutcome {
    AttemptOutcome::Response { status, retry_after: None, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

fn too_many() -> AttemptOutcome {
    let retry_after = Some(Duration::from_secs(30));
    AttemptOutcome::Response { status: 429, retry_after, headers: Vec::new(), body: b"slow down".to_vec() }
}

fn closed() -> AttemptOutcome {
    AttemptOutcome::Closed { detail: "the connection was closed before the answer was complete".to_owned() }
}

impl Transport for Receivers {
    fn send<'a>(&'a self, _: Consumer<'a>, request: OutboundRequest, timeout: Duration, now: Timestamp) -> Sending<'a> {
        Box::pin(async move {
            let url = Url::parse(&request.url).ok();
            let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
            let (after, outcome) = self.answer(host, timeout, now);
            self.clock.pass(after);
            Ok(Sent { outcome, phases: Phases { answer: Some(after), ..Phases::default() } })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_out_of_order_for_its_time_and_answers_the_same_for_the_same_seed() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let receivers = || {
            let receivers = Receivers::new(Arc::new(HistoryClock::new(at(0), at(100))), 7);
            receivers.add("down.example", Behaviour::Down { from: at(10), until: at(20) });
            receivers.add("gone.example", Behaviour::Gone { from: at(10) });
            receivers.add("flaky.example", Behaviour::Flaky);
            receivers
        };
        let (one, other) = (receivers(), receivers());
        let takes = |host: &str, seconds: i64| {
            matches!(one.answer(host, Duration::from_secs(5), at(seconds)).1, AttemptOutcome::Response { status: 200, .. })
        };
        assert_eq!([9, 10, 19, 20].map(|seconds| takes("down.example", seconds)), [true, false, false, true]);
        assert_eq!([9, 10].map(|seconds| takes("gone.example", seconds)), [true, false]);
        assert!(takes("unknown.example", 0));
        for _ in 0..7 {
            other.answer("flaky.example", Duration::from_secs(5), at(0));
        }
        let answers = |receivers: &Receivers| {
            (0..200).map(|_| receivers.answer("flaky.example", Duration::from_secs(5), at(0))).collect::<Vec<_>>()
        };
        assert_eq!(answers(&one), answers(&other));
    }
}
