//! Flags of `bellwire config`.

use std::path::PathBuf;

use clap::Subcommand;

use super::ServeArguments;

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file as `serve` would read it here, with the contracts and certificates that it names: exit code 0, or 1 and
    /// what is wrong
    Check {
        /// The file
        file: PathBuf,
    },
    /// Show each key of `serve`, its value and where it comes from: a flag, a variable, the file or the default. It takes the flags of
    /// `serve`; secrets are masked
    Show(Box<ServeArguments>),
}
