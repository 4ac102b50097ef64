//! Deterministic simulation: the real engine over the real store, with time, network, disk errors and crashes simulated.
//!
//! A seed decides everything: which accounts and endpoints there are, how each endpoint behaves, what is published when, when
//! commits fail, when the clock jumps, and at which await point the process dies. One thread runs it, tokio's clock is paused,
//! and the store runs on the same thread ([`bellwire_store::Execution::Inline`]), so the same seed gives the same run. What
//! the network saw is kept outside of the process that dies, and compared in the end with what the store says.
//!
//! The way through the files: `random` draws, `world` sets up and crashes, `time` passes, `master_keys` rotates in between, `network` answers, `actors` publish and meddle,
//! `ledger` keeps what was seen, `verdict` judges it.
//!
//! A seed that fails is replayed with the command that the failure prints. How to see that the simulation finds a broken
//! engine: `docs/simulation.md`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test may panic and print"
)]

mod actors;
mod ledger;
mod master_keys;
mod network;
mod random;
mod time;
mod verdict;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::ledger::Ledger;

/// Seeds that each of the tests below runs; `SIMULATION_SEEDS` sets another number.
const SEEDS: u64 = 500;
/// The same over PostgreSQL; `SIMULATION_SEEDS_ON_POSTGRES` sets another number.
const SEEDS_ON_POSTGRES: u64 = 10;
/// Failed seeds after which a test looks no further.
const FAILED_MAX: usize = 3;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs seeds from `first` on over a file, and fails with all that failed.
fn run_from(first: u64) {
    let seeds = from_environment("SIMULATION_SEEDS").unwrap_or(SEEDS);
    run_seeds(first..first + seeds, world::run, "the_named_seed");
}

fn run_seeds(all: Range<u64>, run: fn(u64) -> Ledger, replay: &str) {
    let (first, seeds) = (all.start, all.end - all.start);
    let mut failed: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut seen = ledger::Totals::default();
    for seed in all {
        if failed.len() == FAILED_MAX {
            break;
        }
        let run = std::panic::catch_unwind(|| run(seed));
        let Ok(ledger) = run else {
            failed.insert(seed, vec!["the run panicked, see above".to_owned()]);
            continue;
        };
        let violations = verdict::violations(&ledger);
        seen.add(&ledger);
        if !violations.is_empty() {
            failed.insert(seed, violations);
        }
    }
    println!("{seeds} seeds from {first}: {seen}");
    if let Some((seed, violations)) = failed.first_key_value() {
        let shown: Vec<&String> = violations.iter().take(10).collect();
        panic!(
            "seeds failed: {:?}\nseed {seed}: {shown:#?}\nreplay it with:\n  \
             SIMULATION_SEED={seed} cargo test -p bellwire-engine --test simulation {replay} -- --exact --nocapture",
            failed.keys().collect::<Vec<_>>(),
        );
    }
    seen.check_that_faults_happened(seeds);
}

#[test]
fn nothing_is_lost_whatever_happens_a() {
    run_from(0);
}

#[test]
fn nothing_is_lost_whatever_happens_b() {
    run_from(1_000_000);
}

#[test]
fn nothing_is_lost_whatever_happens_c() {
    run_from(2_000_000);
}

#[test]
fn nothing_is_lost_whatever_happens_d() {
    run_from(3_000_000);
}

#[test]
fn the_promises_hold_on_postgres_a() {
    run_on_postgres_from(6_000_000);
}

#[test]
fn the_promises_hold_on_postgres_b() {
    run_on_postgres_from(5_000_000);
}

fn run_on_postgres_from(first: u64) {
    let seeds = from_environment("SIMULATION_SEEDS_ON_POSTGRES").unwrap_or(SEEDS_ON_POSTGRES);
    run_seeds(first..first + seeds, world::run_on_postgres, "the_named_seed_on_postgres");
}

/// Replays one seed, and prints all that was seen.
#[test]
fn the_named_seed() {
    replay(world::run);
}

#[test]
fn the_named_seed_on_postgres() {
    replay(world::run_on_postgres);
}

fn replay(run: fn(u64) -> Ledger) {
    let named = from_environment("SIMULATION_SEED");
    let ledger = run(named.unwrap_or(1));
    if named.is_some() {
        println!("{ledger}");
    }
    assert_eq!(verdict::violations(&ledger), Vec::<String>::new());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [3, 4, 5, 6] {
        assert_eq!(world::run(seed).to_string(), world::run(seed).to_string());
    }
}
