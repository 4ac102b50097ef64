//! A running server: store, engine, API and listener, wired together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use bellwire_app::{App, AppError, AppOptions, Limits};
use bellwire_book::BookOptions;
use bellwire_console::ConsoleOptions;
use bellwire_contract::{ContractLabel, Contracts};
use bellwire_domain::{AccountId, AddressPolicy, AllowedNetwork, Clock, Entropy, RateLimit, RetentionPeriods, Secret};
use bellwire_egress::{Sender, SenderOptions};
use bellwire_engine::{Engine, EngineOptions, Pulse};
use bellwire_http::listener::{self, ListenerLimits, Service, Tls};
use bellwire_http::{ApiOptions, LargeBodies};
use bellwire_sso::{SingleSignOn, SingleSignOnOptions};
use bellwire_store::{AccountsOfContract, Location, MasterKey, Records, StoreOptions};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client_keys::KeyFetcher;
use crate::contracts::{self, ServedContracts};
use crate::environment::{SystemClock, SystemEntropy};
use crate::erasures::ErasureFile;
use crate::gauges::{self, Watched};
use crate::traces::Exporter;
use crate::{audit, bulk_retries, operations, signals, telemetry, traces};

/// What a server is made of.
pub(crate) struct ServerOptions {
    /// The names of the flags, variables and keys of a file that it was started with.
    pub(crate) given: Vec<String>,
    pub(crate) listen: SocketAddr,
    /// Where health and metrics have a listener of their own.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// What every listener speaks TLS with; `None`: they speak plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Contracts whose published API has its own listener, and its address.
    pub(crate) publish: Vec<(String, SocketAddr)>,
    pub(crate) database: Location,
    /// On PostgreSQL, how long a node may be silent.
    pub(crate) node_lease: Duration,
    pub(crate) master_key: MasterKey,
    /// The contracts as they were loaded first.
    pub(crate) contracts: Contracts,
    /// Where they are read from again.
    pub(crate) contract_files: ServedContracts,
    pub(crate) allow_network: Vec<AllowedNetwork>,
    pub(crate) allow_http: bool,
    pub(crate) admin_key: Option<String>,
    /// From one address in a minute; 0: any number.
    pub(crate) wrong_keys_max: u32,
    pub(crate) in_flight_max: usize,
    /// How long everything is kept, at least.
    pub(crate) retention: RetentionPeriods,
    /// Live deliveries per account.
    pub(crate) account_backlog_max: u32,
    /// Deliveries per second that the replays of one account add.
    pub(crate) replay_rate_max: u32,
    /// The account whose events tell the operator what happens here.
    pub(crate) operator_account: Option<AccountId>,
    /// Requests that one API key may send.
    pub(crate) requests_per_key: Option<RateLimit>,
    /// Requests that a consumer's API key may send, if not those.
    pub(crate) requests_per_consumer_key: Option<RateLimit>,
    /// A file to which checkpoints of the audit log are added.
    pub(crate) audit_checkpoints: Option<PathBuf>,
    /// A file to which erasures are added.
    pub(crate) erasures: Option<PathBuf>,
    /// Where people find the server; `None`: where it listens.
    pub(crate) public_url: Option<String>,
    /// Where spans are sent.
    pub(crate) otlp_endpoint: Option<String>,
    /// Where an expired session of the portal is sent for a new link.
    pub(crate) portal_refresh_url: Option<String>,
    /// Origins that may show the portal in a frame.
    pub(crate) portal_frame_origins: Vec<String>,
    /// The identity provider to sign in with.
    pub(crate) sso: Option<SsoArguments>,
    pub(crate) metrics: PrometheusHandle,
}

/// With whom people sign in, and as which client.
pub(crate) struct SsoArguments {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<String>,
    /// Which claim says what somebody may do.
    pub(crate) role_claim: String,
}

