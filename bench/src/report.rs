//! The results of a run, also as JSON.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::target::Figure;

/// One run.
#[derive(Serialize)]
pub(crate) struct Results {
    /// Connections of the producer.
    pub(crate) producers: usize,
    pub(crate) sizes: Vec<Size>,
    pub(crate) neighbours: Option<Neighbours>,
    /// With `--neighbours` only.
    pub(crate) hostile: Vec<Hostile>,
    /// From startup on an empty store until requests are taken.
    pub(crate) ready_empty_ms: Option<Figure>,
    pub(crate) growth: Vec<Growth>,
    /// With `--day` only.
    pub(crate) day: Option<Day>,
    /// With `--tls` only: the row without, before and after, and between them those over TLS.
    pub(crate) tls: Vec<Measurement>,
    /// With `--pages` only.
    pub(crate) pages: Option<Pages>,
    /// With `--postgres` only: rows of the first size.
    pub(crate) postgres: Vec<Measurement>,
    /// The same on several nodes.
    pub(crate) fleets: Vec<Fleet>,
    /// With `--queue-size` only.
    pub(crate) queue_sizes: Option<QueueSizes>,
    /// With `--waiting` only.
    pub(crate) waiting: Option<Waiting>,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

impl Results {
    pub(crate) const fn new(producers: usize) -> Self {
        Self {
            producers,
            sizes: Vec::new(),
            neighbours: None,
            hostile: Vec::new(),
            ready_empty_ms: None,
            growth: Vec::new(),
            day: None,
            tls: Vec::new(),
            pages: None,
            postgres: Vec::new(),
            fleets: Vec::new(),
            queue_sizes: None,
            waiting: None,
            failures: Vec::new(),
        }
    }
}

/// All rows of one size.
#[derive(Serialize)]
pub(crate) struct Size {
    /// Bytes of an event's data.
    pub(crate) body: usize,
    /// Before the first row at saturation, and after each.
    pub(crate) bare_loops: Vec<BareLoop>,
    pub(crate) measurements: Vec<Measurement>,
}

/// The same bytes straight to the sink.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct BareLoop {
    pub(crate) per_second: f64,
    /// The share of the processors' time that the host took for others meanwhile.
    pub(crate) host_took: f64,
}

/// One workload.
#[derive(Serialize)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    pub(crate) deliveries: usize,
    pub(crate) per_second: f64,
    /// Share of the mean of the bare loops before and after; only at saturation.
    pub(crate) of_bare_loop: Option<Figure>,
    pub(crate) latency_p50_ms: Figure,
    pub(crate) latency_p99_ms: Figure,
    pub(crate) cpu_us_per_delivery: Figure,
    pub(crate) peak_memory_mib: Figure,
    /// The share of the processors' time that the host took for others meanwhile.
    pub(crate) host_took: f64,
}

/// Rows on several nodes over one database.
#[derive(Serialize)]
pub(crate) struct Fleet {
    pub(crate) nodes: usize,
    pub(crate) rows: Vec<FleetRow>,
}

/// A row on several nodes.
#[derive(Serialize)]
pub(crate) struct FleetRow {
    /// The total CPU of all nodes, and the memory of the one that used most.
    pub(crate) measurement: Measurement,
    /// Its share of the bare loop, of that of one node.
    pub(crate) of_one_node: f64,
}

/// How large the queue was.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct QueueSize {
    pub(crate) table_kib: u64,
    pub(crate) indexes_kib: u64,
}

impl QueueSize {
    /// The larger of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { table_kib: self.table_kib.max(other.table_kib), indexes_kib: self.indexes_kib.max(other.indexes_kib) }
    }
}

/// How large the queue was in a long run.
#[derive(Serialize)]
pub(crate) struct QueueSizes {
    /// Deliveries after which the size was first read, with nothing in flight.
    pub(crate) first: usize,
    pub(crate) after_first: QueueSize,
    /// All deliveries.
    pub(crate) all: usize,
    pub(crate) after_all: QueueSize,
    /// The largest size seen at any time.
    pub(crate) peak: QueueSize,
    pub(crate) per_second: f64,
}

/// What bad neighbours cost a healthy endpoint: the median from POST to arrival.
#[derive(Serialize)]
pub(crate) struct Neighbours {
    pub(crate) alone_p50_ms: f64,
    pub(crate) beside_p50_ms: f64,
    pub(crate) ratio: Figure,
}

