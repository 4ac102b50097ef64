//! `bellwire demo`: everything, end to end, on a throw-away store.
//!
//! It starts a real server and a real receiver, both on loopback, then plays the operator: through the API it creates an account
//! and an endpoint for each built-in contract, and posts every event of its catalogue. The receiver verifies what arrives with
//! what a consumer has: the contract, the secret, the raw request. A delivery counts only if it is genuine, and the same
//! request under another secret is not.

mod operator;
mod receiver;
mod table;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use bellwire_contract::{Contract, EventDefinition};
use bellwire_domain::RetentionPeriods;
use bellwire_store::{Location, MasterKey, StoreOptions};

use crate::cli::DemoArguments;
use crate::contracts::ServedContracts;
use crate::environment::{SystemEntropy, given_flags};
use crate::server::{Server, ServerOptions};
use crate::{contracts, telemetry};
use operator::Operator;
use receiver::{Arrival, Receiver};

/// How long a delivery may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the demo. Code 0: every delivery arrived and is verified.
pub(crate) fn run(arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    telemetry::start_logs("warn", false)?;
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    runtime.block_on(demo(arguments))
}

async fn demo(arguments: &DemoArguments) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let receiver = Receiver::start().await?;
    let server = start_server(folder.path(), arguments.listen).await?;
    let key = server.new_admin_key.clone().context("a new store has no admin key")?;
    telemetry::print(&format!(
        "server on http://{}, receiver on http://{}, store in {}\n",
        server.address,
        receiver.address,
        folder.path().display()
    ));

    let contracts = Arc::new(contracts::load(None)?);
    let operator = Operator::new(server.address, key.clone());
    let started = Instant::now();
    let mut rows = Vec::new();
    for contract in contracts.iter() {
        let shown = show(contract, &operator, &receiver).await.with_context(|| format!("contract {}", contract.name()))?;
        rows.extend(shown);
    }
    telemetry::print(&table::render(&rows));
    let failed: Vec<_> = rows.iter().filter(|row| row.verdict.is_err()).collect();
    telemetry::print(&format!(
        "{} deliveries over {} contracts in {:.1} s: {} verified, {} not",
        rows.len(),
        contracts.iter().count(),
        started.elapsed().as_secs_f64(),
        rows.len() - failed.len(),
        failed.len()
    ));
    if arguments.keep {
        if let Some(contract) = contracts.iter().find(|contract| operator::can_have_trouble(contract)) {
            operator.make_trouble(contract, &format!("demo-{}", contract.name())).await?;
        }
        keep(&server, &key).await?;
    }
    server.stop(Duration::from_secs(5)).await;
    for row in &failed {
        let reason = row.verdict.as_ref().err().map_or("", String::as_str);
        telemetry::say(&format!("bellwire: {} {}: {reason}", row.contract, row.event));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn start_server(folder: &std::path::Path, listen: SocketAddr) -> anyhow::Result<Server> {
    let entropy: &dyn bellwire_domain::Entropy = &SystemEntropy::default();
    let allow_network = vec!["127.0.0.0/8".parse().context("loopback")?];
    let contract_files = ServedContracts { folder: None, publish: Vec::new(), allow_network: allow_network.clone() };
    Server::start(ServerOptions {
        given: given_flags([]),
        listen,
        metrics_listen: None,
        tls: None,
        publish: Vec::new(),
        database: Location::Sqlite(folder.join("demo.db")),
        node_lease: Duration::from_secs(15),
        master_key: MasterKey::new(entropy.bytes()),
        contracts: contract_files.load()?,
        contract_files,
        allow_network,
        allow_http: true,
        admin_key: None,
        wrong_keys_max: 0,
        in_flight_max: 64,
        account_backlog_max: 10_000,
        replay_rate_max: StoreOptions::REPLAY_RATE_MAX,
        audit_checkpoints: None,
        erasures: None,
        operator_account: None,
        sso: None,
        retention: RetentionPeriods::default(),
        requests_per_key: None,
        requests_per_consumer_key: None,
        public_url: None,
        otlp_endpoint: None,
        portal_refresh_url: None,
        portal_frame_origins: Vec::new(),
        metrics: telemetry::start_metrics()?,
    })
    .await
}

/// Every event of one contract, posted and awaited.
async fn show(contract: &Arc<Contract>, operator: &Operator, receiver: &Receiver) -> anyhow::Result<Vec<table::Row>> {
    let account = format!("demo-{}", contract.name());
    let known = operator.set_up(contract, &account, &receiver.url(contract.name())).await?;
    receiver.expect(contract, known);
    let mut rows = Vec::new();
    for (event, data) in events(contract) {
        let posted = Instant::now();
        let id = operator.publish(&account, &event, &data).await.with_context(|| format!("event {event}"))?;
        let arrival = receiver.next(contract.name(), PATIENCE).await;
        let latency = arrival.as_ref().map(|arrival| arrival.at.saturating_duration_since(posted));
        let (status, verdict) = match arrival {
            Some(Arrival { verdict, .. }) => (operator.delivery_state(&account, &id, PATIENCE).await?, verdict),
            None => ("missing".to_owned(), Err(format!("nothing arrived within {} s", PATIENCE.as_secs()))),
        };
        let verdict =
            verdict.and_then(|()| if status == "delivered" { Ok(()) } else { Err(format!("the delivery is {status}")) });
        rows.push(table::Row { contract: contract.name().to_owned(), event, status, latency, verdict });
    }
    Ok(rows)
}

/// Types and data to post: the whole catalogue, or a made-up event if any type is allowed.
fn events(contract: &Contract) -> Vec<(String, String)> {
    let example = |event: &EventDefinition| (event.event_type.to_string(), event.example.get().to_owned());
    let mut events: Vec<_> = contract.events().iter().map(example).collect();
    if contract.any_event().is_some() {
        events.push(("demo.shown".to_owned(), r#"{"id":"demo_1","amount":1.10}"#.to_owned()));
    }
    events
}

/// Keeps everything running until Ctrl-C.
async fn keep(server: &Server, key: &str) -> anyhow::Result<()> {
    telemetry::print(&format!("\nrunning at http://{} until Ctrl-C; the admin key is {key}", server.address));
    let link = server.app.create_operator_link().await?;
    telemetry::print(&format!("  curl -H 'authorization: Bearer {key}' http://{}/v1/deliveries", server.address));
    telemetry::print("\nthe console, where one endpoint is failing, and another was switched off and missed an event:");
    telemetry::print(&format!("  http://{}/console/portal/{}", server.address, link.expose()));
    tokio::signal::ctrl_c().await.context("signals cannot be received")
}
