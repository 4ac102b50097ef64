//! Commands that ask a running server, each a thin mapping of `/v1`.

mod accounts;
mod deliveries;
mod endpoints;
mod events;
mod incidents;
mod open;
mod publication;
mod replays;
mod sign_in;
mod tail;
mod trigger;
mod why;

use std::process::ExitCode;

use crate::cli::{AuditListArguments, ClientCommand, Target};
use crate::client::failure::Failure;
use crate::client::session::{Session, path};
use crate::telemetry;

/// Runs the command; a failure is said on standard error, and is the exit code.
pub(crate) fn run(command: ClientCommand) -> anyhow::Result<ExitCode> {
    ended(async {
        match command {
            ClientCommand::Login(arguments) => sign_in::login(arguments).await,
            ClientCommand::Logout(arguments) => sign_in::logout(&arguments),
            ClientCommand::Accounts(arguments) => accounts::run(&opened(&arguments.target)?, arguments.command).await,
            ClientCommand::Endpoints(arguments) => endpoints::run(&opened(&arguments.target)?, arguments).await,
            ClientCommand::Events(arguments) => events::run(&opened(&arguments.target)?, arguments).await,
            ClientCommand::Deliveries(arguments) => deliveries::run(&opened(&arguments.target)?, arguments.command).await,
            ClientCommand::Replays(arguments) => replays::run(&opened(&arguments.target)?, arguments).await,
            ClientCommand::Incidents(arguments) => incidents::run(&opened(&arguments.target)?, arguments.command).await,
            ClientCommand::Trigger(arguments) => trigger::run(&opened(&arguments.target)?, arguments).await,
            ClientCommand::Open(arguments) => open::run(&arguments),
        }
    })
}

/// `bellwire audit list`
pub(crate) fn list_audit(arguments: &AuditListArguments) -> anyhow::Result<ExitCode> {
    const COLUMNS: &[(&str, &str)] = &[
        ("seq", "/seq"),
        ("at", "/at"),
        ("actor", "/actor"),
        ("action", "/action"),
        ("account", "/account"),
        ("object", "/object"),
    ];
    ended(async {
        let parameters = [
            ("account", arguments.account.as_deref()),
            ("actor", arguments.actor.as_deref()),
            ("action", arguments.action.as_deref()),
            ("object", arguments.object.as_deref()),
            ("since", arguments.since.as_deref()),
            ("until", arguments.until.as_deref()),
        ];
        opened(&arguments.target)?.list(&path(&["audit"]), &parameters, &arguments.paging, COLUMNS).await
    })
}

fn opened(target: &Target) -> Result<Session, Failure> {
    Session::open(target)
}

/// Runs it to its end.
fn ended(command: impl Future<Output = Result<(), Failure>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background(); // a thread that waits for DNS must not delay the exit
    Ok(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            telemetry::say(&failure.text());
            ExitCode::from(failure.exit_code())
        }
    })
}
