//! `bellwire contract …`: contracts without a server.

mod draft;
mod example;
mod new;
mod output;
mod page;
mod yaml_text;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use bellwire_contract::{Activation, Contract, OutboundRequest, RenderInput, SigningSecret};
use bellwire_domain::{Clock, PayloadChoice, Pointer, Secret};

use crate::cli::{ContractCommand, RenderArguments};
use crate::environment::SystemClock;
use crate::{contracts, telemetry};
use example::{Example, show};

/// Runs one of them. An invalid contract ends with code 2 and one line per fault.
pub(crate) fn run(command: ContractCommand) -> anyhow::Result<ExitCode> {
    match command {
        ContractCommand::New(arguments) => new::run(&arguments)?,
        ContractCommand::Draft(arguments) => draft::run(&arguments)?,
        ContractCommand::List { contracts } => list(contracts.as_deref())?,
        ContractCommand::Check { file } => {
            if file.is_dir() {
                contracts::load(Some(&file))?; // together with the built-in ones, as a server does
                contracts::files(&file)?.iter().try_for_each(|file| check(file))?;
            } else {
                check(&file)?;
            }
        }
        ContractCommand::Render(arguments) => render(&arguments)?,
        ContractCommand::Docs { file } => telemetry::print(&page::write(&*find(&file)?)?),
        ContractCommand::Code { file, language } => {
            telemetry::print_exactly(find(&file)?.verification_code(language)?.text.as_bytes());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks one file.
fn check(file: &Path) -> anyhow::Result<()> {
    let contract = contracts::read(file)?;
    for warning in contract.warnings(&file.display().to_string()) {
        telemetry::say(&format!("warning: {warning}"));
    }
    let (label, events) = (contract.label(), contract.events().len());
    telemetry::print(&format!("{}: contract `{label}` is fine ({events} events)", file.display()));
    Ok(())
}

fn list(folder: Option<&Path>) -> anyhow::Result<()> {
    let contracts = contracts::load(folder)?;
    let labels: Vec<String> = contracts.iter().map(|contract| contract.label().to_string()).collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    for (contract, label) in contracts.iter().zip(labels) {
        telemetry::print(&format!("{label:width$}  {:>3} events  {}", contract.events().len(), contract.title()));
    }
    Ok(())
}

fn render(arguments: &RenderArguments) -> anyhow::Result<()> {
    let contract = find(&arguments.file)?;
    let options = arguments.options.as_deref().map(|text| options(&contract, text)).transpose()?;
    let secrets = match &arguments.secret {
        Some(secret) => {
            contract.check_known_secret(secret).map_err(|reason| anyhow::anyhow!("--secret: {reason}"))?;
            let own = SigningSecret::numbered(&[Secret::new(secret.clone())]);
            let keys = contract.example_secrets().iter().filter(|example| example.is_beside);
            own.into_iter().chain(keys.cloned()).collect()
        }
        None => contract.example_secrets().to_vec(),
    };
    let example = Example::new(&contract, SystemClock.now());
    let request = if let Some(number) = arguments.handshake {
        let event_type = bellwire_domain::EventType::try_new("activation").context("--handshake")?;
        let mut input = example.input(&event_type, "{}", &arguments.url, &secrets);
        input.endpoint.options = options.as_deref();
        handshake(&contract, number, &input)?
    } else {
        let (event_type, data) = event(&contract, arguments)?;
        let choice = arguments.payload.as_deref().map(|text| payload(&contract, text)).transpose()?;
        let data = &*contract.minimise(&data, choice.as_ref());
        let mut input = example.input(&event_type, data, &arguments.url, &secrets);
        input.endpoint.options = options.as_deref();
        let ids = example.more(&contract, arguments.batch - 1);
        let others = example::others(&input, &ids);
        if !others.is_empty() && !contract.may_share(&input.event, &input.event, input.endpoint.options) {
            bail!("--batch: requests for `{event_type}` have one event each");
        }
        input.others = &others;
        contract.render(&input)?
    };
    telemetry::print_exactly(&show(&request));
    Ok(())
}

/// The event that is asked for, and its data.
fn event(contract: &Contract, arguments: &RenderArguments) -> anyhow::Result<(bellwire_domain::EventType, String)> {
    let wanted = arguments.event_type.as_deref().unwrap_or_default();
    let Some(event) = contract.event(wanted) else {
        let known: Vec<_> = contract.events().iter().map(|event| event.event_type.as_str()).collect();
        bail!("--event: {} (it has {})", contract.no_such_event(wanted), known.join(", "));
    };
    let event_type = bellwire_domain::EventType::try_new(wanted).context("--event")?;
    let data = arguments.data.as_deref().unwrap_or_else(|| event.example.get());
    serde_json::from_str::<&serde_json::value::RawValue>(data).context("--data is not JSON")?;
    if let Err(errors) = contract.check_data(event, data.as_bytes()) {
        let lines: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.pointer, error.message)).collect();
        bail!("--data does not fit the event: {}", lines.join("; "));
    }
    Ok((event_type, data.to_owned()))
}

/// What `--handshake` asks for.
fn handshake(contract: &Contract, number: usize, input: &RenderInput<'_>) -> anyhow::Result<OutboundRequest> {
    let steps = contract.activation().map_or(0, Activation::steps);
    if !(1..=steps).contains(&number) {
        bail!("--handshake: this contract has {steps} requests before the first event");
    }
    let token = "0".repeat(64);
    Ok(contract.render_activation(number - 1, &RenderInput { activation: Some(&token), ..*input })?)
}

/// What `--options` says, if the contract allows it.
fn options(contract: &Contract, text: &str) -> anyhow::Result<String> {
    let chosen = serde_json::from_str(text).context("--options is not a JSON object")?;
    let wrong = contract.check_options(&chosen);
    if !wrong.is_empty() {
        let lines: Vec<_> = wrong.iter().map(|error| format!("{}: {}", error.pointer, error.message)).collect();
        bail!("--options does not fit the contract: {}", lines.join("; "));
    }
    Ok(text.to_owned())
}

/// What `--payload` asks for, if the contract allows it.
fn payload(contract: &Contract, text: &str) -> anyhow::Result<PayloadChoice> {
    let choice = if let Some(choice) = PayloadChoice::in_word(text) {
        choice
    } else {
        let fields: Result<Vec<_>, _> = text.split(',').map(Pointer::try_new).collect();
        PayloadChoice::Fields(fields.context("--payload: write `full`, `ids`, or JSON pointers with commas between them")?)
    };
    let allowed = &contract.subscription().payload.allow;
    if !allowed.contains(&choice.level()) {
        let words: Vec<_> = allowed.iter().map(|level| level.as_str()).collect();
        bail!("--payload: this contract does not allow `{}`; it allows {}", choice.level(), words.join(", "));
    }
    Ok(choice)
}

/// Finds a contract by its file or by a built-in name.
fn find(file: &Path) -> anyhow::Result<Arc<Contract>> {
    if !file.exists()
        && let Some(name) = file.to_str()
        && let Some(contract) = contracts::load(None)?.get(name)
    {
        return Ok(Arc::clone(contract));
    }
    contracts::read(file).map(Arc::new)
}
