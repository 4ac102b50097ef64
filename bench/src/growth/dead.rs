//! Ten endpoints, one of which refuses connections; the other nine are counted.

use crate::bench::Bench;
use crate::measure::measure_empty;
use crate::report::{Comparison, Growth, say};
use crate::workload::Workload;

/// Nobody listens on the discard port of this loopback address.
const REFUSES: &str = "http://127.0.0.2:9/";
/// Endpoints that answer.
const HEALTHY: usize = 9;

/// Measures nine with a dead one, and nine without.
pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Growth> {
    say("one dead endpoint of ten");
    let nine = Workload::fan_out(bench.first_body(), HEALTHY);
    let ten = nine.clone().named("one event per POST, 10 endpoints, nine of them counted");
    let beside = measure_empty(bench, &ten, &[REFUSES.to_owned()]).await?;
    let alone = measure_empty(bench, &nine, &[]).await?;
    let rows = vec![Comparison::new(beside, alone)];
    Ok(Growth { condition: "one dead endpoint".to_owned(), made: None, first: None, holds: None, rows })
}