/// A running server.
pub(crate) struct Server {
    /// What the URLs of its listeners begin with.
    pub(crate) scheme: &'static str,
    /// Where the API listens.
    pub(crate) address: SocketAddr,
    /// Where health and metrics listen, if they have a listener of their own.
    pub(crate) metrics_address: Option<SocketAddr>,
    /// Where published APIs listen, by contract.
    pub(crate) published: Vec<(String, SocketAddr)>,
    /// The admin key that was created because none was configured and none existed.
    pub(crate) new_admin_key: Option<String>,
    /// The use-cases, for whoever has started it.
    pub(crate) app: App,
    records: Records,
    engine: Engine,
    ready: Arc<AtomicBool>,
    stop_listening: CancellationToken,
    tasks: TaskTracker,
    audit_checkpoints: Option<PathBuf>,
}

/// What is done before anybody is served: an end of all admin keys is told, the operator's account is there, the start is recorded, and erasures are done again that an
/// older backup lacks.
async fn begin(
    app: &App,
    given: Vec<String>,
    operator_account: Option<&AccountId>,
    erasures: Option<&ErasureFile>,
) -> anyhow::Result<()> {
    if let Some(end) = app.admin_keys_end().await? {
        tracing::warn!(expires_at = %end, "every admin key expires: nobody can administer this store after that");
    }
    if let Some(account) = operator_account {
        app.open_operator_account(account).await.context("--operator-account")?;
    }
    app.prepare_contract_keys().await?;
    app.record_start(env!("CARGO_PKG_VERSION"), given).await?;
    match erasures {
        Some(list) => list.repeat(app).await,
        None => Ok(()),
    }
}

