//! The same work over PostgreSQL: one node, and a cluster on this machine with PostgreSQL's own settings, which is started for
//! the run and ends with it. Its processes share the two cores, and their CPU is not the server's.

use anyhow::Context;
use bellwire_testkit::postgres::Cluster;

use crate::bench::Bench;
use crate::measure::measure_on;
use crate::report::{Measurement, Results, say};
use crate::server::Process;
use crate::target::Figure;
use crate::workload::Workload;

/// What tests leave out, and a database that is to last does not.
const SETTINGS: [&str; 3] = ["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];

/// Makes a figure of a share of the bare loop.
type Share = fn(f64) -> Figure;

/// Adds the rows to `results`, as shares of its bare loop.
pub(crate) async fn run(bench: &Bench, results: &mut Results) {
    let bare = results.sizes.first().map(|size| size.bare_per_second);
    match measure(bench, bare).await {
        Ok(rows) => results.postgres = rows,
        Err(error) => {
            let failure = format!("PostgreSQL: {error:#}");
            say(&failure);
            results.failures.push(failure);
        }
    }
}

async fn measure(bench: &Bench, bare_per_second: Option<f64>) -> anyhow::Result<Vec<Measurement>> {
    say("PostgreSQL");
    let cluster = tokio::task::spawn_blocking(|| Cluster::start(&SETTINGS)).await.context("it does not start")?;
    let size = bench.first_body();
    let [single, batches, fan_out] = Workload::at_saturation(size).map(|(workload, _)| workload);
    let shares = [
        (single, Some(Figure::postgres_single as Share)),
        (batches, Some(Figure::plain)),
        (fan_out, Some(Figure::postgres_fan_out)),
        (Workload::paced(size), None),
    ];
    let mut rows = Vec::new();
    for (workload, share) in shares {
        let server = Process::server_on(&bench.plan.server, cluster.database(), &bench.tasks).await?;
        let mut row = measure_on(bench, server, &workload, &[]).await?;
        row.of_bare_loop = share.zip(bare_per_second).map(|(share, bare)| share(row.per_second / bare));
        rows.push(row);
    }
    Ok(rows)
}
