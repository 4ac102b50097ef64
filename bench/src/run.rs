//! A whole run, in order. Failures are reported at the end, with the results.

use anyhow::Context;

use crate::bare::BareLoops;
use crate::bench::{Bench, RunOptions};
use crate::measure::measure_empty;
use crate::report::{Measurement, Neighbours, Results, Size};
use crate::target::Figure;
use crate::workload::Workload;
use crate::{day, growth, hostile, neighbours, pages, postgres, tenants, tls};

/// Startups on an empty store; the median counts.
const STARTS: usize = 5;

/// Runs everything that the options ask for.
pub(crate) async fn run(options: RunOptions) -> anyhow::Result<Results> {
    let bench = Bench::start(options).await?;
    let mut results = Results::new(bench.options.producers);
    if bench.options.neighbours {
        hostile::run(&bench, None, &mut results).await;
        if bench.options.postgres
            && let Some(cluster) = postgres::start(&bench, &mut results).await
        {
            hostile::run(&bench, Some(&cluster), &mut results).await;
        }
        return Ok(results);
    }
    let ready = ready_empty(&bench).await;
    results.ready_empty_ms = bench.keep(&mut results.failures, "start on an empty store", ready).await;
    for (index, size) in bench.options.bodies.iter().copied().enumerate() {
        let measured = measure_size(&bench, size, index == 0).await;
        let (size, neighbours) = bench.keep(&mut results.failures, &format!("{size} bytes"), measured).await.unzip();
        results.sizes.extend(size);
        results.neighbours = results.neighbours.or(neighbours.flatten());
    }
    if bench.options.day {
        results.day = bench.keep(&mut results.failures, "a platform's day", day::measure(&bench).await).await;
    }
    if bench.options.tls {
        results.tls = bench.keep(&mut results.failures, "TLS", tls::measure(&bench).await).await.unwrap_or_default();
    }
    if bench.options.postgres {
        postgres::run(&bench, &mut results).await;
    }
    growth::run(&bench, &mut results).await;
    if bench.options.pages > 0 {
        let measured = pages::run(&bench, bench.options.pages).await;
        results.pages = bench.keep(&mut results.failures, "pages", measured).await;
    }
    Ok(results)
}

/// All rows of one size.
async fn measure_size(bench: &Bench, size: usize, first: bool) -> anyhow::Result<(Size, Option<Neighbours>)> {
    let mut bare_loops = BareLoops::start(bench, size).await?;
    let mut measurements = Vec::new();
    for (workload, expected) in Workload::at_saturation(size).into_iter().filter(|(workload, _)| bench.wants(workload)) {
        let row = measure_empty(bench, &workload, &[]);
        let mut row = bare_loops.around(row, |share| Figure::share(share, expected, size)).await?;
        row.cpu_us_per_delivery = Figure::cpu(row.cpu_us_per_delivery.value, expected, size);
        measurements.push(row);
    }
    let mut neighbours = None;
    if first {
        tenants::measure(bench, &mut bare_loops, &mut measurements).await?;
        let workload = Workload::about_somebody(size);
        if bench.wants(&workload) {
            let about = measure_empty(bench, &workload, &[]);
            measurements.push(bare_loops.around(about, Figure::plain).await?);
        }
        if bench.wants(&Workload::paced(size)) {
            let (rows, compared) = measure_paced(bench, size).await?;
            measurements.extend(rows);
            neighbours = Some(compared);
        }
    }
    Ok((Size { body: size, bare_loops: bare_loops.end(), measurements }, neighbours))
}

/// The rows at a fixed rate.
async fn measure_paced(bench: &Bench, size: usize) -> anyhow::Result<([Measurement; 3], Neighbours)> {
    let paced = measure_empty(bench, &Workload::paced(size), &[]).await?;
    let alone = measure_empty(bench, &Workload::healthy(size), &[]).await?;
    let workload = Workload::healthy(size).named("the same beside one that hangs, one that takes 1 s and one that refuses");
    let mut beside = measure_empty(bench, &workload, &neighbours::start(&bench.tasks).await?).await?;
    // With bad neighbours, the target is the ratio, not the latency.
    beside.latency_p50_ms = Figure::plain(beside.latency_p50_ms.value);
    beside.latency_p99_ms = Figure::plain(beside.latency_p99_ms.value);
    let compared = Neighbours::new(&alone, &beside);
    Ok(([paced, alone, beside], compared))
}

/// From startup to ready on a new store: the median of a few.
async fn ready_empty(bench: &Bench) -> anyhow::Result<Figure> {
    let mut taken = Vec::new();
    for _ in 0..STARTS {
        let server = bench.server().await?;
        taken.push(server.ready_after);
        server.kill().await?;
    }
    taken.sort_unstable();
    let median = taken.get(STARTS / 2).context("no start")?;
    Ok(Figure::ready_empty(median.as_secs_f64() * 1_000.0))
}
