//! One run: a plan drawn from the seed, and the lives of the process under it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_contract::{Contract, Contracts};
use bellwire_domain::RoomLimits;
use bellwire_domain::{
    AccountId, DeliveryState, EndpointId, ErasureState, EventFilter, HealthStatus, RetentionPeriods, Secret, Span, Timestamp,
};
use bellwire_engine::{Engine, EngineOptions};
use bellwire_store::{
    DeliveryQuery, EndpointChanges, Event, EventQuery, Execution, FiguresQuery, LaneKey, Location, NewEndpoint, PageRequest,
    PutAccount, Records, StoreOptions,
};
use bellwire_testkit::SeededEntropy;
use bellwire_testkit::postgres::{Cluster, psql};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::actors::{self, Unanswered};
use crate::ledger::{Ledger, SimEndpoint, Stored, is_about_subject};
use crate::master_keys::MasterKeys;
use crate::network::{Behaviour, Network};
use crate::random::Random;
use crate::time::SimTime;

/// One that retries, one that does not, one that judges health and limits the rate, one whose requests have several events, and one whose
/// deliveries wait for the one before.
const CONTRACTS: [(&str, &str); 5] = [
    (
        "sim-retries",
        "{ timeout: 5s, success: 2xx, retry: { schedule: [2s, 5s, 20s, 60s] }, retry_after: { max: 30s }, gone: disable, in_flight: 3 }",
    ),
    ("sim-once", "{ timeout: 5s, success: 2xx, retry: none, in_flight: 2 }"),
    (
        "sim-health",
        "{ timeout: 5s, success: 200, retry: { schedule: [1s, 3s, 9s] }, in_flight: 4, rate_limit: 5/s, \
         health: { unhealthy: { after_failures: 1 }, failed: { after_failures: 6, then: pause } } }",
    ),
    ("sim-batches", "{ timeout: 5s, success: 2xx, retry: { schedule: [1s, 4s, 9s] }, batch: { max: 3, wait: 1s } }"),
    (ORDERED, "{ timeout: 5s, success: 2xx, retry: { schedule: [1s, 4s] }, order: endpoint }"),
];

/// The contract whose deliveries wait for the one before.
pub const ORDERED: &str = "sim-order";

const BODY: &str = "{ endpoint: \"{{ endpoint.id }}\", events: { $each: \"{{ events }}\", delivery: \"{{ item.delivery_id }}\", \
     event: \"{{ item.id }}\", attempt: \"{{ item.attempt }}\", data: \"{{ item.data }}\" } }";

/// When the network calms down and nothing is meddled with any more.
pub const CALM_AT: Duration = Duration::from_secs(60);
/// By when everything must have ended.
const PATIENCE: Duration = Duration::from_secs(1_200);

pub fn contracts() -> Contracts {
    let mut contracts = Contracts::shipped().unwrap();
    for (name, delivery) in CONTRACTS {
        let source =
            format!("contract: {name}\ntitle: Simulated\nevents: any\nrequest: {{ body: {BODY} }}\ndelivery: {delivery}\n");
        contracts.add(Contract::compile(&source, name).unwrap()).unwrap();
    }
    contracts
}

/// How a life ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Killed at an instant, after so many further polls of its tasks: at any await point.
    Crash { at: Duration, polls: u64 },
    /// Asked to stop at an instant.
    Stop { at: Duration, grace: Duration },
    /// When all is done.
    Done,
}

/// What all parts of a run share.
pub struct Run {
    pub time: Arc<SimTime>,
    pub ledger: Arc<Mutex<Ledger>>,
    pub contracts: Arc<Contracts>,
    pub unanswered: Mutex<Vec<Unanswered>>,
    pub next_event: AtomicUsize,
    pub commits_fail: AtomicBool,
    entropy: Arc<SeededEntropy>,
    limits: RoomLimits,
    keys: Mutex<MasterKeys>,
}

/// A run over an SQLite file.
pub fn run(seed: u64) -> Ledger {
    let folder = tempfile::tempdir().unwrap();
    run_over(seed, &Location::Sqlite(folder.path().join("simulated.db")), || {})
}

