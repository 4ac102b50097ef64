//! Measures Bellwire against a yardstick, in one run on one machine, as ratios.
//!
//! Three processes: a sink that is as cheap as a receiver can be, the server under test (the real binary, durability on), and
//! this one, which produces. The yardstick is the bare loop: the same bytes posted straight to the same sink over kept-alive
//! connections, nothing stored, nothing signed. It is the physical limit of the machine; a result is a share of it.
//!
//! After each measurement the sink counts deliveries and checks every signature. A measurement with a lost, duplicate or badly
//! signed delivery is an error, not a number.
//!
//! To add a workload, see [`workload`]; to add a condition of the store in which rows are measured again, see [`growth`].

mod bare;
mod bench;
mod client;
mod content;
mod day;
mod figures;
mod growth;
mod host;
mod hostile;
mod measure;
mod neighbours;
mod pages;
mod past;
mod postgres;
mod produce;
mod queue_size;
mod report;
mod run;
mod server;
mod sink;
mod table;
mod target;
mod tenants;
mod tls;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;

use crate::bench::RunOptions;
use crate::host::Tries;

/// What `--growth` stands for.
const GROWTH: usize = 1_000_000;
const GROWTH_ENDPOINTS: usize = 100_000;

/// Measure Bellwire against a bare loop, and print one table
#[derive(Parser)]
#[command(version, about, max_term_width = 110)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Arguments {
    /// Deliveries per measurement at saturation; larger bodies use fewer
    #[arg(long, default_value_t = 150_000, value_parser = one_or_more)]
    deliveries: usize,
    /// The producer's connections
    #[arg(long, default_value_t = 64, value_parser = one_or_more)]
    producers: usize,
    /// Bytes of an event's data, one or several; the rows at a fixed rate and all growth use the first
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_value = "500,2048,20480", value_parser = body_size)]
    body: Vec<usize>,
    /// Of the rows on an empty store over SQLite, only those with this in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also measure over PostgreSQL, on one node and several; starts a cluster, so PostgreSQL must be installed
    #[arg(long)]
    postgres: bool,
    /// With --postgres: also measure the size of the queue's table after 100,000 deliveries, after this many, and in between
    #[arg(long, value_name = "N", requires = "postgres", value_parser = one_or_more)]
    queue_size: Option<usize>,
    /// Also measure on a store with this many past deliveries
    #[arg(long, value_name = "N")]
    history: Option<usize>,
    /// Also measure on a store with this many endpoints, 100 per account
    #[arg(long, value_name = "N")]
    endpoints: Option<usize>,
    /// Also measure on a store with this many topic-based subscriptions, each of its own account, beside as many endpoints
    #[arg(long, value_name = "N")]
    subscriptions: Option<usize>,
    /// Also measure one account with this many endpoints, of which a filter of each, or a type of each, lets one event pass
    #[arg(long, value_name = "N")]
    filters: Option<usize>,
    /// Also measure a platform's day: many tenants, of which a few have most of the events, and receivers over TLS that take their time
    #[arg(long)]
    day: bool,
    /// Also measure deliveries over TLS, with HTTP/1.1 and with HTTP/2, beside the same without it
    #[arg(long)]
    tls: bool,
    /// Also measure ten endpoints, one of which refuses connections
    #[arg(long)]
    dead: bool,
    /// Measure only what a hostile tenant costs a healthy one, over SQLite and, with --postgres, over PostgreSQL; with --only, those attacks
    /// with this in their name
    #[arg(long)]
    neighbours: bool,
    /// Also measure the console's pages on a store with this many past deliveries and a thousand endpoints, while events come in
    #[arg(long, value_name = "N")]
    pages: Option<usize>,
    /// Also measure while this many deliveries wait for endpoints that refuse (each takes 100 bytes of disk or more)
    #[arg(long, value_name = "N")]
    waiting: Option<usize>,
    /// Wait this many seconds before each row: some hosts lend their processors only for a while
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    rest: u64,
    /// How often to measure a row, at most, while the host takes over 5% of the processors' time; the best try counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = one_or_more)]
    tries: usize,
    /// Short for --history 1000000 --endpoints 100000 --dead --waiting 1000000; explicit numbers win
    #[arg(long)]
    growth: bool,
    /// Where to write the results as JSON
    #[arg(long, default_value = "bench/results/latest.json")]
    json: PathBuf,
    /// The server's binary; by default, the one next to this program
    #[arg(long)]
    server: Option<PathBuf>,
    /// Act as the sink (started by the measurement itself)
    #[arg(long, hide = true)]
    sink: bool,
    /// Act as the receivers of a platform's day, with the certificate in this folder (started by the measurement itself)
    #[arg(long, hide = true, value_name = "FOLDER")]
    receivers: Option<PathBuf>,
    /// As the receivers: answer at once, on three hosts (given by the measurement itself)
    #[arg(long, hide = true, requires = "receivers")]
    prompt: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.receivers {
        Some(folder) => day::receivers::run(folder, arguments.prompt),
        None if arguments.sink => sink::run(),
        None => measure(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("bellwire-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let json = arguments.json.clone();
    let options = options(arguments)?;
    let results = runtime.block_on(async {
        tokio::select! {
            results = run::run(options) => results,
            stopped = stopped() => { stopped?; bail!("stopped") } // and with it the processes that it started
        }
    })?;
    table::print(&results);
    report::write(&results, &json)?;
    match results.failures.len() {
        0 => Ok(()),
        failures => bail!("{failures} of the measurements failed"),
    }
}

fn options(arguments: Arguments) -> anyhow::Result<RunOptions> {
    let grown = |given: Option<usize>, full: usize| given.unwrap_or(if arguments.growth { full } else { 0 });
    Ok(RunOptions {
        postgres: arguments.postgres,
        neighbours: arguments.neighbours,
        queue_size: arguments.queue_size,
        history: grown(arguments.history, GROWTH),
        endpoints: grown(arguments.endpoints, GROWTH_ENDPOINTS),
        subscriptions: arguments.subscriptions.unwrap_or(0),
        filters: arguments.filters.unwrap_or(0),
        pages: arguments.pages.unwrap_or(0),
        day: arguments.day,
        tls: arguments.tls,
        dead: arguments.dead || arguments.growth,
        waiting: grown(arguments.waiting, GROWTH),
        deliveries: arguments.deliveries,
        producers: arguments.producers,
        tries: Tries { most: arguments.tries, rest: Duration::from_secs(arguments.rest) },
        server: server::binary(arguments.server.as_deref())?,
        bodies: arguments.body,
        only: arguments.only.unwrap_or_default(),
    })
}

fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Large enough for the timestamp in it, and no larger than the server accepts.
fn body_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 64..=262_144) => Ok(size),
        Ok(_) => Err("it must be from 64 to 262144".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

/// Returns when this process is asked to end.
async fn stopped() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