impl Neighbours {
    pub(crate) fn new(alone: &Measurement, beside: &Measurement) -> Self {
        let (alone_p50_ms, beside_p50_ms) = (alone.latency_p50_ms.value, beside.latency_p50_ms.value);
        Self { alone_p50_ms, beside_p50_ms, ratio: Figure::neighbours(beside_p50_ms / alone_p50_ms) }
    }
}

/// What a hostile tenant costs a healthy one: from POST to arrival.
#[derive(Serialize)]
pub(crate) struct Hostile {
    pub(crate) attack: String,
    pub(crate) alone_p50_ms: f64,
    pub(crate) alone_p99_ms: f64,
    pub(crate) beside_p50_ms: f64,
    pub(crate) beside_p99_ms: f64,
    pub(crate) p50_ratio: Figure,
    pub(crate) p99_ratio: Figure,
}

impl Hostile {
    pub(crate) fn new(attack: String, alone: &Measurement, beside: &Measurement) -> Self {
        let (alone_p50_ms, alone_p99_ms) = (alone.latency_p50_ms.value, alone.latency_p99_ms.value);
        let (beside_p50_ms, beside_p99_ms) = (beside.latency_p50_ms.value, beside.latency_p99_ms.value);
        let p50_ratio = Figure::hostile_p50(beside_p50_ms / alone_p50_ms);
        let p99_ratio = Figure::hostile_p99(beside_p99_ms / alone_p99_ms);
        Self { attack, alone_p50_ms, alone_p99_ms, beside_p50_ms, beside_p99_ms, p50_ratio, p99_ratio }
    }
}

/// Rows on a server in some condition.
#[derive(Serialize)]
pub(crate) struct Growth {
    pub(crate) condition: String,
    /// How the condition was set up.
    pub(crate) made: Option<Made>,
    /// What was measured before the rows, without a comparison.
    pub(crate) first: Option<Measurement>,
    /// What it holds, after a kill and a start.
    pub(crate) holds: Option<Holds>,
    pub(crate) rows: Vec<Comparison>,
}

/// A store that was killed and started again.
#[derive(Serialize)]
pub(crate) struct Holds {
    /// Its files.
    pub(crate) store_mib: f64,
    /// From startup after the kill until requests are taken.
    pub(crate) ready_ms: f64,
    /// The most memory that the new process held, an event for each of a thousand included.
    pub(crate) memory_mib: f64,
}

/// How something was created in large numbers before the rows were measured.
#[derive(Serialize)]
pub(crate) struct Made {
    pub(crate) count: usize,
    pub(crate) per_second: f64,
    /// The server's, until then.
    pub(crate) peak_memory_mib: f64,
}

/// A row on a server in some condition, and the same on an empty store.
#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) grown: Measurement,
    pub(crate) empty: Measurement,
    /// Delivered per second, grown by empty.
    pub(crate) speed_ratio: Figure,
    /// CPU per delivery, grown by empty.
    pub(crate) cpu_ratio: Figure,
}

impl Comparison {
    pub(crate) fn new(grown: Measurement, empty: Measurement) -> Self {
        let speed_ratio = Figure::grown_speed(grown.per_second / empty.per_second);
        let cpu_ratio = Figure::grown_cpu(grown.cpu_us_per_delivery.value / empty.cpu_us_per_delivery.value);
        Self { grown, empty, speed_ratio, cpu_ratio }
    }
}

/// A platform's day.
#[derive(Serialize)]
pub(crate) struct Day {
    /// A bare client that sends the same, before and after. CPU and memory are the receivers'.
    pub(crate) direct: [Measurement; 2],
    /// As fast as it goes, and at half of that.
    pub(crate) rows: [Measurement; 2],
}

/// The console's pages on a store in use.
#[derive(Serialize)]
pub(crate) struct Pages {
    /// Past ones.
    pub(crate) deliveries: usize,
    pub(crate) endpoints: usize,
    pub(crate) all: Vec<Page>,
    /// Deliveries at a fixed rate, without and with somebody who looks at the pages.
    pub(crate) rows: Vec<Measurement>,
}

/// One page, from request to the end of the answer.
#[derive(Serialize)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: Figure,
    pub(crate) bytes: usize,
}

/// The cost of deliveries that wait for endpoints that refuse.
#[derive(Serialize)]
pub(crate) struct Waiting {
    pub(crate) deliveries: usize,
    pub(crate) taken_per_second: f64,
    /// When all were taken.
    pub(crate) peak_memory_mib: Figure,
    /// From startup after a kill until requests are taken.
    pub(crate) ready_ms: Figure,
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
