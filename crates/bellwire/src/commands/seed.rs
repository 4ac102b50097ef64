//! `bellwire seed`: a store with a history, to try the console with.
//!
//! Everything in it came about as it does in a server: the use-cases made it, and the engine delivered it. Only the clock is set by hand,
//! from some days ago up to now, and the receivers are [made up](receivers): nothing is sent anywhere. Their hosts end in `.example`, which
//! nobody has (RFC 2606), so that a server over this store reaches nobody either.

mod history;
mod operator;
mod population;
mod receivers;
mod story;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bellwire_app::{App, AppOptions, Limits, Operation};
use bellwire_contract::Contracts;
use bellwire_domain::{AddressPolicy, Clock, Entropy, RetentionPeriods};
use bellwire_engine::{Engine, EngineOptions};
use bellwire_store::{PageRequest, Queue, Records, StoreOptions};
use tokio::sync::watch;

use crate::cli::SeedArguments;
use crate::environment::{SystemClock, SystemEntropy, raise_file_limit};
use crate::{contracts, master_key, telemetry};
use history::{DAY, HistoryClock};
use operator::operator;
use receivers::Receivers;
use story::Story;

/// How long the end waits for requests in flight, which nobody really makes.
const GRACE: Duration = Duration::from_secs(10);

/// Fills the store.
pub(crate) fn run(arguments: &SeedArguments) -> anyhow::Result<ExitCode> {
    telemetry::start_logs("error", false)?;
    raise_file_limit();
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    let seeded = runtime.block_on(seed(arguments));
    runtime.shutdown_background();
    seeded
}

async fn seed(arguments: &SeedArguments) -> anyhow::Result<ExitCode> {
    let began_at = SystemClock.now();
    let clock = Arc::new(HistoryClock::new(began_at.minus(DAY * arguments.days.into()), began_at));
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
    let contracts = watch::Sender::new(Arc::new(contracts::load(None)?));
    let (records, queue) = open(arguments, &clock, &entropy)?;
    let app = app(&records, &contracts, &clock, &entropy);
    let filled = match refusal(arguments, &app, &queue).await {
        Ok(()) => {
            let receivers = Arc::new(Receivers::new(Arc::clone(&clock), arguments.seed));
            let engine = engine(&queue, &contracts, &clock, &entropy, &receivers);
            let mut story = Story::new(app, queue, Arc::clone(&clock), receivers, arguments.seed);
            let told = story.tell(arguments.accounts, arguments.days, began_at).await;
            engine.stop(GRACE).await;
            finish(&story, told).await
        }
        refused => refused.map(|()| String::new()),
    };
    records.close().await;
    telemetry::print(&format!("{} in {}", filled?, arguments.database));
    Ok(ExitCode::SUCCESS)
}

/// What is left when nothing is sent any more; what there is then.
async fn finish(story: &Story, told: anyhow::Result<()>) -> anyhow::Result<String> {
    told?;
    story.leave_something_to_do().await?;
    Ok(story.summary())
}

/// Why this store is left alone.
async fn refusal(arguments: &SeedArguments, app: &App, queue: &Queue) -> anyhow::Result<()> {
    if queue.nodes() > 1 {
        bail!("a server has this database open; stop it first: it would send what is made up");
    }
    let accounts = app.permit(&operator(), Operation::AccountList)?;
    let found = app.list_accounts(&accounts, PageRequest { limit: 1, after: None }).await?;
    if !found.items.is_empty() && !arguments.force {
        bail!("{} has accounts already; --force adds to them", arguments.database);
    }
    Ok(())
}

fn open(arguments: &SeedArguments, clock: &Arc<HistoryClock>, entropy: &Arc<dyn Entropy>) -> anyhow::Result<(Records, Queue)> {
    let master_key = master_key::load(&arguments.master_key, &arguments.database, &**entropy)?;
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Ok(bellwire_store::open(StoreOptions::new(arguments.database.clone(), master_key, clock, Arc::clone(entropy)))?)
}

fn app(
    records: &Records,
    contracts: &watch::Sender<Arc<Contracts>>,
    clock: &Arc<HistoryClock>,
    entropy: &Arc<dyn Entropy>,
) -> App {
    App::new(AppOptions {
        records: records.clone(),
        contracts: contracts.clone(),
        contract_files: None,
        clock: Arc::clone(clock) as _,
        entropy: Arc::clone(entropy),
        addresses: AddressPolicy::new(Vec::new()),
        allow_http: false,
        limits: Limits::default(),
        key_fetcher: None,
        erasure_list: None,
        traces: None,
        seen: watch::channel(None).1,
        retention: RetentionPeriods::default(),
    })
}

fn engine(
    queue: &Queue,
    contracts: &watch::Sender<Arc<Contracts>>,
    clock: &Arc<HistoryClock>,
    entropy: &Arc<dyn Entropy>,
    receivers: &Arc<Receivers>,
) -> Engine {
    Engine::start(EngineOptions {
        queue: queue.clone(),
        contracts: contracts.subscribe(),
        transport: Arc::clone(receivers) as _,
        clock: Arc::clone(clock) as _,
        entropy: Arc::clone(entropy),
        // One after the other: each request moves the clock on by what its answer takes.
        in_flight_max: 1,
        retention: RetentionPeriods::default(),
        traces: None,
    })
}
