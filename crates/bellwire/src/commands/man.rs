//! `bellwire man`: the manual, a page for each command.

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory as _;

use crate::cli::{Cli, ManArguments};

/// Writes `bellwire.1`, `bellwire-serve.1` and so on.
pub(crate) fn run(arguments: &ManArguments) -> anyhow::Result<ExitCode> {
    let folder = &arguments.out;
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.with_context(|| format!("cannot write the manual to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}
