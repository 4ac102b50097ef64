//! The queue of live deliveries: how they get into it, who holds them, and how they leave.
//!
//! [`publication`] and `plan` turn posted events into deliveries; `claim` takes what waits; `outcome`, `health_book`,
//! `incident_book` and `rollup_book` record what came of attempts, and `late` what came of cancelled ones; `cancel` and `replay` end
//! and remake deliveries. `retention` removes what is old, `expiry` its contents before that, both in the rounds of `removal`; `deletion` an account, `erasure` what is
//! about somebody; `activation` is what comes of handshakes, `lapse` of leases, and `heartbeat` says which of those are due; `order` says who waits for whom; `renewal` gives an account a new data key. `clock` mends what a clock that was ahead has left, `clear_subjects` what
//! an earlier version kept in the clear, and `adoption` seals the endpoints of a store that comes from one. `handoff` bounds what is in
//! memory, `lease` says whether this process still holds it, and `takeover` frees what it holds no more.
//!
//! The four hot operations differ between the databases, row by row on SQLite and set by set on PostgreSQL. They stand behind
//! [`Backend`]. Everything else runs one text on both. `jobs` and `commit` say what shares a commit and who is told of it;
//! `access` sends work to the writer and to readers; [`Queue`] is the facade for the engine.

pub(crate) mod access;
pub(crate) mod activation;
pub(crate) mod adoption;
pub(crate) mod backend;
pub(crate) mod cache;
pub(crate) mod cancel;
pub(crate) mod claim;
pub(crate) mod claimable;
pub(crate) mod clear_subjects;
pub(crate) mod clock;
pub(crate) mod commit;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod deletion;
pub(crate) mod delivery;
pub(crate) mod erasure;
pub(crate) mod expiry;
pub(crate) mod facade;
pub(crate) mod handoff;
pub(crate) mod health_book;
pub(crate) mod heartbeat;
pub(crate) mod held_events;
pub(crate) mod ids;
pub(crate) mod incident_book;
pub(crate) mod jobs;
pub(crate) mod lapse;
pub(crate) mod late;
pub(crate) mod lease;
pub(crate) mod notice;
pub(crate) mod order;
pub(crate) mod outcome;
pub(crate) mod payloads;
pub(crate) mod plan;
pub(crate) mod publication;
mod removal;
pub(crate) mod renewal;
pub(crate) mod replay;
mod replay_pace;
pub(crate) mod retention;
pub(crate) mod rollup_book;
pub(crate) mod scrub;
pub(crate) mod takeover;
pub(crate) mod tickets;

pub(crate) use backend::Backend;
pub use facade::Queue;
