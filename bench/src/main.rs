//! Measures Bellwire beside a yardstick, in one run on one machine, as ratios.
//!
//! Three processes: a sink that is as cheap as a receiver can be, the server under test (the real binary, durability on), and
//! this one, which produces. The yardstick is the bare loop: the same bytes posted straight to the same sink over kept-alive
//! connections, nothing stored, nothing signed. It is the physical limit of the machine; a result is a share of it.
//!
//! After each measurement the sink counts what came and checks every signature: a number that lost, doubled or mis-signed
//! anything is an error, not a number.

mod client;
mod neighbours;
mod report;
mod server;
mod sink;
mod waiting;
mod workloads;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Measure Bellwire beside a bare loop, and print one table
#[derive(Parser)]
#[command(version, about, max_term_width = 110)]
struct Arguments {
    /// Deliveries in each measurement at saturation
    #[arg(long, default_value_t = 60_000)]
    deliveries: usize,
    /// Connections of the producer
    #[arg(long, default_value_t = 64)]
    producers: usize,
    /// Bytes of an event's data
    #[arg(long, default_value_t = 500)]
    body: usize,
    /// Also measure so many deliveries that wait for endpoints which refuse (100 bytes of disk and more for each)
    #[arg(long, default_value_t = 0)]
    waiting: usize,
    /// Where the JSON beside the table goes
    #[arg(long, default_value = "bench/results/latest.json")]
    json: PathBuf,
    /// The server's binary; without it the one built beside this
    #[arg(long)]
    server: Option<PathBuf>,
    /// Be the sink (started by the measurement itself)
    #[arg(long, hide = true)]
    sink: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = if arguments.sink { sink::run() } else { measure(&arguments) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::say(&format!("bellwire-bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let results = runtime.block_on(workloads::run(&workloads::Plan {
        deliveries: arguments.deliveries,
        producers: arguments.producers,
        body: arguments.body,
        waiting: arguments.waiting,
        server: server::binary(arguments.server.as_deref())?,
    }))?;
    report::print(&results);
    report::write(&results, &arguments.json)
}