/// A run over a PostgreSQL database of its own. Between two lives the lease of the first one ends.
pub fn run_on_postgres(seed: u64) -> Ledger {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let ledger = run_over(seed, &url.parse().unwrap(), || drop(psql(&url, "DELETE FROM nodes")));
    cluster.drop_database(&url);
    ledger
}

fn run_over(seed: u64, location: &Location, between_lives: impl Fn()) -> Ledger {
    let mut random = Random::new(seed);
    let punctual = random.chance(20);
    let endpoints = draw_endpoints(&mut random);
    let ends = draw_ends(&mut random, punctual);
    let small = RoomLimits { lane_deliveries_max: 4, deliveries_max: 24, bytes_max: 4_096 };
    let shared = Arc::new(Run {
        time: Arc::default(),
        ledger: Arc::new(Mutex::new(Ledger { seed, punctual, endpoints, ..Ledger::default() })),
        contracts: Arc::new(contracts()),
        unanswered: Mutex::default(),
        next_event: AtomicUsize::new(0),
        commits_fail: AtomicBool::new(false),
        entropy: Arc::new(SeededEntropy::new(seed)),
        limits: if random.chance(50) { small } else { RoomLimits::default() },
        keys: Mutex::default(),
    });
    for (life, end) in ends.into_iter().enumerate() {
        // With an interval of one, the task that kills is asked after each step of any other.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).event_interval(1).build();
        let runtime = runtime.unwrap();
        let down_for = random.millis(0..20_000);
        runtime.block_on(async {
            live(&shared, location, life, end, random.fork()).await;
            shared.time.end_life(down_for); // while the runtime's clock can still be read
        });
        drop(runtime);
        let examined = bellwire_store::doctor::examine(location, Some(&shared.keys.lock().given())).unwrap();
        for check in examined.checks.iter().filter(|check| check.violated > 0) {
            shared.ledger.lock().broken.push(format!("after life {life}, {}: {:?}", check.name, check.violations));
        }
        let recorded = shared.ledger.lock().recorded;
        if examined.checks.iter().any(|check| check.name == "audit" && check.counted < recorded) {
            shared.ledger.lock().broken.push(format!("after life {life}: the audit log has lost some of {recorded} acts"));
        }
        between_lives();
        let mut keys = shared.keys.lock();
        *keys = keys.rotate(location, Arc::clone(&shared.time) as _, Arc::clone(&shared.entropy) as _, 1 + life % 5);
    }
    std::mem::take(&mut *shared.ledger.lock())
}

fn draw_endpoints(random: &mut Random) -> Vec<SimEndpoint> {
    let mut endpoints = Vec::new();
    for (contract, _) in CONTRACTS {
        for number in 0..random.within(1..4) {
            let behaviour = Behaviour::ALL[random.index(Behaviour::ALL.len())];
            let meddled = contract == "sim-health" || behaviour == Behaviour::Gone || random.chance(30);
            endpoints.push(SimEndpoint {
                account: format!("of-{contract}"),
                id: format!("{contract}-{number}"),
                contract,
                behaviour,
                in_flight_max: match contract {
                    "sim-retries" => 3,
                    "sim-once" => 2,
                    "sim-batches" | ORDERED => 1,
                    _ => 4,
                },
                left_alone: !meddled,
            });
        }
    }
    endpoints
}

fn draw_ends(random: &mut Random, punctual: bool) -> Vec<End> {
    let mut at = Duration::ZERO;
    let mut ends = Vec::new();
    while !punctual && random.chance(65) {
        at += random.millis(500..25_000);
        if at > CALM_AT {
            break;
        }
        ends.push(if random.chance(70) {
            End::Crash { at, polls: random.within(0..300) }
        } else {
            End::Stop { at, grace: random.millis(0..6_000) }
        });
    }
    ends.push(End::Done);
    ends
}

