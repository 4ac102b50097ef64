//! The table, in Markdown. Each number is followed by its target; a number that misses it is bold.

use std::io::Write;

use crate::report::{
    Comparison, Day, Fleet, FleetRow, Growth, Holds, Hostile, Made, Measurement, Neighbours, Page, Pages, QueueSize, QueueSizes,
    Results, Size, Waiting,
};

/// A row's cells: work, delivered per second, of the bare loop, of an empty store, p50, p99, CPU, memory, and what the host took.
type Cells = [String; 9];

/// Prints the table, and below it what is not a row.
pub(crate) fn print(results: &Results) {
    let mut out = std::io::stdout();
    for line in lines(results) {
        let _ = writeln!(out, "{line}");
    }
}

fn lines(results: &Results) -> Vec<String> {
    let mut rows: Vec<Cells> = Vec::new();
    for size in &results.sizes {
        rows.extend(block(size));
    }
    if let Some(Day { direct, rows: measured }) = &results.day {
        rows.push(heading("a platform's day: 1000 accounts, 200 hosts that answer over TLS after 20 to 300 ms"));
        rows.extend(direct.iter().chain(measured).map(|row| cells(row, String::new(), "")));
    }
    if !results.tls.is_empty() {
        rows.push(heading("one event per POST, one endpoint, over TLS: shares of the rows without"));
        rows.extend(results.tls.iter().map(|row| cells(row, String::new(), "")));
    }
    if !results.postgres.is_empty() {
        rows.push(heading("PostgreSQL, one node"));
        rows.extend(results.postgres.iter().map(|row| cells(row, String::new(), "")));
    }
    for Fleet { nodes, rows: measured } in &results.fleets {
        rows.push(heading(&format!("PostgreSQL, {nodes} nodes: their CPU together, the memory of one")));
        rows.extend(measured.iter().map(|row| cells(&row.measurement, String::new(), "")));
    }
    for growth in &results.growth {
        rows.extend(grown(growth));
    }
    if let Some(Pages { deliveries, endpoints, rows: measured, .. }) = &results.pages {
        rows.push(heading(&format!("{deliveries} past deliveries and {endpoints} endpoints, and the console")));
        rows.extend(measured.iter().map(|row| cells(row, String::new(), "")));
    }
    let mut lines = vec![
        format!("{} producers; in brackets the target, bold what misses it", results.producers),
        String::new(),
        "| work | delivered per second | of the bare loop | of an empty store | POST to arrival p50 | p99 \
         | server CPU per delivery | peak memory | taken by the host |"
            .to_owned(),
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |".to_owned(),
    ];
    lines.extend(rows.iter().map(|cells| format!("| {} |", cells.join(" | "))));
    lines.push(String::new());
    lines.extend(results.neighbours.as_ref().map(neighbours));
    lines.extend(hostile(&results.hostile));
    lines.extend(results.pages.iter().flat_map(pages));
    lines.extend(results.ready_empty_ms.map(|ready| format!("start to ready: {} on an empty store", ready.show(0, " ms"))));
    lines.extend(results.growth.iter().filter_map(made));
    lines.extend(results.growth.iter().filter_map(holds));
    lines.extend(results.waiting.as_ref().map(waiting));
    lines.extend(results.fleets.iter().flat_map(fleet));
    lines.extend(results.queue_sizes.as_ref().map(queue_sizes));
    lines.extend(results.failures.iter().map(|failure| format!("failed: {failure}")));
    lines
}

/// A heading for the rows below it.
fn heading(text: &str) -> Cells {
    let mut cells = Cells::default();
    let [work, ..] = &mut cells;
    *work = format!("*{text}*");
    cells
}

fn block(size: &Size) -> Vec<Cells> {
    let mut rows = vec![heading(&format!("{} bytes of data", size.body))];
    let mut bare = Cells::default();
    let [work, speed, share, .., taken] = &mut bare;
    "bare loop: the same bytes straight to the sink".clone_into(work);
    *speed = range(size.bare_loops.iter().map(|bare| bare.per_second));
    "1.00".clone_into(share);
    *taken = percent(size.bare_loops.iter().map(|bare| bare.host_took).fold(0.0, f64::max));
    rows.push(bare);
    rows.extend(size.measurements.iter().map(|row| cells(row, String::new(), "")));
    rows
}

fn grown(growth: &Growth) -> Vec<Cells> {
    let mut rows = vec![heading(&growth.condition)];
    rows.extend(growth.first.iter().map(|row| cells(row, String::new(), "")));
    for Comparison { grown, empty, speed_ratio, cpu_ratio } in &growth.rows {
        rows.push(cells(grown, speed_ratio.show(2, ""), &format!(", × {}", cpu_ratio.show(2, ""))));
        let mut row = cells(empty, "1.00".to_owned(), "");
        let [work, ..] = &mut row;
        *work = format!("without: {}", empty.name);
        rows.push(row);
    }
    rows
}