impl Server {
    /// Binds the ports, opens the store and starts everything.
    pub(crate) async fn start(options: ServerOptions) -> anyhow::Result<Self> {
        let listeners = Listeners::bind(&options).await?;
        let address = listeners.main.1;
        let tls = options.tls;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let addresses = AddressPolicy::new(options.allow_network);
        gauges::tell_build(&options.database);
        let (records, queue) = bellwire_store::open(StoreOptions {
            account_backlog_max: options.account_backlog_max.into(),
            replay_rate: RateLimit::per_second(options.replay_rate_max),
            operator_account: options.operator_account.clone(),
            node_lease: options.node_lease,
            ..StoreOptions::new(options.database, options.master_key, Arc::clone(&clock), Arc::clone(&entropy))
        })?;
        let sender = Sender::new(SenderOptions { addresses: addresses.clone(), ..SenderOptions::default() });
        let hangups = signals::hangups()?; // from here on one ends nothing
        let contracts = in_use(&records, options.contracts).await?;
        let (traces, exporter) = options.otlp_endpoint.as_deref().map(traces::start).transpose()?.unzip();
        let erasures = options.erasures.map(ErasureFile::open).transpose()?.map(Arc::new);
        let seen = watch::Sender::new(None);
        let app = App::new(AppOptions {
            records: records.clone(),
            contracts: contracts.clone(),
            contract_files: Some(Arc::new(options.contract_files)),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            addresses,
            allow_http: options.allow_http,
            limits: limits_of((options.requests_per_key, options.requests_per_consumer_key)),
            key_fetcher: Some(Arc::new(KeyFetcher { sender: sender.clone(), clock: Arc::clone(&clock) })),
            erasure_list: erasures.clone().map(|list| list as _),
            traces: traces.clone(),
            seen: seen.subscribe(),
            retention: options.retention,
        });
        let new_admin_key = app.ensure_admin_key(options.admin_key.as_deref()).await.map_err(refused_key)?;
        begin(&app, options.given, options.operator_account.as_ref(), erasures.as_deref()).await?;
        let public_url = options.public_url.unwrap_or_else(|| format!("{scheme}://{address}"));
        let sso = options.sso.map(|arguments| single_sign_on(arguments, &public_url, &clock)).transpose()?;
        let engine = Engine::start(EngineOptions {
            queue,
            contracts: contracts.subscribe(),
            transport: Arc::new(sender.clone()),
            clock,
            entropy,
            in_flight_max: options.in_flight_max,
            retention: options.retention,
            traces,
        });
        let (ready, metrics) = (Arc::new(AtomicBool::new(true)), options.metrics);
        let stop_listening = CancellationToken::new();
        let limits = ListenerLimits { wrong_keys_max: options.wrong_keys_max, ..ListenerLimits::default() };
        let tasks = TaskTracker::new();
        tasks.spawn(contracts::reload_on_hangup(app.clone(), hangups, stop_listening.clone()));
        let watched = Watched { records: records.clone(), lanes: engine.lanes(), sender, tls: tls.clone(), seen };
        tend(&tasks, &stop_listening, &app, options.operator_account);
        tell(&tasks, &stop_listening, watched, (exporter, metrics.clone()));
        let audit_checkpoints = options.audit_checkpoints;
        tasks.spawn(audit::run(app.clone(), audit_checkpoints.clone(), stop_listening.clone()));
        if let Some(tls) = &tls {
            tasks.spawn(listener::keep_tls_fresh(tls.clone(), signals::hangups()?, stop_listening.clone()));
        }
        let console = ConsoleOptions {
            app: app.clone(),
            plain_http: tls.is_none() && address.ip().is_loopback() && !public_url.starts_with("https://"),
            portal_refresh_url: options.portal_refresh_url,
            frame_origins: options.portal_frame_origins,
            sso,
        };
        let api = ApiOptions {
            app: app.clone(),
            metrics: Arc::new(move || metrics.render()),
            ready: Arc::clone(&ready),
            large_bodies: LargeBodies::default(),
            public_url: public_url.into(),
        };
        let (metrics_address, published) = listeners.addresses();
        listeners.serve(&api, console, |listener, router| {
            let service = Service { router, limits, tls: tls.clone(), clock: Arc::new(SystemClock) };
            tasks.spawn(listener::serve(listener, service, stop_listening.clone()));
        });
        tasks.close();
        Ok(Self {
            scheme,
            address,
            metrics_address,
            published,
            new_admin_key,
            app,
            records,
            engine,
            ready,
            stop_listening,
            tasks,
            audit_checkpoints,
        })
    }

    /// Whether its store's writer and its scheduler answer.
    pub(crate) fn pulse(&self) -> Pulse {
        self.engine.pulse()
    }

    /// Stops accepting, finishes what is in flight within `grace`, closes the store.
    pub(crate) async fn stop(self, grace: Duration) {
        self.ready.store(false, Ordering::Release);
        self.stop_listening.cancel();
        let listener_ends = tokio::time::timeout(grace, self.tasks.wait());
        let _ = tokio::join!(listener_ends, self.engine.stop(grace));
        audit::finish(&self.app, self.audit_checkpoints.as_deref()).await;
        self.records.close().await;
    }
}

/// Starts what sees to what is stored, until the server stops.
fn tend(tasks: &TaskTracker, stop: &CancellationToken, app: &App, operator_account: Option<AccountId>) {
    tasks.spawn(bulk_retries::run(app.clone(), stop.clone()));
    if let Some(account) = operator_account {
        tasks.spawn(operations::run(app.clone(), account, stop.clone()));
    }
}

/// Starts what tells whoever watches, until the server stops.
fn tell(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    watched: Watched,
    (exporter, metrics): (Option<Exporter>, PrometheusHandle),
) {
    tasks.spawn(telemetry::keep_metrics_small(metrics, stop.clone()));
    tasks.spawn(gauges::run(watched, stop.clone()));
    if let Some(exporter) = exporter {
        tasks.spawn(exporter.run(stop.clone()));
    }
}

