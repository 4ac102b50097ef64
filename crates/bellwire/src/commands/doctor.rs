//! `bellwire doctor`: checks a store and prints what it counted.

use std::process::ExitCode;

use bellwire_store::doctor::{Check, examine};

use crate::cli::DoctorArguments;
use crate::{master_key, telemetry};

/// Checks the database, with or without a running server. The exit code is 1 if a promise is broken.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let database = &arguments.database;
    let master_key = master_key::find(&arguments.master_key, database)?;
    let examination = examine(database, master_key.as_ref())?;
    for check in &examination.checks {
        print(check);
    }
    let broken = examination.checks.iter().filter(|check| check.violated > 0).count();
    let skipped = examination.checks.iter().filter(|check| check.skipped.is_some()).count();
    let verdict = if broken == 0 { "sound".to_owned() } else { format!("not sound; broken promises: {broken}") };
    let note = if skipped == 0 { String::new() } else { format!("; skipped: {skipped}") };
    telemetry::print(&format!("{database} is {verdict}{note}"));
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One check, with what breaks it.
pub(super) fn print(check: &Check) {
    telemetry::print(&line(check));
    for violation in &check.violations {
        telemetry::print(&format!("      {violation}"));
    }
    let more = check.violated - u64::try_from(check.violations.len()).unwrap_or(check.violated);
    if more > 0 {
        telemetry::print(&format!("      and {more} more"));
    }
}

/// `ok    events.seq           123  the events of an account are …`
fn line(check: &Check) -> String {
    let Check { name, promise, counted, violated, skipped, .. } = check;
    match skipped {
        Some(reason) => format!("skip  {name:<20} {:>12}  {promise}: {reason}", "-"),
        None if *violated == 0 => format!("ok    {name:<20} {counted:>12}  {promise}"),
        None => format!("BAD   {name:<20} {counted:>12}  {promise}: not so in {violated} places"),
    }
}
