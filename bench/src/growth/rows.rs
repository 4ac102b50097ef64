//! The rows that are measured in every condition.

use crate::bench::Bench;
use crate::measure::{Account, measure};
use crate::report::{Comparison, Measurement, say};
use crate::server::Process;
use crate::workload::Workload;

/// The account of the measured rows.
const MEASURED: &str = "measured";

/// The workloads measured in a condition.
fn workloads(bench: &Bench) -> [Workload; 2] {
    [Workload::single(bench.first_body()), Workload::paced(bench.first_body())]
}

/// Measures the rows on a running server, on their own account.
pub(super) async fn rows(bench: &Bench, server: &Process) -> anyhow::Result<Vec<Measurement>> {
    let account = Account::set_up(bench, server, MEASURED, 1, &[]).await?;
    let mut rows = Vec::new();
    for workload in workloads(bench) {
        rows.push(bench.options.tries.quietest(async || measure(bench, server, &account, &workload).await).await?);
    }
    Ok(rows)
}

/// Compares those rows with the same on an empty store, measured right afterwards.
pub(super) async fn against_empty(bench: &Bench, grown: Vec<Measurement>) -> anyhow::Result<Vec<Comparison>> {
    say("the same on an empty store");
    let server = bench.server().await?;
    let empty = rows(bench, &server).await;
    server.kill().await?;
    Ok(grown.into_iter().zip(empty?).map(|(grown, empty)| Comparison::new(grown, empty)).collect())
}
