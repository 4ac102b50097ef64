//! The same work over PostgreSQL: one node, then several, and a cluster with default settings on this machine, which is started
//! for the run. Its processes share the two cores, and their CPU does not count as the server's.

use anyhow::Context;
use bellwire_testkit::postgres::Cluster;

use crate::bare::BareLoops;
use crate::bench::Bench;
use crate::measure::measure_fleet;
use crate::queue_size;
use crate::report::{Fleet, FleetRow, Measurement, Results, say};
use crate::target::Figure;
use crate::workload::Workload;

/// What tests turn off, and a real database does not.
const SETTINGS: [&str; 3] = ["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];
/// The sizes of the fleets that are compared with one node.
const FLEETS: [usize; 2] = [2, 3];

/// Turns a share of the bare loop into a figure.
type Share = fn(f64) -> Figure;

/// A cluster for the run.
pub(crate) async fn start(bench: &Bench, results: &mut Results) -> Option<Cluster> {
    say("PostgreSQL");
    let started = tokio::task::spawn_blocking(|| Cluster::start(&SETTINGS)).await.context("it does not start");
    bench.keep(&mut results.failures, "PostgreSQL", started).await
}

/// Adds the rows to `results`.
pub(crate) async fn run(bench: &Bench, results: &mut Results) {
    let Some(cluster) = start(bench, results).await else { return };
    let bare_loops = bench.keep(&mut results.failures, "the bare loop", BareLoops::start(bench, bench.first_body()).await).await;
    let Some(mut bare_loops) = bare_loops else { return };
    let alone = measure_alone(bench, &cluster, &mut bare_loops).await;
    results.postgres = bench.keep(&mut results.failures, "PostgreSQL", alone).await.unwrap_or_default();
    for nodes in FLEETS {
        let fleet = measure_nodes(bench, &cluster, nodes, &mut bare_loops, &results.postgres).await;
        results.fleets.extend(bench.keep(&mut results.failures, &format!("PostgreSQL, {nodes} nodes"), fleet).await);
    }
    if let Some(deliveries) = bench.options.queue_size {
        let sizes = queue_size::measure(bench, &cluster, deliveries).await;
        results.queue_sizes = bench.keep(&mut results.failures, "the queue's size", sizes).await;
    }
}

async fn measure_alone(bench: &Bench, cluster: &Cluster, bare_loops: &mut BareLoops<'_>) -> anyhow::Result<Vec<Measurement>> {
    let [single, batches, fan_out] = at_saturation(bench);
    let mut rows = Vec::new();
    for (workload, share) in
        [(single, Figure::postgres_single as Share), (batches, Figure::plain), (fan_out, Figure::postgres_fan_out)]
    {
        rows.push(bare_loops.around(measure_fleet(bench, cluster, 1, &workload), share).await?);
    }
    rows.push(measure_fleet(bench, cluster, 1, &Workload::paced(bench.first_body())).await?);
    Ok(rows)
}

/// The rows at saturation on this many nodes, compared with one node.
async fn measure_nodes(
    bench: &Bench,
    cluster: &Cluster,
    nodes: usize,
    bare_loops: &mut BareLoops<'_>,
    alone: &[Measurement],
) -> anyhow::Result<Fleet> {
    let mut rows = Vec::new();
    for workload in at_saturation(bench) {
        let row = bare_loops.around(measure_fleet(bench, cluster, nodes, &workload), Figure::plain).await?;
        let share = |row: &Measurement| row.of_bare_loop.map(|share| share.value);
        let one = alone.iter().find(|one| one.name == row.name).and_then(share).context("one node was not measured")?;
        let of_one_node = share(&row).unwrap_or_default() / one;
        rows.push(FleetRow { of_one_node, measurement: row });
    }
    Ok(Fleet { nodes, rows })
}

fn at_saturation(bench: &Bench) -> [Workload; 3] {
    Workload::at_saturation(bench.first_body()).map(|(workload, _)| workload)
}
