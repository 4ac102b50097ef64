//! `bellwire listen`: a consumer's receiver on their own machine.
//!
//! It shows what arrives and whether it is genuine. Requests come in by HTTP ([`local`]), and are answered as the contract asks, or over a
//! connection to a server that cannot reach this machine ([`remote`]). With `--forward` the consumer's own server gets each request as it
//! arrived, genuine or not. Where both ways meet is the [`desk`], which shows requests as lines or, on a terminal, [on a screen](ui).

mod arrival;
mod desk;
mod exchange;
mod forward;
mod local;
mod remote;
mod show;
mod ui;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::sync::mpsc;

use crate::cli::{ListenArguments, OutputForm};
use crate::client::failure::Failure;
use crate::client::session::Session;
use crate::signals::Stops;
use crate::{environment, telemetry};
use desk::{Desk, Way};

/// Receives until it is asked to stop.
pub(crate) fn run(arguments: ListenArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let ended = runtime.block_on(listen(arguments));
    runtime.shutdown_background(); // a thread that waits for DNS must not delay the exit
    ended
}

async fn listen(arguments: ListenArguments) -> anyhow::Result<ExitCode> {
    let (screen, messages) = mpsc::unbounded_channel();
    let has_screen = shows_screen(&arguments);
    let way = match arguments.target.output {
        _ if has_screen => Way::Screen(screen),
        OutputForm::Table => Way::Lines,
        OutputForm::Json => Way::Json,
    };
    let look = ui::Look { has_colours: environment::has_colours(), hide_body: arguments.hide_body };
    let desk = Arc::new(Desk::new(way, arguments.hide_body));
    let mut stops = Stops::new()?;
    let receiving = Box::pin(receive(arguments, Arc::clone(&desk), &mut stops));
    let ended = if has_screen {
        tokio::select! {
            biased;
            ended = receiving => ended,
            shown = ui::run(messages, look) => shown.map(|()| Ok(ExitCode::SUCCESS)),
        }
    } else {
        receiving.await
    };
    // The terminal is as before by now.
    Ok(match ended? {
        Ok(code) => {
            desk.close();
            code
        }
        Err(failure) => {
            telemetry::say(&failure.text());
            ExitCode::from(failure.exit_code())
        }
    })
}

/// Whether somebody sits before a terminal who wants more than lines.
fn shows_screen(arguments: &ListenArguments) -> bool {
    let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && environment::has_screen();
    is_terminal && !arguments.plain && arguments.target.output == OutputForm::Table
}

/// Receives on this machine, or through a server.
async fn receive(arguments: ListenArguments, desk: Arc<Desk>, stops: &mut Stops) -> anyhow::Result<Result<ExitCode, Failure>> {
    if let Some(contract) = &arguments.contract {
        let receiver = local::Receiver::new(contract, &arguments, desk)?;
        return local::listen(receiver, arguments.port, stops).await.map(Ok);
    }
    let Some(account) = arguments.through.account.clone() else {
        bail!("--contract NAME receives on this machine, --account ID through a server: give one of them");
    };
    let session = match Session::open(&arguments.target) {
        Ok(session) => session,
        Err(failure) => return Ok(Err(failure)),
    };
    tokio::select! {
        biased;
        () = stops.recv() => Ok(Ok(ExitCode::SUCCESS)),
        ended = remote::listen(&session, &account, arguments, desk) => Ok(ended.map(|()| ExitCode::SUCCESS)),
    }
}
