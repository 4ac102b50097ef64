//! One account with many endpoints, of which each event is for one: by its type, or by a filter that has to be evaluated for each of them.

use anyhow::Context;

use super::population::{Kind, Population};
use crate::bench::Bench;
use crate::report::{Comparison, Growth, Measurement, say};
use crate::server::{Process, Setup};

/// Events.
const EVENTS: usize = 1_000;

/// Measures with so many endpoints that take other types, and with so many that have other filters.
pub(crate) async fn measure(bench: &Bench, count: usize) -> anyhow::Result<Growth> {
    say(&format!("filters: {count} of one account"));
    let mut rows = Vec::new();
    for kind in [Kind::Webhook, Kind::Subscription] {
        let many = row(bench, kind, count).await?;
        let one = row(bench, kind, 1).await?;
        rows.push(Comparison::new(many, one));
    }
    let condition = format!("one account with {count} endpoints, beside one with one endpoint");
    Ok(Growth { condition, made: None, first: None, holds: None, rows })
}

async fn row(bench: &Bench, kind: Kind, count: usize) -> anyhow::Result<Measurement> {
    let setup = Setup { contract: kind.contract(), ..Setup::default() };
    let measured = async || {
        let server = Process::server_in(&bench.options.server, tempfile::tempdir()?, setup, &bench.tasks).await?;
        let population = Population { kind, count, per_account: count, in_turn: EVENTS };
        let settled = population.settle(bench, &server).await.with_context(|| kind.plural())?;
        let row = settled.in_turn(bench, &server).await?;
        server.kill().await?;
        let how = match kind {
            Kind::Webhook => "each takes a type of its own",
            Kind::Subscription => "each has a filter of its own",
        };
        anyhow::Ok(Measurement { name: format!("{how}, and one of {count} gets the event"), ..row })
    };
    bench.options.tries.quietest(measured).await
}
