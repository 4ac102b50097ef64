//! The program: parses flags, wires the parts together, runs them, and exits with a clear message. It is a library, so that it compiles
//! beside the API and not after it; `main.rs` only starts it.
//!
//! Its job: commands, configuration, telemetry and lifecycle. Anything that can fail because of a flag, a file or a
//! port fails here, before anything is served, with one line and exit code 2.
//!
//! What it must not know: how anything inside works. It constructs, it does not decide.
//!
//! To add a command: a file in `commands/`, a variant in [`cli::Command`], an arm in [`run`].

mod audit;
mod bulk_retries;
mod cli;
mod client;
mod client_keys;
mod commands;
mod configuration;
mod consumer;
mod contracts;
mod environment;
mod erasures;
mod gauges;
mod master_key;
mod operations;
mod server;
mod signals;
mod supervisor;
mod telemetry;
mod traces;

use std::process::ExitCode;

use crate::cli::Command;
use crate::configuration::{Configured, Refusal};

/// The exit code of a bad flag, an unreachable database or an invalid contract; clap uses the same.
const USAGE: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let (cli, configured) = match configuration::parse(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(Refusal::Flags(error)) if cli::is_answer(&error) => error.exit(),
        Err(refusal) => return refuse(&refusal.one_line()),
    };
    run(cli.command, &configured).unwrap_or_else(|error| refuse(&one_line(&error)))
}

fn refuse(reason: &str) -> ExitCode {
    telemetry::say(&format!("bellwire: {reason}"));
    ExitCode::from(USAGE)
}

fn run(command: Command, configured: &Configured) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(arguments) => commands::serve::run(*arguments, configured),
        Command::Config(command) => Ok(commands::config::run(command, configured)),
        Command::Demo(arguments) => commands::demo::run(&arguments),
        Command::Seed(arguments) => commands::seed::run(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Migrate(arguments) => commands::migrate::run(&arguments),
        Command::Listen(arguments) => commands::listen::run(*arguments),
        Command::Audit(command) => commands::audit::run(command),
        Command::Keys(command) => commands::keys::run(command),
        Command::Verify(arguments) => commands::verify::run(&arguments),
        Command::Contract(arguments) => commands::contract::run(arguments),
        Command::Health(arguments) => commands::health::run(&arguments),
        Command::Completions(arguments) => Ok(commands::completions::run(&arguments)),
        Command::Man(arguments) => commands::man::run(&arguments),
        Command::Client(command) => commands::client::run(*command),
    }
}

/// An error and its causes, joined.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
