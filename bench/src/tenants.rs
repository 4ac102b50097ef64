//! Many tenants on one server, as a platform has them: a thousand accounts that publish in turn, and an account with a thousand
//! endpoints of which each event is for one.

use crate::bare::BareLoops;
use crate::bench::Bench;
use crate::growth::population::{Kind, Population};
use crate::report::Measurement;
use crate::target::{ACCOUNTS_IN_TURN, Figure, ONE_OF_MANY, Tenants};
use crate::workload::Workload;

/// Endpoints of a row.
const MANY: usize = 1_000;
/// These rows use fewer deliveries than one to a single endpoint.
const DIVISOR: usize = 2;

/// A row: its name, the endpoints of each account, and its target.
const ROWS: [(&str, usize, Tenants); 2] = [
    ("one event for each of 1000 accounts in turn, one endpoint each", 1, ACCOUNTS_IN_TURN),
    ("one event per POST, for one of an account's 1000 endpoints", MANY, ONE_OF_MANY),
];

/// Measures those that are wanted, of the first size. Their CPU is held against that of one event per POST to one endpoint, if that is among
/// the rows measured before.
pub(crate) async fn measure(bench: &Bench, bare_loops: &mut BareLoops<'_>, before: &mut Vec<Measurement>) -> anyhow::Result<()> {
    let single = Workload::single(bench.first_body()).name;
    let single = before.iter().find(|row| row.name == single).map(|row| row.cpu_us_per_delivery.value);
    for (name, per_account, expected) in ROWS.into_iter().filter(|(name, ..)| name.contains(&bench.options.only)) {
        let measured = bench.options.tries.quietest(async || measure_row(bench, name, per_account).await);
        let mut row = bare_loops.around(measured, |share| Figure::of_tenants(share, expected)).await?;
        if let Some(single) = single {
            row.cpu_us_per_delivery = Figure::cpu_of_tenants(row.cpu_us_per_delivery.value, single, expected);
        }
        before.push(row);
    }
    Ok(())
}

async fn measure_row(bench: &Bench, name: &str, per_account: usize) -> anyhow::Result<Measurement> {
    let server = bench.server().await?;
    let population = Population { kind: Kind::Webhook, count: MANY, per_account, in_turn: MANY };
    let settled = population.settle(bench, &server).await?;
    settled.in_turn(bench, &server).await?; // each has been used once
    let row = settled.publish(bench, &server, name.to_owned(), (bench.options.deliveries / DIVISOR).max(MANY)).await?;
    server.kill().await?;
    Ok(row)
}
