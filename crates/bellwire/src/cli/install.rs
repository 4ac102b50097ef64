//! Flags of what an installation needs beside the server: health, completions, the manual.

use std::path::PathBuf;

use clap::{Args, value_parser};
use clap_complete::Shell;

use super::http_url;

#[derive(Args)]
pub(crate) struct HealthArguments {
    /// Where the server listens, or its listener for health and metrics
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", env = "BELLWIRE_HEALTH_URL", value_parser = http_url)]
    pub(crate) url: String,
    /// How long the answer may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = value_parser!(u16).range(1..=600))]
    pub(crate) timeout: u16,
}

#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    pub(crate) shell: Shell,
}

#[derive(Args)]
pub(crate) struct ManArguments {
    /// The folder to write to; it is made if there is none
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}
