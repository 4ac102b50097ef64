//! `bellwire serve`: runs until it is asked to stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bellwire_domain::RetentionPeriods;
use bellwire_http::listener::Tls;
use bellwire_store::Location;
use tokio::runtime::Builder;

use crate::cli::ServeArguments;
use crate::configuration::Configured;
use crate::contracts::ServedContracts;
use crate::environment::{SystemClock, SystemEntropy, credential, given_flags, raise_file_limit};
use crate::server::{Server, ServerOptions, SsoArguments};
use crate::signals::Stops;
use crate::supervisor::Supervisor;
use crate::{master_key, telemetry};

/// The credential that holds the admin key.
const ADMIN_KEY: &str = "admin-key";

fn days(days: u16) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}

/// Checks everything, then serves.
pub(crate) fn run(arguments: ServeArguments, configured: &Configured) -> anyhow::Result<ExitCode> {
    telemetry::start_logs(&arguments.log, arguments.log_json)?;
    raise_file_limit();
    if let Some((file, keys)) = configured.file() {
        tracing::info!(file = %file.display(), keys, "configured by a file");
    }
    let contract_files = arguments.contract_files();
    let contracts = contract_files.load()?;
    if arguments.allow_http {
        tracing::warn!("--allow-http: endpoints may use plain http, which anybody on the network can read; for local work only");
    }
    if let Location::Postgres(url) = &arguments.database
        && !url.is_private()
    {
        tracing::warn!(
            "--database: without sslmode=verify-full, whoever is between here and the database can read and change what is stored"
        );
    }
    let tls = arguments.tls.files().map(|files| Tls::load(files, Arc::new(SystemClock))).transpose()?;
    let grace = Duration::from_secs(arguments.shutdown_grace.into());
    let options = ServerOptions {
        given: given_flags(configured.file_keys()),
        listen: arguments.listen,
        metrics_listen: arguments.metrics_listen,
        tls,
        publish: contract_files.publish.clone(),
        master_key: master_key::load(&arguments.master_key, &arguments.database, &SystemEntropy::default())?,
        database: arguments.database,
        node_lease: Duration::from_secs(arguments.node_lease.into()),
        contracts,
        contract_files,
        allow_network: arguments.allow_network,
        allow_http: arguments.allow_http,
        admin_key: match arguments.admin_key {
            Some(key) => Some(key),
            None => credential(ADMIN_KEY)?.map(|key| key.expose().clone()),
        },
        wrong_keys_max: arguments.wrong_keys_max,
        in_flight_max: arguments.in_flight_max.into(),
        account_backlog_max: arguments.account_backlog_max,
        replay_rate_max: arguments.replay_rate_max,
        operator_account: arguments.operator_account,
        audit_checkpoints: arguments.audit_checkpoints,
        erasures: arguments.erasures,
        retention: RetentionPeriods {
            history: arguments.retain_history.or(arguments.retention).map(days),
            payloads: arguments.retain_payloads.map(days),
            answers: arguments.retain_answers.map(days),
            disclosures: arguments.retain_disclosures.map(days),
        },
        requests_per_key: arguments.rate_max.per_second(),
        requests_per_consumer_key: arguments.consumer_rate_max.per_second(),
        public_url: arguments.public_url,
        otlp_endpoint: arguments.otlp_endpoint,
        portal_refresh_url: arguments.portal_refresh_url,
        portal_frame_origins: arguments.portal_frame_origin,
        sso: arguments.oidc_issuer.zip(arguments.oidc_client_id).map(|(issuer, client_id)| SsoArguments {
            issuer,
            client_id,
            client_secret: arguments.oidc_client_secret,
            role_claim: arguments.oidc_role_claim,
        }),
        metrics: telemetry::start_metrics()?,
    };
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = arguments.worker_threads {
        builder.worker_threads(threads.into());
    }
    let runtime = builder.thread_name("bellwire-worker").enable_all().build().context("the runtime cannot be started")?;
    let ended = runtime.block_on(serve(options, grace));
    runtime.shutdown_background(); // a thread that waits for DNS must not delay the exit
    ended
}

impl ServeArguments {
    /// The contracts to serve, and which of them other flags need.
    pub(crate) fn contract_files(&self) -> ServedContracts {
        ServedContracts {
            folder: self.contracts.clone(),
            publish: self.publish.iter().map(|listener| (listener.contract.clone(), listener.address)).collect(),
            allow_network: self.allow_network.clone(),
        }
    }
}

async fn serve(options: ServerOptions, grace: Duration) -> anyhow::Result<ExitCode> {
    let mut stops = Stops::new()?;
    let server = Server::start(options).await?;
    if let Some(key) = &server.new_admin_key {
        telemetry::print(&format!("admin key (shown once): {key}"));
    }
    let scheme = server.scheme;
    telemetry::print(&format!("listening on {scheme}://{}", server.address));
    if let Some(address) = server.metrics_address {
        telemetry::print(&format!("health and metrics on {scheme}://{address}"));
    }
    for (contract, address) in &server.published {
        telemetry::print(&format!("publishing {contract} on {scheme}://{address}"));
    }
    let supervisor = Supervisor::from_environment();
    supervisor.ready();
    tokio::select! {
        biased;
        () = stops.recv() => {}
        () = supervisor.watch(server.pulse()) => {}
    }
    supervisor.stopping();
    tracing::info!(grace_s = grace.as_secs(), "stopping: waiting for requests in flight; signal again to exit at once");
    tokio::select! {
        () = server.stop(grace) => Ok(ExitCode::SUCCESS),
        () = stops.recv() => {
            tracing::warn!("exiting at once; requests in flight are attempted again after the next start");
            Ok(ExitCode::FAILURE)
        }
    }
}