async fn live(run: &Arc<Run>, location: &Location, life: usize, end: End, mut random: Random) {
    *run.time.life_started.lock() = Some((tokio::time::Instant::now(), Handle::current()));
    let (records, engine) = start(run, location, life, &mut random);
    if life == 0 {
        set_up(run, &records).await;
    }
    let mut actors = JoinSet::new();
    actors::start(&mut actors, run, &records, life, &mut random);
    match end {
        End::Crash { at, polls } => {
            run.time.until(at).await;
            for _ in 0..polls {
                tokio::task::yield_now().await;
            }
            run.ledger.lock().crashes += 1;
        }
        End::Stop { at, grace } => {
            run.time.until(at).await;
            engine.stop(grace).await;
            actors.shutdown().await;
            records.close().await;
            run.ledger.lock().stops += 1;
        }
        End::Done => {
            run.time.until(CALM_AT).await;
            calm(run, &records, &mut actors).await;
            settle(run, &records).await;
            engine.stop(Duration::from_secs(30)).await;
            gather(run, &records).await;
            records.close().await;
        }
    }
    run.commits_fail.store(false, Ordering::SeqCst);
}

fn start(run: &Arc<Run>, location: &Location, life: usize, random: &mut Random) -> (Records, Engine) {
    let faults = Arc::clone(run);
    let gives_up = matches!(location, Location::Postgres(_));
    let commits = Arc::new(move || {
        let fails = faults.commits_fail.load(Ordering::SeqCst);
        if fails {
            let at = faults.time.elapsed();
            let mut ledger = faults.ledger.lock();
            ledger.commits_failed += 1;
            ledger.given_up.extend(gives_up.then_some(at));
        }
        !fails
    });
    let clock = Arc::clone(&run.time) as _;
    let (records, queue) = bellwire_store::open(StoreOptions {
        room: run.limits,
        execution: Execution::Inline { commits },
        node_lease: Duration::from_secs(3_600), // by a clock that is not simulated
        ..StoreOptions::new(location.clone(), run.keys.lock().given(), clock, Arc::clone(&run.entropy) as _)
    })
    .unwrap();
    let network =
        Network { time: Arc::clone(&run.time), ledger: Arc::clone(&run.ledger), random: Mutex::new(random.fork()), life };
    let engine = Engine::start(EngineOptions {
        queue,
        contracts: watch::channel(Arc::clone(&run.contracts)).1,
        transport: Arc::new(network),
        clock: Arc::clone(&run.time) as _,
        entropy: Arc::clone(&run.entropy) as _,
        in_flight_max: 16,
        retention: RetentionPeriods::default(),
        traces: None,
    });
    (records, engine)
}

async fn set_up(run: &Run, records: &Records) {
    for (contract, _) in CONTRACTS {
        let account = PutAccount {
            id: AccountId::try_new(&format!("of-{contract}")).unwrap(),
            contract: contract.to_owned(),
            contract_version: None,
            name: None,
            secret: None,
            sandbox: false,
            entitlements: BTreeSet::new(),
            retention: RetentionPeriods::default(),
        };
        records.put_account(account).await.unwrap();
    }
    let endpoints = run.ledger.lock().endpoints.clone();
    for endpoint in endpoints {
        let new = NewEndpoint {
            id: EndpointId::try_new(&endpoint.id).unwrap(),
            account_id: AccountId::try_new(&endpoint.account).unwrap(),
            url: format!("https://{}.example/", endpoint.id),
            name: None,
            filter: EventFilter::All,
            headers: Vec::new(),
            enabled: true,
            in_flight_max: None,
            rate_limit: None,
            payload: None,
            keep_answers: true,
            lease: None,
            heartbeat: None,
            options: None,
            credentials: None,
            health: HealthStatus::Active,
            secret: Some(Secret::new("simulated".to_owned())),
        };
        records.create_endpoint(new, 1_000).await.unwrap().unwrap();
    }
}

pub fn lane(endpoint: &SimEndpoint) -> LaneKey {
    LaneKey {
        account_id: AccountId::try_new(&endpoint.account).unwrap(),
        endpoint_id: EndpointId::try_new(&endpoint.id).unwrap(),
    }
}

