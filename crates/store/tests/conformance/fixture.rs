//! A store in a temporary folder, a clock set by hand, and short ways to say common things.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellwire_domain::{
    AccountId, AttemptOutcome, Decision, EndpointId, Entropy, EventFilter, EventId, EventType, HealthPolicy, HealthStatus,
    OrderStep, Phases, RetentionPeriods, Secret, Timestamp,
};
use bellwire_domain::{RateLimit, RoomLimits};
use bellwire_store::{
    Account, ClaimedDelivery, EventReceipt, Execution, LaneKey, MasterKey, NewEndpoint, NewEvent, OpenError, Outcome,
    PageRequest, PublishError, PutAccount, Queue, Records, StoreOptions, Told,
};
use bellwire_testkit::{ManualClock, SeededEntropy};
use bytes::Bytes;

use crate::backend::Place;

/// Both facades of a store.
#[derive(Clone)]
pub struct Store {
    pub records: Records,
    pub queue: Queue,
}

impl Store {
    pub fn open(options: StoreOptions) -> Result<Self, OpenError> {
        bellwire_store::open(options).map(|(records, queue)| Self { records, queue })
    }

    /// What the hand-off holds now, without waiting.
    pub async fn take(&self) -> Vec<ClaimedDelivery> {
        let mut all = Vec::new();
        while let Ok(Some(batch)) = tokio::time::timeout(Duration::from_millis(1), self.queue.next_claimed()).await {
            all.extend(batch);
        }
        all
    }
}

pub struct Fixture {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub place: Place,
    pub limits: RoomLimits,
}

pub fn new_endpoint(account: &str, id: &str, filter: EventFilter) -> NewEndpoint {
    NewEndpoint {
        id: EndpointId::try_new(id).unwrap(),
        account_id: account_id(account),
        url: format!("https://{id}.example/hook"),
        name: None,
        filter,
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
        secret: Some(Secret::new(format!("secret of {id}"))),
    }
}

/// Everybody's history is kept for so long.
pub fn history_of(period: Duration) -> RetentionPeriods {
    RetentionPeriods { history: Some(period), ..RetentionPeriods::default() }
}

pub fn options(place: &Place, clock: &Arc<ManualClock>, limits: RoomLimits, seed: u64) -> StoreOptions {
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
    StoreOptions {
        room: limits,
        node_lease: Duration::from_secs(600),
        replay_rate: RateLimit::per_second(1_000_000),
        operator_account: AccountId::try_new("operator").ok(),
        ..StoreOptions::new(place.location(), MasterKey::new([9; 32]), Arc::clone(clock) as _, entropy)
    }
}

impl Fixture {
    pub fn new() -> Self {
        Self::with_limits(RoomLimits::default())
    }

    pub fn with_limits(limits: RoomLimits) -> Self {
        let place = Place::new();
        let clock = Arc::new(ManualClock::default());
        let store = Store::open(options(&place, &clock, limits, 1)).unwrap();
        Self { store, clock, place, limits }
    }

    pub fn with_backlog_max(account_backlog_max: i64) -> Self {
        let (place, clock, limits) = (Place::new(), Arc::new(ManualClock::default()), RoomLimits::default());
        let options = StoreOptions { account_backlog_max, ..options(&place, &clock, limits, 1) };
        let store = Store::open(options).unwrap();
        Self { store, clock, place, limits }
    }

    /// One whose replays add so many deliveries per second.
    pub fn with_replay_rate(rate: &str) -> Self {
        let (place, clock, limits) = (Place::new(), Arc::new(ManualClock::default()), RoomLimits::default());
        let replay_rate = rate.parse().unwrap();
        let store = Store::open(StoreOptions { replay_rate, ..options(&place, &clock, limits, 1) }).unwrap();
        Self { store, clock, place, limits }
    }

    /// One whose data keys are renewed once they have sealed so many values.
    pub fn with_key_uses_max(key_uses_max: u64) -> Self {
        let (place, clock, limits) = (Place::new(), Arc::new(ManualClock::default()), RoomLimits::default());
        let store = Store::open(StoreOptions { key_uses_max, ..options(&place, &clock, limits, 1) }).unwrap();
        Self { store, clock, place, limits }
    }

    /// One on the test's own thread, whose commits fail while `commits` says so.
    pub fn inline(commits: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let (place, clock, limits) = (Place::new(), Arc::new(ManualClock::default()), RoomLimits::default());
        let execution = Execution::Inline { commits: Arc::new(commits) };
        let store = Store::open(StoreOptions { execution, ..options(&place, &clock, limits, 1) }).unwrap();
        Self { store, clock, place, limits }
    }

    /// One in which so many writes may wait.
    pub fn with_jobs_max(jobs_max: usize) -> Self {
        let (place, clock, limits) = (Place::new(), Arc::new(ManualClock::default()), RoomLimits::default());
        let store = Store::open(StoreOptions { jobs_max, ..options(&place, &clock, limits, 1) }).unwrap();
        Self { store, clock, place, limits }
    }

    /// Closes the store and opens it again, as after a restart of the process.
    pub async fn reopen(self) -> Self {
        self.store.records.close().await;
        self.assert_sound();
        let Self { store, clock, place, limits } = self;
        drop(store);
        let store = Store::open(options(&place, &clock, limits, 2)).unwrap();
        Self { store, clock, place, limits }
    }

