//! `bellwire keys`: for whoever holds the database and its master key, when nobody can sign in.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use bellwire_app::{App, AppError, AppOptions, KeyInput, Limits};
use bellwire_contract::Contracts;
use bellwire_domain::{AddressPolicy, Entropy};
use bellwire_store::{Location, StoreOptions};
use tokio::runtime::Builder;

use crate::cli::{KeysCommand, KeysCreateArguments};
use crate::environment::{SystemClock, SystemEntropy};
use crate::{master_key, telemetry};

pub(crate) fn run(command: KeysCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::Create(arguments) => {
            let runtime = Builder::new_current_thread().enable_all().build().context("the runtime cannot be started")?;
            runtime.block_on(create(arguments))
        }
    }
}

async fn create(arguments: KeysCreateArguments) -> anyhow::Result<ExitCode> {
    if let Location::Sqlite(path) = &arguments.database
        && !path.exists()
    {
        bail!("there is no database {}: name the one that the server uses with --database", path.display());
    }
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let master_key = master_key::load(arguments.master_key.as_deref(), &arguments.database, &*entropy)?;
    let clock = Arc::new(SystemClock);
    let options = StoreOptions::new(arguments.database, master_key, Arc::clone(&clock) as _, Arc::clone(&entropy));
    let (records, _queue) = bellwire_store::open(options)?;
    let app = App::new(AppOptions {
        records: records.clone(),
        contracts: Arc::new(Contracts::default()),
        clock,
        entropy,
        addresses: AddressPolicy::default(),
        allow_http: false,
        limits: Limits::default(),
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
