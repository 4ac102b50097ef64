//! Many topic-based subscriptions, beside as many plain endpoints: each of an account of its own, and what a restart finds.

use std::path::Path;

use anyhow::Context;

use super::population::{Kind, Population, Settled};
use super::rows::{against_empty, rows};
use crate::bench::Bench;
use crate::report::{Comparison, Growth, Holds, Made, say};
use crate::server::{Process, Setup};

/// How many get an event, and how many there are on the small store that a row is compared with.
const IN_TURN: usize = 1_000;

/// Measures on a store with so many endpoints, and on one with so many subscriptions.
pub(crate) async fn measure(bench: &Bench, count: usize) -> anyhow::Result<Vec<Growth>> {
    let mut measured = Vec::new();
    for kind in [Kind::Webhook, Kind::Subscription] {
        measured.push(measure_kind(bench, kind, count).await.with_context(|| kind.plural())?);
    }
    Ok(measured)
}

async fn measure_kind(bench: &Bench, kind: Kind, count: usize) -> anyhow::Result<Growth> {
    say(&format!("{}: {count}, each of its own account", kind.plural()));
    let few = count.min(IN_TURN);
    let population = |count| Population { kind, count, per_account: 1, in_turn: few };
    let (server, settled, made) = settle(bench, population(count)).await?;
    let folder = server.kill().await?;
    let store_mib = mib(folder.path())?;
    let setup = Setup { contract: kind.contract(), ..Setup::default() };
    let server = Process::server_in(&bench.options.server, folder, setup, &bench.tasks).await?;
    let ready_ms = server.ready_after.as_secs_f64() * 1_000.0;
    let in_turn = settled.in_turn(bench, &server).await?;
    let holds = Holds { store_mib, ready_ms, memory_mib: server.peak_memory_mib()? };
    let grown = rows(bench, &server).await?;
    server.kill().await?;

    say(&format!("the same with {few}"));
    let (server, settled, _) = settle(bench, population(few)).await?;
    let in_turn_of_few = settled.in_turn(bench, &server).await?;
    server.kill().await?;
    let mut rows = vec![Comparison::new(in_turn, in_turn_of_few)];
    rows.extend(against_empty(bench, grown).await?);
    let condition = format!("{count} {}, each of its own account", kind.plural());
    Ok(Growth { condition, made: Some(made), first: None, holds: Some(holds), rows })
}

/// Creates them on a new server.
async fn settle(bench: &Bench, population: Population) -> anyhow::Result<(Process, Settled, Made)> {
    let setup = Setup { contract: population.kind.contract(), ..Setup::default() };
    let server = Process::server_in(&bench.options.server, tempfile::tempdir()?, setup, &bench.tasks).await?;
    let settled = population.settle(bench, &server).await?;
    let peak_memory_mib = server.peak_memory_mib()?;
    let made = Made { count: population.count, per_second: settled.per_second, peak_memory_mib };
    Ok((server, settled, made))
}

/// The size of all files in a folder.
fn mib(folder: &Path) -> anyhow::Result<f64> {
    let mut kib = 0;
    for file in std::fs::read_dir(folder)? {
        kib += file?.metadata()?.len() / 1_024;
    }
    Ok(f64::from(u32::try_from(kib)?) / 1_024.0)
}
