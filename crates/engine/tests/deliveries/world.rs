//! A store, an engine, receivers on loopback, and a clock set by hand.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_contract::{Contract, Contracts, FilteredEvent};
use bellwire_domain::RoomLimits;
use bellwire_domain::{
    AccountId, AddressPolicy, Clock, EndpointId, Entropy, EventFilter, EventId, EventType, HealthStatus, RetentionPeriods, Secret,
};
use bellwire_egress::{Sender, SenderOptions};
use bellwire_engine::{Engine, EngineOptions, Transport};
use bellwire_store::{
    Account, Delivery, DeliveryQuery, LaneKey, Location, MasterKey, NewEndpoint, NewEvent, NewOrder, PageRequest, PutAccount,
    Queue, Records, StoreOptions,
};
use bellwire_testkit::http::Request;
use bellwire_testkit::sink::Sink;
use bellwire_testkit::{ManualClock, SeededEntropy};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

pub(crate) use bellwire_testkit::waiting::PATIENCE;

pub(crate) struct World {
    pub(crate) records: Records,
    pub(crate) queue: Queue,
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) contracts: Arc<Contracts>,
    /// Events so far, for their ids.
    published: AtomicUsize,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::sending_through(loopback())
    }

    /// With something else than sockets to send through.
    pub(crate) fn sending_through(transport: Arc<dyn Transport>) -> Self {
        Self::start(tempfile::tempdir().unwrap(), Arc::new(ManualClock::default()), None, transport, drawn())
    }

    /// Starts it over what a killed process has left, with what it draws from.
    pub(crate) fn over(left: TempDir, clock: Arc<ManualClock>, transport: Arc<dyn Transport>, entropy: Arc<dyn Entropy>) -> Self {
        Self::start(left, clock, None, transport, entropy)
    }

    /// What is left of the process if it is killed at this instant.
    pub(crate) fn killed(&self) -> TempDir {
        left_by(self.folder.path())
    }

    /// Stops everything, and starts it again over the same file.
    pub(crate) async fn restart(self, retention: Option<Duration>) -> Self {
        self.restart_over(retention, |_| {}).await
    }

    /// The same, after something has happened to the file.
    pub(crate) async fn restart_over(self, retention: Option<Duration>, change: impl FnOnce(&Path)) -> Self {
        let Self { records, engine, clock, folder, .. } = self;
        engine.stop(PATIENCE).await;
        records.close().await;
        drop(records);
        change(&folder.path().join("test.db"));
        Self::start(folder, clock, retention, loopback(), drawn())
    }

    fn start(
        folder: TempDir,
        clock: Arc<ManualClock>,
        retention: Option<Duration>,
        transport: Arc<dyn Transport>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let mut contracts = Contracts::shipped().unwrap();
        let source = include_str!("../../../../contracts/davinci-pas.yaml");
        contracts.add(Contract::compile(source, "davinci-pas").unwrap()).unwrap();
        let contracts = Arc::new(contracts);
        let location = Location::Sqlite(folder.path().join("test.db"));
        let (records, queue) = bellwire_store::open(StoreOptions {
            room: RoomLimits { lane_deliveries_max: 16, ..RoomLimits::default() },
            ..StoreOptions::new(location, MasterKey::new([1; 32]), Arc::clone(&clock) as _, drawn())
        })
        .unwrap();
        let engine = Engine::start(EngineOptions {
            queue: queue.clone(),
            contracts: watch::channel(Arc::clone(&contracts)).1,
            transport,
            clock: Arc::clone(&clock) as _,
            entropy,
            in_flight_max: 100,
            retention: RetentionPeriods { history: retention, ..RetentionPeriods::default() },
            traces: None,
        });
        Self { records, queue, engine, clock, contracts, published: AtomicUsize::new(0), folder }
    }

    pub(crate) async fn account(&self, contract: &str) -> Account {
        let wanted = PutAccount {
            id: AccountId::try_new(contract).unwrap(),
            contract: contract.to_owned(),
            contract_version: None,
            name: None,
            secret: Some(Secret::new("account-secret".to_owned())),
            sandbox: false,
            entitlements: BTreeSet::new(),
            retention: RetentionPeriods::default(),
        };
        self.records.put_account(wanted).await.unwrap().0
    }

    pub(crate) async fn endpoint(&self, account: &Account, id: &str, url: &str) -> LaneKey {
        self.limited_endpoint(account, id, url, (None, None)).await
    }

    pub(crate) async fn limited_endpoint(
        &self,
        account: &Account,
        id: &str,
        url: &str,
        (in_flight_max, rate_limit): (Option<u32>, Option<&str>),
    ) -> LaneKey {
        let endpoint_id = EndpointId::try_new(id).unwrap();
        let new = NewEndpoint {
            id: endpoint_id.clone(),
            account_id: account.id.clone(),
            url: url.to_owned(),
            name: None,
            filter: EventFilter::All,
            headers: Vec::new(),
            enabled: true,
            in_flight_max,
            rate_limit: rate_limit.map(|limit| limit.parse().unwrap()),
            payload: None,
            keep_answers: true,
            lease: None,
            heartbeat: None,
            options: None,
            credentials: None,
            health: HealthStatus::Active,
            secret: Some(Secret::new("endpoint-secret".to_owned())),
        };
        self.records.create_endpoint(new, 1_000).await.unwrap().unwrap();
        LaneKey { account_id: account.id.clone(), endpoint_id }
    }

    pub(crate) async fn publish(&self, account: &Account, event_type: &str, data: &'static str, count: usize) {
        let order = self.order(account, event_type, data);
        let event = |number: usize| NewEvent {
            id: EventId::try_new(&format!("evt_{event_type}_{number}")).unwrap(),
            id_chosen: false,
            event_type: EventType::try_new(event_type).unwrap(),
            occurred_at: self.clock.now(),
            data: Bytes::from_static(data.as_bytes()),
            subjects: Vec::new(),
            fingerprint: [0; 32],
            redeliver: false,
            is_test: false,
            only_endpoint: None,
            wanted: None,
            order: order.clone(),
        };
        let before = self.published.fetch_add(count, Ordering::SeqCst);
        self.records.commit_events(account, (before..before + count).map(event).collect()).await.unwrap();
    }

    /// The order that the account's contract has an event in.
    fn order(&self, account: &Account, event_type: &str, data: &str) -> Option<NewOrder> {
        let contract = self.contracts.get(&account.contract)?;
        let rule = contract.delivery().order?;
        let event_type = EventType::try_new(event_type).unwrap();
        let event = FilteredEvent { id: "evt", event_type: &event_type, occurred_at: self.clock.now(), data, is_test: false };
        Some(NewOrder { key: contract.order_key(event)?, drops_stale: rule.drops_stale })
    }

    pub(crate) async fn deliveries(&self, lane: &LaneKey) -> Vec<Delivery> {
        let query = DeliveryQuery {
            account_id: Some(lane.account_id.clone()),
            endpoint_id: Some(lane.endpoint_id.clone()),
            ..DeliveryQuery::default()
        };
        self.records.list_deliveries(query, PageRequest { limit: 10_000, after: None }).await.unwrap().items
    }

    /// Waits until the endpoint's deliveries are as `wanted` says.
    pub(crate) async fn until(&self, lane: &LaneKey, wanted: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
        let looking = async {
            loop {
                let deliveries = self.deliveries(lane).await;
                if wanted(&deliveries) {
                    return deliveries;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(deliveries) => deliveries,
            Err(elapsed) => panic!("{elapsed}, still waiting: {:?}", self.deliveries(lane).await),
        }
    }
}

/// What a process in this folder leaves that is killed at this instant.
pub(crate) fn left_by(folder: &Path) -> TempDir {
    let left = tempfile::tempdir().unwrap();
    for name in ["test.db", "test.db-wal"] {
        std::fs::copy(folder.join(name), left.path().join(name)).unwrap();
    }
    left
}

/// What a process draws from. Two that drew the same would have the same token.
pub(crate) fn drawn() -> Arc<dyn Entropy> {
    static SEEDS: AtomicU64 = AtomicU64::new(1);
    Arc::new(SeededEntropy::new(SEEDS.fetch_add(1, Ordering::SeqCst)))
}

/// Sockets, to this machine only.
fn loopback() -> Arc<dyn Transport> {
    let addresses = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Arc::new(Sender::new(SenderOptions { addresses, ..SenderOptions::default() }))
}

/// Answers every request with the next status of `statuses`, the last one for ever; no status at all: never answers.
pub(crate) async fn receiver(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<Request>) {
    let (sender, received) = mpsc::unbounded_channel();
    let count = AtomicUsize::new(0);
    let sink = Sink::start(move |request| {
        let _ = sender.send(request.clone());
        let turn = count.fetch_add(1, Ordering::SeqCst);
        match statuses.get(turn).or(statuses.last()) {
            Some(status) => *status,
            None => loop {
                std::thread::park();
            },
        }
    });
    (sink.url("/hook"), received)
}

pub(crate) async fn next(received: &mut mpsc::UnboundedReceiver<Request>) -> Request {
    tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap()
}

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