fn cells(row: &Measurement, of_empty: String, cpu_ratio: &str) -> Cells {
    [
        row.name.clone(),
        format!("{:.0}", row.per_second),
        row.of_bare_loop.map(|share| share.show(2, "")).unwrap_or_default(),
        of_empty,
        row.latency_p50_ms.show(1, " ms"),
        row.latency_p99_ms.show(1, " ms"),
        format!("{}{cpu_ratio}", row.cpu_us_per_delivery.show(0, " µs")),
        row.peak_memory_mib.show(0, " MiB"),
        percent(row.host_took),
    ]
}

/// The range, from least to most.
fn range(values: impl Iterator<Item = f64> + Clone) -> String {
    format!("{:.0} to {:.0}", values.clone().fold(f64::INFINITY, f64::min), values.fold(0.0, f64::max))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn neighbours(Neighbours { alone_p50_ms, beside_p50_ms, ratio }: &Neighbours) -> String {
    format!(
        "neighbours: a healthy endpoint's median is {alone_p50_ms:.1} ms alone and {beside_p50_ms:.1} ms beside ill ones, × {}",
        ratio.show(2, "")
    )
}

fn hostile(rows: &[Hostile]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let head = [
        "| a neighbour attacks | alone p50 | p99 | attacked p50 | p99 | × p50 | × p99 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ];
    let row = |row: &Hostile| {
        let Hostile { attack, alone_p50_ms, alone_p99_ms, beside_p50_ms, beside_p99_ms, p50_ratio, p99_ratio } = row;
        format!(
            "| {attack} | {alone_p50_ms:.1} ms | {alone_p99_ms:.1} ms | {beside_p50_ms:.1} ms | {beside_p99_ms:.1} ms | {} | {} |",
            p50_ratio.show(2, ""),
            p99_ratio.show(2, "")
        )
    };
    head.map(str::to_owned).into_iter().chain(rows.iter().map(row)).chain([String::new()]).collect()
}

fn pages(Pages { deliveries, endpoints, all, .. }: &Pages) -> Vec<String> {
    let head = [
        format!("| page, with {deliveries} past deliveries and {endpoints} endpoints | p50 | p99 | KiB |"),
        "| --- | ---: | ---: | ---: |".to_owned(),
    ];
    let row = |Page { path, p50_ms, p99_ms, bytes }: &Page| {
        format!("| `{path}` | {p50_ms:.1} ms | {} | {} |", p99_ms.show(1, " ms"), bytes.div_ceil(1_024))
    };
    head.into_iter().chain(all.iter().map(row)).chain([String::new()]).collect()
}

fn holds(growth: &Growth) -> Option<String> {
    let Holds { store_mib, ready_ms, memory_mib } = growth.holds.as_ref()?;
    Some(format!(
        "{}: {store_mib:.0} MiB on disk; killed, ready again after {ready_ms:.0} ms, then {memory_mib:.0} MiB of memory at most",
        growth.condition
    ))
}

fn made(growth: &Growth) -> Option<String> {
    let Made { per_second, peak_memory_mib, .. } = growth.made.as_ref()?;
    Some(format!("{}: made at {per_second:.0} per second, {peak_memory_mib:.0} MiB at most", growth.condition))
}

fn waiting(Waiting { deliveries, taken_per_second, peak_memory_mib, ready_ms }: &Waiting) -> String {
    format!(
        "waiting: {deliveries} deliveries for endpoints that refuse, taken at {taken_per_second:.0} per second, {} at most; killed, ready \
         again after {}",
        peak_memory_mib.show(0, " MiB"),
        ready_ms.show(0, " ms")
    )
}

fn fleet(Fleet { nodes, rows }: &Fleet) -> impl Iterator<Item = String> {
    rows.iter().map(move |FleetRow { measurement, of_one_node }| {
        format!("{nodes} nodes: {}: × {of_one_node:.2} of what one node delivers", measurement.name)
    })
}

fn queue_sizes(QueueSizes { first, after_first, all, after_all, peak, per_second }: &QueueSizes) -> String {
    let show = |size: &QueueSize| format!("{} KiB and {} KiB of indexes", size.table_kib, size.indexes_kib);
    format!(
        "the queue's table: {} after {first} deliveries, {} after {all}, {} at most; {per_second:.0} per second",
        show(after_first),
        show(after_all),
        show(peak)
    )
}
