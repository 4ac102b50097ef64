//! `bellwire migrate`: moves a store from SQLite to PostgreSQL, shows its progress, and prints what was moved.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bellwire_store::doctor::{Check, Examination};
use bellwire_store::{
    Location, MasterKey, OpenError, PostgresUrl, Relocated, Relocation, RelocationProgress, TableRows, relocate,
};

use super::doctor;
use crate::cli::{MasterKeyArguments, MigrateArguments};
use crate::environment::{SystemClock, SystemEntropy};
use crate::{master_key, telemetry};

/// Time between two progress lines about one table.
const TELL: Duration = Duration::from_secs(3);
/// Bytes copied at once.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Moves the store. The exit code is 1 if either side is not sound.
pub(crate) fn run(arguments: &MigrateArguments) -> anyhow::Result<ExitCode> {
    let (from, to) = (&arguments.from, &arguments.to);
    let (Location::Sqlite(path), Location::Postgres(url)) = (from, to) else {
        bail!("a store can only be moved from SQLite to PostgreSQL: --from sqlite:FILE --to postgres://USER@HOST/NAME");
    };
    let relocation = Relocation {
        from: path.clone(),
        to: url.clone(),
        master_key: load_key(&arguments.master_key, path, to)?,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
        batch_bytes_max: BATCH_BYTES_MAX,
    };
    let mut progress = Progress::new(from, to);
    let ended = relocate(&relocation, &mut |step| {
        progress.tell(&step);
        ControlFlow::Continue(())
    });
    match (ended, master_key::beside_if_any(path)) {
        (Ok(ended), _) => Ok(conclude(ended, from, url)),
        (Err(error @ OpenError::WrongMasterKey), Some(file)) => bail!("{error}; there is one in {}", file.display()),
        (Err(error), _) => Err(error.into()),
    }
}

/// Nodes over PostgreSQL need the key in their environment, so it must be there now, and be the key of this store.
fn load_key(arguments: &MasterKeyArguments, path: &Path, to: &Location) -> anyhow::Result<MasterKey> {
    master_key::find_one(arguments, to)?.with_context(|| {
        let place = match master_key::beside_if_any(path) {
            Some(file) => format!("that is in {}", file.display()),
            None => "that this store was made with".to_owned(),
        };
        format!("set BELLWIRE_MASTER_KEY, which every node over PostgreSQL needs, to the key {place}")
    })
}

/// Reports progress.
struct Progress<'a> {
    from: &'a Location,
    to: &'a Location,
    told_at: Instant,
}

impl<'a> Progress<'a> {
    fn new(from: &'a Location, to: &'a Location) -> Self {
        Self { from, to, told_at: Instant::now() }
    }

    fn tell(&mut self, step: &RelocationProgress) {
        let (from, to) = (self.from, self.to);
        let line = match step {
            RelocationProgress::ExaminingSource => format!("examining {from}"),
            RelocationProgress::Announced => return,
            RelocationProgress::Begun => format!("copying {from} to {to}; if interrupted, run the same command again"),
            RelocationProgress::Resumed => format!("continuing to copy {from} to {to}"),
            RelocationProgress::Copied { table, rows, of } => {
                if rows < of && self.told_at.elapsed() < TELL {
                    return;
                }
                let percent = rows.saturating_mul(100).checked_div(*of).unwrap_or(100);
                format!("{table}: {rows} of {of} rows ({percent} %)")
            }
            RelocationProgress::ExaminingTarget => format!("examining {to}"),
            RelocationProgress::SourceLeft => format!("{from} is marked as moved"),
        };
        self.told_at = Instant::now();
        telemetry::say(&line);
    }
}

fn conclude(ended: Relocated, from: &Location, to: &PostgresUrl) -> ExitCode {
    match ended {
        Relocated::Moved(tables) => {
            print_rows(&tables);
            telemetry::print(&format!("{from} is now {to}, and both are sound: start `bellwire serve` there"));
            ExitCode::SUCCESS
        }
        Relocated::Already => {
            telemetry::print(&format!("{from} is now {to}: it was moved before"));
            ExitCode::SUCCESS
        }
        Relocated::SourceUnsound(examination) => {
            print_broken(&examination);
            telemetry::print(&format!("{from} is not sound: nothing was copied; see `bellwire doctor`"));
            ExitCode::FAILURE
        }
        Relocated::TargetUnsound { examination, tables } => {
            print_broken(&examination);
            print_rows(&tables);
            telemetry::print(&format!("the copy in {to} is not sound: {from} is unchanged, and the next move starts over"));
            ExitCode::FAILURE
        }
        Relocated::Stopped => ExitCode::FAILURE, // not used here
    }
}

fn print_rows(tables: &[TableRows]) {
    telemetry::print(&format!("{:<20} {:>12}", "table", "rows"));
    for TableRows { table, source, target } in tables {
        let note = if source == target { String::new() } else { format!("  BAD: {source} in the source") };
        telemetry::print(&format!("{table:<20} {target:>12}{note}"));
    }
}

fn print_broken(examination: &Examination) {
    let is_broken = |check: &&Check| check.violated > 0;
    examination.checks.iter().filter(is_broken).for_each(doctor::print);
}