/// Ends all faults, and enables and resumes what was disabled or paused.
async fn calm(run: &Run, records: &Records, actors: &mut JoinSet<()>) {
    run.commits_fail.store(false, Ordering::SeqCst);
    run.time.calm.store(true, Ordering::SeqCst);
    while actors.join_next().await.is_some() {}
    let endpoints = run.ledger.lock().endpoints.clone();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.behaviour != Behaviour::Gone) {
        let changes = EndpointChanges { enabled: Some(true), resume: true, ..EndpointChanges::default() };
        records.update_endpoint(&lane(endpoint), changes).await.unwrap();
    }
}

/// Waits until every delivery has ended, but for those of endpoints that take none.
async fn settle(run: &Run, records: &Records) {
    let give_up_at = run.time.elapsed() + PATIENCE;
    while run.time.elapsed() < give_up_at {
        tokio::time::sleep(Duration::from_secs(7)).await;
        let mut waiting = 0;
        let endpoints = run.ledger.lock().endpoints.clone();
        for endpoint in &endpoints {
            let lane = lane(endpoint);
            let stored = records.find_endpoint(&lane).await.unwrap().unwrap();
            let query = DeliveryQuery {
                account_id: Some(lane.account_id),
                endpoint_id: Some(lane.endpoint_id),
                state: Some(DeliveryState::Pending),
                ..DeliveryQuery::default()
            };
            if stored.enabled && stored.health.status.allows_attempts() {
                waiting += records.list_deliveries(query, PageRequest { limit: 1, after: None }).await.unwrap().items.len();
            }
        }
        if waiting == 0 {
            return;
        }
    }
    run.ledger.lock().broken.push("deliveries were still pending long after all was calm".to_owned());
}

/// Every erasure that was acknowledged is done, and what it was to remove is gone.
async fn look_at_erasures(run: &Run, records: &Records, (account, events): (&AccountId, &[Event])) {
    let (erasures, accepted) = {
        let ledger = run.ledger.lock();
        (ledger.erasures.clone(), ledger.accepted.clone())
    };
    for (_, id, at) in erasures.iter().filter(|(of, ..)| of == account.as_str()) {
        let found = records.find_erasure(account, &id.parse().unwrap()).await.unwrap();
        if found.is_none_or(|found| found.state != ErasureState::Done) {
            run.ledger.lock().broken.push(format!("{id} was acknowledged and is not done"));
        }
        let before = accepted.iter().filter(|accepted| accepted.account == account.as_str() && accepted.at < *at);
        let about: Vec<&str> = before.map(|accepted| accepted.event.as_str()).filter(|event| is_about_subject(event)).collect();
        for event in events.iter().filter(|event| about.contains(&event.id.as_str())) {
            if event.removed.is_none() {
                run.ledger.lock().broken.push(format!("{} was to be removed by {id}", event.id));
            }
        }
    }
}

/// What the store says in the end.
async fn gather(run: &Run, records: &Records) {
    let all = FiguresQuery {
        account_id: None,
        endpoint_id: None,
        since: Timestamp::from_secs(0),
        until: Timestamp::from_secs(1 << 40),
        by: Span::Hour,
    };
    let counted = records.read_figures(all).await.unwrap();
    run.ledger.lock().counted_attempts = counted.iter().map(|(_, figures)| figures.tally.attempts).sum();
    for (contract, _) in CONTRACTS {
        let account = AccountId::try_new(&format!("of-{contract}")).unwrap();
        let page = PageRequest { limit: 100_000, after: None };
        let query = DeliveryQuery { account_id: Some(account.clone()), ..DeliveryQuery::default() };
        for delivery in records.list_deliveries(query, page.clone()).await.unwrap().items {
            let (delivery, attempts) = records.find_delivery(delivery.id).await.unwrap().unwrap();
            run.ledger.lock().stored.push(Stored { delivery, attempts });
        }
        let events = records.list_events(&account, EventQuery::default(), page).await.unwrap().items;
        look_at_erasures(run, records, (&account, &events)).await;
        let log = events.into_iter().map(|event| (event.seq, event.id.to_string())).collect();
        run.ledger.lock().logs.insert(account.to_string(), log);
    }
}