/// The limits of the use-cases, with what keys may send and consumers' keys.
fn limits_of((requests_per_key, requests_per_consumer_key): (Option<RateLimit>, Option<RateLimit>)) -> Limits {
    Limits { requests_per_key, requests_per_consumer_key, ..Limits::default() }
}

/// A listener and the port that it got.
type Bound = (TcpListener, SocketAddr);

/// Every listener, before anything is served.
struct Listeners {
    main: Bound,
    metrics: Option<Bound>,
    /// By contract.
    published: Vec<(String, Bound)>,
}

impl Listeners {
    async fn bind(options: &ServerOptions) -> anyhow::Result<Self> {
        let main = bind(options.listen).await?;
        let mut published = Vec::with_capacity(options.publish.len());
        for (contract, wanted) in &options.publish {
            let bound = bind(*wanted).await.with_context(|| format!("--publish {contract}={wanted}"))?;
            published.push((contract.clone(), bound));
        }
        let metrics = match options.metrics_listen {
            Some(wanted) => Some(bind(wanted).await.context("--metrics-listen")?),
            None => None,
        };
        Ok(Self { main, metrics, published })
    }

    /// Those beside the API's: for health and metrics, and by contract.
    fn addresses(&self) -> (Option<SocketAddr>, Vec<(String, SocketAddr)>) {
        let published = self.published.iter().map(|(contract, (_, address))| (contract.clone(), *address));
        (self.metrics.as_ref().map(|(_, address)| *address), published.collect())
    }

    /// Serves at each what it is for.
    fn serve(self, api: &ApiOptions, console: ConsoleOptions, serve: impl Fn(TcpListener, Router)) {
        for (contract, (listener, _)) in self.published {
            serve(listener, bellwire_api::published_router(api.clone(), &contract));
        }
        if let Some((listener, _)) = self.metrics {
            serve(listener, bellwire_api::health_router(api.clone()));
        }
        let look = bellwire_console::look();
        let book = bellwire_book::router(BookOptions { style: look.style, icon: look.icon });
        serve(self.main.0, bellwire_console::router(console).merge(book).merge(bellwire_api::router(api.clone())));
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<Bound> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let bound = listener.local_addr().context("the listener has no address")?;
    Ok((listener, bound))
}

/// Signs people in with the provider, which the operator has named: it may be anywhere.
fn single_sign_on(arguments: SsoArguments, public_url: &str, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<SingleSignOn>> {
    let sso = SingleSignOn::new(SingleSignOnOptions {
        issuer: arguments.issuer,
        client_id: arguments.client_id,
        client_secret: arguments.client_secret.map(Secret::new),
        role_claim: arguments.role_claim,
        redirect_url: format!("{}/console/sign-in/callback", public_url.trim_end_matches('/')),
        sender: Sender::new(SenderOptions { addresses: AddressPolicy::anywhere(), ..SenderOptions::default() }),
        clock: Arc::clone(clock),
    });
    Ok(Arc::new(sso.context("--oidc-issuer")?))
}

/// What is wrong with the configured admin key.
fn refused_key(error: AppError) -> anyhow::Error {
    match error {
        AppError::Invalid(faults) => {
            let details: Vec<_> = faults.iter().map(|fault| fault.detail.as_str()).collect();
            anyhow::anyhow!("--admin-key: {}", details.join("; "))
        }
        other => other.into(),
    }
}

/// The contracts to begin with. Every account's must be among them; without it, nothing could be sent to that account.
async fn in_use(records: &Records, contracts: Contracts) -> anyhow::Result<watch::Sender<Arc<Contracts>>> {
    for AccountsOfContract { contract: name, version, first, .. } in records.count_accounts_by_contract().await? {
        if contracts.get_version(&name, version.as_deref()).is_none() {
            let contract = ContractLabel { name, version };
            bail!(
                "the account {first} is under the contract `{contract}`, which is not loaded; name its folder with --contracts"
            );
        }
    }
    Ok(watch::Sender::new(Arc::new(contracts)))
}
