//! The simulated network: endpoints that answer as the seed says.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Consumer, Phases, TimeoutPhase, Timestamp};
use bellwire_egress::{OutboundRequest, Sent as Answered};
use bellwire_engine::{Sending, Transport};
use parking_lot::Mutex;

use crate::ledger::{Ledger, Sent};
use crate::random::Random;
use crate::time::SimTime;

/// How an endpoint behaves until the network calms down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers 200 soon.
    Healthy,
    /// Answers 200 within seconds, sometimes after the timeout.
    Slow,
    /// Never answers.
    Hangs,
    /// Answers for a while, refuses for a while.
    Flaps,
    /// Anything at all.
    Erratic,
    /// Answers 429 with `Retry-After` more often than not.
    Limited,
    /// Takes the request and cuts the connection.
    Lies,
    /// Refuses for ever, also when all is calm.
    Dead,
    /// Answers 410.
    Gone,
    /// Answers 500 at first, and 200 when all is calm.
    Fails,
}

impl Behaviour {
    pub const ALL: [Self; 10] = [
        Self::Healthy,
        Self::Slow,
        Self::Hangs,
        Self::Flaps,
        Self::Erratic,
        Self::Limited,
        Self::Lies,
        Self::Dead,
        Self::Gone,
        Self::Fails,
    ];
}

fn answer(status: u16, retry_after: Option<u64>) -> AttemptOutcome {
    AttemptOutcome::Response {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        headers: Vec::new(),
        body: b"ok".to_vec(),
    }
}

fn refused() -> AttemptOutcome {
    AttemptOutcome::Connect { detail: "connection refused".to_owned() }
}

fn cut() -> AttemptOutcome {
    AttemptOutcome::Closed { detail: "the connection was closed before the answer was complete".to_owned() }
}

pub struct Network {
    pub time: Arc<SimTime>,
    pub ledger: Arc<Mutex<Ledger>>,
    pub random: Mutex<Random>,
    pub life: usize,
}

impl Network {
    /// What the endpoint does with a request that arrives now: after what time, and what.
    fn behave(&self, behaviour: Behaviour) -> (Duration, AttemptOutcome) {
        let mut random = self.random.lock();
        let now = self.time.elapsed();
        let latency = random.millis(1..200);
        let never = (Duration::MAX, cut());
        match behaviour {
            Behaviour::Dead => (latency / 10, refused()),
            Behaviour::Gone => (latency, answer(410, None)),
            Behaviour::Slow if !self.time.is_calm() => (random.millis(500..7_000), answer(200, None)),
            _ if self.time.is_calm() => (latency, answer(200, None)),
            Behaviour::Hangs => never,
            Behaviour::Flaps if !(now.as_secs() / 7).is_multiple_of(2) => (latency / 10, refused()),
            Behaviour::Limited if random.chance(70) => (latency, answer(429, Some(random.within(0..10)))),
            Behaviour::Lies => (latency, cut()),
            Behaviour::Fails => (latency, answer(500, None)),
            Behaviour::Healthy | Behaviour::Slow | Behaviour::Flaps | Behaviour::Limited => (latency, answer(200, None)),
            Behaviour::Erratic => match random.within(0..9) {
                0 => never,
                1 => (latency, refused()),
                2 => (latency, cut()),
                3 => (latency, answer(302, None)),
                4 => (latency, answer(503, Some(3))),
                5 => (random.millis(4_900..5_100), answer(200, None)),
                6 => (latency, AttemptOutcome::Dns { detail: "no such host".to_owned() }),
                7 => (latency, AttemptOutcome::Tls { detail: "certificate expired".to_owned() }),
                _ => (latency, answer(200, None)),
            },
        }
    }
}

impl Transport for Network {
    fn send<'a>(&'a self, _: Consumer<'a>, request: OutboundRequest, timeout: Duration, now: Timestamp) -> Sending<'a> {
        Box::pin(async move {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let endpoint = body["endpoint"].as_str().unwrap().to_owned();
            let (behaviour, places) = {
                let mut ledger = self.ledger.lock();
                let first = ledger.sent.len();
                for (index, event) in body["events"].as_array().unwrap().iter().enumerate() {
                    let text = |name: &str| event[name].as_str().unwrap().to_owned();
                    ledger.sent.push(Sent {
                        delivery: text("delivery"),
                        event: text("event"),
                        endpoint: endpoint.clone(),
                        attempt: u32::try_from(event["attempt"].as_u64().unwrap()).unwrap(),
                        is_first: index == 0,
                        life: self.life,
                        started: self.time.elapsed(),
                        started_wall: now,
                        ended: None,
                    });
                }
                (ledger.endpoint(&endpoint).unwrap().behaviour, first..ledger.sent.len())
            };
            let (after, outcome) = self.behave(behaviour);
            let began = tokio::time::Instant::now();
            let outcome = match tokio::time::timeout(timeout, tokio::time::sleep(after)).await {
                Ok(()) => outcome,
                Err(_) => AttemptOutcome::Timeout { phase: TimeoutPhase::Headers },
            };
            let ended = (self.time.elapsed(), self.time.wall(), outcome.clone());
            self.ledger.lock().sent[places].iter_mut().for_each(|sent| sent.ended = Some(ended.clone()));
            Ok(Answered { outcome, phases: Phases { answer: Some(began.elapsed()), ..Phases::default() } })
        })
    }
}
