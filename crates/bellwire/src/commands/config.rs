//! `bellwire config`: whether a configuration file can be used, and what `serve` would be configured with.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bellwire_app::check_admin_key;
use bellwire_http::listener::Tls;

use crate::cli::{Command, ConfigCommand, ServeArguments};
use crate::configuration::{self, Configured, Shown};
use crate::environment::SystemClock;
use crate::{master_key, one_line, telemetry};

/// Checks or shows.
pub(crate) fn run(command: ConfigCommand, configured: &Configured) -> ExitCode {
    match command {
        ConfigCommand::Check { file } => check(&file),
        ConfigCommand::Show(_) => {
            show(&configured.shown());
            ExitCode::SUCCESS
        }
    }
}

/// Prints what is wrong, one line each.
fn check(file: &Path) -> ExitCode {
    let words = ["bellwire", "serve", "--config"].map(OsString::from).into_iter().chain([file.as_os_str().to_owned()]);
    let faults = match configuration::parse(words.collect()) {
        Err(refusal) => refusal.faults(),
        Ok((cli, _)) => match cli.command {
            Command::Serve(arguments) => faults(*arguments),
            _ => Vec::new(),
        },
    };
    for fault in &faults {
        telemetry::say(&format!("bellwire: {fault}"));
    }
    if faults.is_empty() {
        telemetry::print(&format!("{} can be used", file.display()));
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// What a start would find wrong with values that can be read, as far as it can be seen without a store and without listening.
fn faults(arguments: ServeArguments) -> Vec<String> {
    let admin_key = arguments.admin_key.as_deref().map_or(Ok(()), check_admin_key).map_err(anyhow::Error::msg);
    let checks = [
        telemetry::check_filter(&arguments.log),
        arguments.contract_files().load().map(drop),
        master_key::check(&arguments.master_key),
        admin_key.context("--admin-key"),
        arguments.tls.files().map(|files| Tls::load(files, Arc::new(SystemClock))).transpose().map(drop),
    ];
    checks.into_iter().filter_map(Result::err).map(|error| one_line(&error)).collect()
}

fn show(rows: &[Shown]) {
    const UNSET: &str = "-";
    let value = |row: &Shown| row.value.clone().unwrap_or_else(|| UNSET.to_owned());
    let key_width = rows.iter().map(|row| row.key.len()).max().unwrap_or_default();
    let value_width = rows.iter().map(|row| value(row).len()).max().unwrap_or_default();
    for row in rows {
        telemetry::print(&format!("{:key_width$}  {:value_width$}  {}", row.key, value(row), row.source));
    }
}
