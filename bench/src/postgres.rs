//! The same work over PostgreSQL: one node, then several, and a cluster on this machine with PostgreSQL's own settings, which is
//! started for the run and ends with it. Its processes share the two cores, and their CPU is not the server's.

use anyhow::Context;
use bellwire_testkit::postgres::Cluster;

use crate::bench::Bench;
use crate::measure::measure_fleet;
use crate::queue_size;
use crate::report::{Fleet, FleetRow, Measurement, Results, say};
use crate::run::keep;
use crate::target::Figure;
use crate::workload::Workload;

/// What tests leave out, and a database that is to last does not.
const SETTINGS: [&str; 3] = ["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];
/// Nodes of the fleets that are measured beside one node.
const FLEETS: [usize; 2] = [2, 3];

/// Makes a figure of a share of the bare loop.
type Share = fn(f64) -> Figure;

/// Adds the rows to `results`, as shares of its bare loop.
pub(crate) async fn run(bench: &Bench, results: &mut Results) {
    say("PostgreSQL");
    let started = tokio::task::spawn_blocking(|| Cluster::start(&SETTINGS)).await.context("it does not start");
    let Some(cluster) = keep(bench, &mut results.failures, "PostgreSQL", started).await else { return };
    let bare = results.sizes.first().map(|size| size.bare_per_second);
    let alone = measure_alone(bench, &cluster, bare).await;
    results.postgres = keep(bench, &mut results.failures, "PostgreSQL", alone).await.unwrap_or_default();
    for nodes in FLEETS {
        let fleet = measure_nodes(bench, &cluster, nodes, bare, &results.postgres).await;
        results.fleets.extend(keep(bench, &mut results.failures, &format!("PostgreSQL, {nodes} nodes"), fleet).await);
    }
    if let Some(deliveries) = bench.plan.queue_size {
        let sizes = queue_size::measure(bench, &cluster, deliveries).await;
        results.queue_sizes = keep(bench, &mut results.failures, "the queue's size", sizes).await;
    }
}

async fn measure_alone(bench: &Bench, cluster: &Cluster, bare_per_second: Option<f64>) -> anyhow::Result<Vec<Measurement>> {
    let size = bench.first_body();
    let [single, batches, fan_out] = at_saturation(bench);
    let shares = [
        (single, Some(Figure::postgres_single as Share)),
        (batches, Some(Figure::plain)),
        (fan_out, Some(Figure::postgres_fan_out)),
        (Workload::paced(size), None),
    ];
    let mut rows = Vec::new();
    for (workload, share) in shares {
        let mut row = measure_fleet(bench, cluster, 1, &workload).await?;
        row.of_bare_loop = share.zip(bare_per_second).map(|(share, bare)| share(row.per_second / bare));
        rows.push(row);
    }
    Ok(rows)
}

/// The rows at saturation on so many nodes, beside those of one node.
async fn measure_nodes(
    bench: &Bench,
    cluster: &Cluster,
    nodes: usize,
    bare_per_second: Option<f64>,
    alone: &[Measurement],
) -> anyhow::Result<Fleet> {
    let mut rows = Vec::new();
    for workload in at_saturation(bench) {
        let mut row = measure_fleet(bench, cluster, nodes, &workload).await?;
        row.of_bare_loop = bare_per_second.map(|bare| Figure::plain(row.per_second / bare));
        let one = alone.iter().find(|one| one.name == row.name).context("one node was not measured")?;
        rows.push(FleetRow { of_one_node: row.per_second / one.per_second, measurement: row });
    }
    Ok(Fleet { nodes, rows })
}

fn at_saturation(bench: &Bench) -> [Workload; 3] {
    Workload::at_saturation(bench.first_body()).map(|(workload, _)| workload)
}
