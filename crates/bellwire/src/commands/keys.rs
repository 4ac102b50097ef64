//! `bellwire keys`: for whoever holds the database and its master key, when nobody can sign in.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bellwire_app::{App, AppError, AppOptions, KeyInput, Limits};
use bellwire_contract::Contracts;
use bellwire_domain::{AddressPolicy, Entropy, RetentionPeriods};
use bellwire_store::rotation::{MasterKeyRotation, RotationEnd, RotationError, RotationProgress, rotate_master_key};
use bellwire_store::{Location, StoreOptions};
use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::cli::{KeysCommand, KeysCreateArguments, RotateMasterArguments};
use crate::environment::{SystemClock, SystemEntropy};
use crate::{master_key, telemetry};

/// Data keys wrapped anew in one transaction.
const AT_ONCE: u32 = 200;
/// Time between two lines of progress.
const TELL: Duration = Duration::from_secs(3);

pub(crate) fn run(command: KeysCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::Create(arguments) => {
            let runtime = Builder::new_current_thread().enable_all().build().context("the runtime cannot be started")?;
            runtime.block_on(create(arguments))
        }
        KeysCommand::RotateMaster(arguments) => rotate_master(arguments),
    }
}

async fn create(arguments: KeysCreateArguments) -> anyhow::Result<ExitCode> {
    check_exists(&arguments.database)?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let master_key = master_key::load(&arguments.master_key, &arguments.database, &*entropy)?;
    let clock = Arc::new(SystemClock);
    let options = StoreOptions::new(arguments.database, master_key, Arc::clone(&clock) as _, Arc::clone(&entropy));
    let (records, _queue) = bellwire_store::open(options)?;
    let app = App::new(AppOptions {
        records: records.clone(),
        contracts: watch::Sender::new(Arc::new(Contracts::default())),
        contract_files: None,
        clock,
        entropy,
        addresses: AddressPolicy::default(),
        allow_http: false,
        limits: Limits::default(),
        key_fetcher: None,
        erasure_list: None,
        traces: None,
        seen: watch::channel(None).1,
        retention: RetentionPeriods::default(),
    });
    let input = KeyInput {
        role: arguments.role.as_str(),
        account: arguments.account.as_deref(),
        expires_at: arguments.expires,
        name: arguments.name,
        ..KeyInput::default()
    };
    let made = app.create_key_offline(input).await;
    records.close().await;
    let made = made.map_err(|error| match error {
        AppError::Invalid(faults) => {
            let said = faults.iter().map(|fault| format!("--{}: {}", fault.pointer.trim_start_matches('/'), fault.detail));
            anyhow::anyhow!(said.collect::<Vec<_>>().join("; "))
        }
        other => other.into(),
    })?;
    telemetry::say(&format!("created {} with the role {}; its text is shown this once:", made.key.id, made.key.role));
    telemetry::print(made.text.expose());
    Ok(ExitCode::SUCCESS)
}

fn check_exists(database: &Location) -> anyhow::Result<()> {
    match database {
        Location::Sqlite(path) if !path.exists() => {
            bail!("there is no database {}: name the one that the server uses with --database", path.display())
        }
        Location::Sqlite(_) | Location::Postgres(_) => Ok(()),
    }
}

fn rotate_master(arguments: RotateMasterArguments) -> anyhow::Result<ExitCode> {
    let database = arguments.database;
    check_exists(&database)?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let keys = master_key::replacement(&arguments.master_key, &database, &*entropy)?;
    let rotation = MasterKeyRotation {
        database,
        from: keys.from.clone(),
        to: keys.to.clone(),
        clock: Arc::new(SystemClock),
        entropy,
        accounts_at_once: AT_ONCE,
    };
    let mut told_at = Instant::now();
    let ended = rotate_master_key(&rotation, &mut |progress| {
        let line = match progress {
            RotationProgress::Begun => {
                format!("rotating the master key of {}; if interrupted, run the same again", rotation.database)
            }
            RotationProgress::Resumed => format!("going on with the rotation of the master key of {}", rotation.database),
            RotationProgress::Rewrapped { .. } if told_at.elapsed() < TELL => return ControlFlow::Continue(()),
            RotationProgress::Rewrapped { keys } => format!("{keys} data keys are wrapped by the new master key"),
        };
        told_at = Instant::now();
        telemetry::say(&line);
        ControlFlow::Continue(())
    });
    let ended = match (ended, &keys.kept) {
        (Err(RotationError::ServersUnprepared { .. }), Some(kept)) => bail!(
            "the server that runs on this database knows only the old master key: restart it, so that it finds the new one in {}, \
             and run this again",
            kept.display()
        ),
        (ended, _) => ended?,
    };
    let file = keys.conclude()?;
    match ended {
        RotationEnd::Rotated { keys } => telemetry::print(&format!("{keys} data keys are wrapped by the new master key alone")),
        RotationEnd::Already => telemetry::print("the new master key is the database's already"),
        RotationEnd::Stopped => return Ok(ExitCode::FAILURE), // not used here
    }
    telemetry::print(&match file {
        Some(file) => format!("{} holds the new master key: back it up elsewhere; servers may go on as they are", file.display()),
        None => "set BELLWIRE_MASTER_KEY to the new key, remove BELLWIRE_NEW_MASTER_KEY, and restart each server".to_owned(),
    });
    Ok(ExitCode::SUCCESS)
}
