//! `bellwire completions`: what a shell needs to complete flags.

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::{Cli, CompletionsArguments};
use crate::telemetry;

/// Prints the script.
pub(crate) fn run(arguments: &CompletionsArguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "bellwire", &mut script);
    telemetry::print_exactly(&script);
    ExitCode::SUCCESS
}
