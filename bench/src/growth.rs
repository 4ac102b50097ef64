//! What it costs when much has gathered: rows on a server in some condition, beside the same rows on an empty store.
//!
//! To add a condition, write a file below that brings a server into it and calls [`rows`] and [`against_empty`], and call it in
//! [`run`].

mod dead;
mod endpoints;
mod history;
mod waiting;

use crate::bench::Bench;
use crate::measure::{Account, measure};
use crate::report::{Comparison, Measurement, Results, say};
use crate::run::keep;
use crate::server::Process;
use crate::workload::Workload;

/// The account of the measured rows.
const MEASURED: &str = "measured";

/// Runs every condition that the plan asks for.
pub(crate) async fn run(bench: &Bench, results: &mut Results) {
    let failures = &mut results.failures;
    if bench.plan.history > 0 {
        let measured = history::measure(bench, bench.plan.history).await;
        results.growth.extend(keep(bench, failures, "history", measured).await);
    }
    if bench.plan.endpoints > 0 {
        let measured = endpoints::measure(bench, bench.plan.endpoints).await;
        results.growth.extend(keep(bench, failures, "endpoints", measured).await);
    }
    if bench.plan.dead {
        let measured = dead::measure(bench).await;
        results.growth.extend(keep(bench, failures, "dead", measured).await);
    }
    if bench.plan.waiting > 0 {
        let measured = waiting::measure(bench, bench.plan.waiting).await;
        if let Some((growth, waiting)) = keep(bench, failures, "waiting", measured).await {
            results.growth.push(growth);
            results.waiting = Some(waiting);
        }
    }
}

/// What is measured in a condition.
fn workloads(bench: &Bench) -> [Workload; 2] {
    [Workload::single(bench.first_body()), Workload::paced(bench.first_body())]
}

/// The measured rows on a running server, on an account of their own.
async fn rows(bench: &Bench, server: &Process) -> anyhow::Result<Vec<Measurement>> {
    let account = Account::set_up(bench, server, MEASURED, 1, &[]).await?;
    let mut rows = Vec::new();
    for workload in workloads(bench) {
        rows.push(bench.plan.tries.quietest(async || measure(bench, server, &account, &workload).await).await?);
    }
    Ok(rows)
}

/// Those rows beside the same on an empty store, measured right afterwards.
async fn against_empty(bench: &Bench, grown: Vec<Measurement>) -> anyhow::Result<Vec<Comparison>> {
    say("the same on an empty store");
    let server = bench.server().await?;
    let empty = rows(bench, &server).await;
    server.kill().await?;
    Ok(grown.into_iter().zip(empty?).map(|(grown, empty)| Comparison::new(grown, empty)).collect())
}
