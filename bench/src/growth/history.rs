//! Past deliveries, all created and recorded before the rows are measured.

use anyhow::Context;

use super::rows::{against_empty, rows};
use crate::bench::Bench;
use crate::past;
use crate::report::{Growth, Made, say};

/// Measures on a store with so many past deliveries.
pub(crate) async fn measure(bench: &Bench, deliveries: usize) -> anyhow::Result<Growth> {
    say(&format!("history: {deliveries} deliveries"));
    let server = bench.server().await?;
    let mut client = bench.client(&server).await?;
    past::set_up(bench, &mut client).await?;
    let past = past::whole_events(deliveries);
    let per_second = past::make(bench, &mut client, past).await.context("making history")?;
    let made = Some(Made { count: past, per_second, peak_memory_mib: server.peak_memory_mib()? });
    let grown = rows(bench, &server).await?;
    server.kill().await?;
    let rows = against_empty(bench, grown).await?;
    Ok(Growth { condition: format!("{past} past deliveries"), made, first: None, holds: None, rows })
}
