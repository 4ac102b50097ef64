//! The table for people and the JSON for machines.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// One run.
#[derive(Serialize)]
pub(crate) struct Results {
    /// Bytes of an event's data.
    pub(crate) body: usize,
    /// Connections of the producer.
    pub(crate) producers: usize,
    /// The bare loop, mean of before and after.
    pub(crate) bare_per_second: f64,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) neighbours: Neighbours,
    /// With `--waiting` only.
    pub(crate) waiting: Option<Waiting>,
}

/// What deliveries cost that wait for endpoints which refuse.
#[derive(Serialize)]
pub(crate) struct Waiting {
    pub(crate) deliveries: usize,
    pub(crate) taken_per_second: f64,
    pub(crate) peak_memory_mib: f64,
    /// From the start after a kill until requests are taken.
    pub(crate) ready_ms: f64,
}

/// What ill neighbours cost a healthy endpoint: the median from POST to arrival.
#[derive(Serialize)]
pub(crate) struct Neighbours {
    pub(crate) alone_p50_ms: f64,
    pub(crate) beside_p50_ms: f64,
    pub(crate) ratio: f64,
    pub(crate) ratio_target: f64,
}

/// Ill neighbours may at most double it.
const NEIGHBOURS_RATIO_TARGET: f64 = 2.0;

impl Neighbours {
    pub(crate) fn new(alone: &Measurement, beside: &Measurement) -> Self {
        Self {
            alone_p50_ms: alone.latency_p50_ms,
            beside_p50_ms: beside.latency_p50_ms,
            ratio: beside.latency_p50_ms / alone.latency_p50_ms,
            ratio_target: NEIGHBOURS_RATIO_TARGET,
        }
    }
}

/// One workload.
#[derive(Serialize)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    pub(crate) deliveries: usize,
    pub(crate) per_second: f64,
    pub(crate) at_saturation: bool,
    pub(crate) latency_p50_ms: f64,
    pub(crate) latency_p99_ms: f64,
    pub(crate) cpu_us_per_delivery: f64,
    pub(crate) peak_memory_mib: f64,
}

/// Prints the table, in Markdown.
pub(crate) fn print(results: &Results) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{} bytes of data, {} producers\n", results.body, results.producers);
    let _ = writeln!(
        out,
        "| work | delivered per second | of the bare loop | POST to arrival p50 | p99 | server CPU per delivery | peak memory |"
    );
    let _ = writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let _ = writeln!(out, "| bare loop: the same bytes straight to the sink | {:.0} | 1.00 | | | | |", results.bare_per_second);
    for row in &results.measurements {
        let share = if row.at_saturation { format!("{:.2}", row.per_second / results.bare_per_second) } else { String::new() };
        let _ = writeln!(
            out,
            "| {} | {:.0} | {share} | {:.1} ms | {:.1} ms | {:.0} µs | {:.0} MiB |",
            row.name, row.per_second, row.latency_p50_ms, row.latency_p99_ms, row.cpu_us_per_delivery, row.peak_memory_mib
        );
    }
    print_neighbours(&results.neighbours);
    if let Some(Waiting { deliveries, taken_per_second, peak_memory_mib, ready_ms }) = &results.waiting {
        let _ = writeln!(
            out,
            "waiting: {deliveries} deliveries for endpoints that refuse, taken at {taken_per_second:.0} per second, {peak_memory_mib:.0} MiB at \
             most; killed, ready again after {ready_ms:.0} ms"
        );
    }
}

fn print_neighbours(neighbours: &Neighbours) {
    let _ = writeln!(
        std::io::stdout(),
        "\nneighbours: a healthy endpoint's median is {:.1} ms alone and {:.1} ms beside ill ones: {:.2} times (target: at most {:.0})",
        neighbours.alone_p50_ms,
        neighbours.beside_p50_ms,
        neighbours.ratio,
        neighbours.ratio_target
    );
}

/// Writes the JSON.
pub(crate) fn write(results: &Results, path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let text = serde_json::to_string_pretty(results)?;
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// A line on standard error.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