    /// Kills the process, and starts another over what it has left.
    pub fn killed(self) -> Self {
        /// A process that draws what another drew has its token.
        static SEEDS: AtomicU64 = AtomicU64::new(1_000);
        let Self { store, clock, place, limits } = self;
        let left = place.after_a_kill();
        drop(store);
        let store = Store::open(options(&left, &clock, limits, SEEDS.fetch_add(1, Ordering::Relaxed))).unwrap();
        Self { store, clock, place: left, limits }
    }

    /// Everything that is written keeps every promise.
    pub fn assert_sound(&self) {
        let found = bellwire_store::doctor::examine(&self.place.location(), Some(&MasterKey::new([9; 32]))).unwrap();
        let broken: Vec<_> = found.checks.iter().filter(|check| check.violated > 0).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    pub async fn account(&self, id: &str) -> Account {
        self.account_keeping(id, RetentionPeriods::default()).await
    }

    /// An account, made or changed, that keeps what is its own for so long.
    pub async fn account_keeping(&self, id: &str, retention: RetentionPeriods) -> Account {
        let wanted = PutAccount {
            id: account_id(id),
            contract: "noyo".to_owned(),
            contract_version: None,
            name: None,
            secret: None,
            sandbox: false,
            entitlements: [].into(),
            retention,
        };
        self.store.records.put_account(wanted).await.unwrap().0
    }

    pub async fn endpoint(&self, account: &str, id: &str, filter: EventFilter) -> LaneKey {
        self.store.records.create_endpoint(new_endpoint(account, id, filter), 1_000).await.unwrap().unwrap();
        lane(account, id)
    }

    pub async fn publish(&self, account: &Account, events: Vec<NewEvent>) -> Result<Vec<EventReceipt>, PublishError> {
        self.store.records.commit_events(account, events).await
    }

    /// Deletes an account to its last row; `false`: there is none.
    pub async fn delete_account(&self, id: &AccountId) -> bool {
        let begun = self.store.records.delete_account(id).await.unwrap();
        while begun && self.store.records.delete_more(id).await.unwrap().is_some() {}
        begun
    }

    /// What the hand-off holds now, without waiting.
    pub async fn take(&mut self) -> Vec<ClaimedDelivery> {
        self.store.take().await
    }

    pub async fn states(&self, account: &str) -> Vec<(i64, &'static str, u32)> {
        let query = bellwire_store::DeliveryQuery { account_id: Some(account_id(account)), ..Default::default() };
        let page = self.store.records.list_deliveries(query, page(1_000)).await.unwrap();
        let mut all: Vec<_> =
            page.items.iter().map(|delivery| (delivery.number, delivery.state.as_str(), delivery.attempts)).collect();
        all.sort_unstable();
        all
    }

    pub async fn record(&self, delivery: &ClaimedDelivery, decision: Decision) -> bellwire_store::Recording {
        let status = if decision == Decision::Delivered { 200 } else { 500 };
        let outcome = AttemptOutcome::Response { status, retry_after: None, headers: Vec::new(), body: b"thanks".to_vec() };
        let now = bellwire_domain::Clock::now(&*self.clock);
        let outcome = self::outcome(delivery, outcome, decision, HealthPolicy::default(), now);
        self.store.queue.record_outcomes([outcome].into()).await.unwrap().remove(0)
    }

    pub fn now(&self) -> Timestamp {
        bellwire_domain::Clock::now(&*self.clock)
    }
}

pub fn outcome(
    delivery: &ClaimedDelivery,
    outcome: AttemptOutcome,
    decision: Decision,
    health: HealthPolicy,
    started_at: Timestamp,
) -> Outcome {
    let phases = Phases { answer: Some(Duration::from_micros(2_900)), ..Phases::default() };
    Outcome {
        delivery: delivery.clone(),
        started_at,
        duration: Duration::from_millis(3),
        phases,
        outcome,
        decision,
        health,
        told: told(delivery).map(Box::new),
        relays_answer: false,
        order: OrderStep::default(),
    }
}

pub fn account_id(id: &str) -> AccountId {
    AccountId::try_new(id).unwrap()
}

pub fn lane(account: &str, endpoint: &str) -> LaneKey {
    LaneKey { account_id: account_id(account), endpoint_id: EndpointId::try_new(endpoint).unwrap() }
}

pub fn page(limit: u32) -> PageRequest {
    PageRequest { limit, after: None }
}

/// What the receiver was told, as the engine says it.
fn told(delivery: &ClaimedDelivery) -> Option<Told> {
    let url = format!("https://{}.example/hook?token=hunter2", delivery.endpoint_id);
    delivery.event.has_subjects.then(|| Told { url, contract: "noyo".to_owned(), fields: None, digest: [7; 32] })
}

pub fn event(id: &str, event_type: &str) -> NewEvent {
    NewEvent {
        id: EventId::try_new(id).unwrap(),
        id_chosen: true,
        event_type: EventType::try_new(event_type).unwrap(),
        occurred_at: Timestamp::from_secs(1_000),
        data: Bytes::from_static(b"{\"b\":1.10,\"a\":12345678901234567890}"),
        subjects: vec!["patient-1".to_owned()],
        fingerprint: [1; 32],
        redeliver: false,
        is_test: false,
        only_endpoint: None,
        wanted: None,
        order: None,
    }
}
