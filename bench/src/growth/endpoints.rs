//! Many endpoints. A thousand of them get an event each, so that the server has used them and not just stored them.

use anyhow::Context;

use super::population::{Kind, Population};
use super::rows::{against_empty, rows};
use crate::bench::Bench;
use crate::report::{Growth, Made, say};

/// Endpoints of an account.
const PER_ACCOUNT: usize = 100;
/// Endpoints that get an event.
const IN_TURN: usize = 1_000;

/// Measures on a store with so many endpoints.
pub(crate) async fn measure(bench: &Bench, count: usize) -> anyhow::Result<Growth> {
    say(&format!("endpoints: {count}"));
    let server = bench.server().await?;
    let population = Population { kind: Kind::Webhook, count, per_account: PER_ACCOUNT, in_turn: count.min(IN_TURN) };
    let settled = population.settle(bench, &server).await.context("making endpoints")?;
    let made = Some(Made { count, per_second: settled.per_second, peak_memory_mib: server.peak_memory_mib()? });
    let first = settled.in_turn(bench, &server).await.context("one event for each in turn")?;
    let grown = rows(bench, &server).await?;
    server.kill().await?;
    let rows = against_empty(bench, grown).await?;
    let condition = format!("{count} endpoints of {} accounts", population.accounts());
    Ok(Growth { condition, made, first: Some(first), holds: None, rows })
}
