//! Loops around a pure scheduler: what is committed is sent, what came of it is recorded, what is due again is claimed.
//!
//! What it is for: taking [`ClaimedDelivery`](bellwire_store::ClaimedDelivery) values from the store's hand-off, giving every
//! endpoint its fair turn, asking the contract for the request, the egress crate to send it and the domain to judge it, and
//! recording the judgement in groups. No transaction is open while a request runs.
//!
//! What it may not know: the API, SQL, how a platform signs. It knows no platform by name.
//!
//! The way through the files: [`scheduler`] decides who goes next and is pure; `shared` is what the loops share; `attempt` makes
//! one attempt; `batch` says what shares its request, `conclusion` what came of it; `secrets` and `tokens` are what requests are made with, and `token_fetch` gets those; `watch` builds the requests of those that a process died with; `recorder` writes outcomes; `claimer` finds due work; `pacer` starts what had to pause; `replayer` advances
//! replays; `activator` tries handshakes, `heartbeats` sends those, and `beside` is what both share; `lapser` ends leases; `retainer` removes what is old, `eraser` what is about somebody, `rollups` folds old figures; `traced` tells of attempts; `waking` says when they look again, `steps` how those wait that work step by step; `pulse` tells whether they come round; [`Engine`] starts and stops them.
//!
//! To add a loop: make it `select(wake, deadline, shutdown)` around a bounded, idempotent tick, start it in `Engine::start` on
//! the tracker, and end it in `Engine::stop`.

mod activator;
mod attempt;
mod attempt_metrics;
mod batch;
mod beside;
mod claimer;
mod conclusion;
mod deleter;
mod engine;
mod eraser;
mod heartbeats;
mod lapser;
mod pacer;
mod pulse;
mod recorder;
mod replayer;
mod retainer;
mod rollups;
pub mod scheduler;
mod secrets;
mod shared;
mod steps;
mod suspects;
mod token_fetch;
mod tokens;
mod traced;
mod transport;
mod waking;
mod watch;

pub use engine::{Engine, EngineOptions, Lanes};
pub use pulse::Pulse;
pub use transport::{Sending, Transport};
