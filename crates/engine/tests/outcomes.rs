//! While outcomes cannot be stored, attempts wait: so many outcomes are held in memory and no more, and none is lost.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_contract::{Contract, Contracts};
use bellwire_domain::{
    AccountId, AttemptOutcome, Clock as _, Consumer, DeliveryState, EndpointId, Entropy, EventFilter, EventId, EventType,
    HealthStatus, OutboundRequest, RetentionPeriods, RoomLimits, Timestamp,
};
use bellwire_engine::{Engine, EngineOptions, Sending, Transport};
use bellwire_store::{
    Account, DeliveryQuery, Execution, Location, MasterKey, NewEndpoint, NewEvent, PageRequest, PutAccount, Records, StoreOptions,
};
use bellwire_testkit::{ManualClock, SeededEntropy};
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};

/// What the engine lets wait (`OUTCOMES_MAX`), and what may be on its way into the store besides.
const WAITING_MAX: usize = 4_096 + 1_024;
const IN_FLIGHT_MAX: usize = 100;
/// A new endpoint has a few deliveries in memory, so there are many of them.
const ENDPOINTS: usize = 120;
const EVENTS: usize = 60;
const DELIVERIES: usize = ENDPOINTS * EVENTS;

const CONTRACT: &str = "contract: plain\ntitle: Plain\nevents: any\nrequest: { body: \"{{ event.data }}\" }\n\
                        delivery: { retry: none, in_flight: 100 }\n";

/// Answers 200 at once, from the moment that it is opened.
struct Counting {
    gate: Semaphore,
    sent: AtomicUsize,
}

impl Transport for Counting {
    fn send<'a>(&'a self, _: Consumer<'a>, _: OutboundRequest, _: Duration, _: Timestamp) -> Sending<'a> {
        Box::pin(async {
            drop(self.gate.acquire().await);
            self.sent.fetch_add(1, Ordering::SeqCst);
            Ok(AttemptOutcome::answered(200).into())
        })
    }
}

async fn account_with_endpoints(records: &Records) -> Account {
    let wanted = PutAccount {
        id: AccountId::try_new("a").unwrap(),
        contract: "plain".to_owned(),
        contract_version: None,
        name: None,
        secret: None,
        sandbox: false,
        entitlements: BTreeSet::new(),
        retention: RetentionPeriods::default(),
    };
    let account = records.put_account(wanted).await.unwrap().0;
    for number in 0..ENDPOINTS {
        let endpoint = NewEndpoint {
            id: EndpointId::try_new(&format!("e{number}")).unwrap(),
            account_id: account.id.clone(),
            url: "http://receiver.example/in".to_owned(),
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
            secret: None,
        };
        records.create_endpoint(endpoint, 1_000).await.unwrap().unwrap();
    }
    account
}

async fn publish(records: &Records, account: &Account, clock: &ManualClock) {
    let event = |number: usize| NewEvent {
        id: EventId::try_new(&format!("evt_{number}")).unwrap(),
        id_chosen: false,
        event_type: EventType::try_new("thing.done").unwrap(),
        occurred_at: clock.now(),
        data: Bytes::from_static(b"1"),
        subjects: Vec::new(),
        fingerprint: [0; 32],
        redeliver: false,
        is_test: false,
        only_endpoint: None,
        wanted: None,
        order: None,
    };
    for number in 0..EVENTS {
        records.commit_events(account, vec![event(number)]).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_wait_for_room_while_outcomes_cannot_be_stored() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
    let is_stuck = Arc::new(AtomicBool::new(false));
    let stuck = Arc::clone(&is_stuck);
    let location = Location::Sqlite(folder.path().join("test.db"));
    let (records, queue) = bellwire_store::open(StoreOptions {
        // All that is published is in memory at once: nothing has to be claimed while the store is stuck.
        room: RoomLimits { deliveries_max: 10 * DELIVERIES, ..RoomLimits::default() },
        execution: Execution::Inline { commits: Arc::new(move || !stuck.load(Ordering::SeqCst)) },
        ..StoreOptions::new(location, MasterKey::new([1; 32]), Arc::clone(&clock) as _, Arc::clone(&entropy))
    })
    .unwrap();
    let mut contracts = Contracts::shipped().unwrap();
    contracts.add(Contract::compile(CONTRACT, "plain").unwrap()).unwrap();
    let transport = Arc::new(Counting { gate: Semaphore::new(0), sent: AtomicUsize::new(0) });
    let engine = Engine::start(EngineOptions {
        queue,
        contracts: watch::channel(Arc::new(contracts)).1,
        transport: Arc::clone(&transport) as _,
        clock: Arc::clone(&clock) as _,
        entropy,
        in_flight_max: IN_FLIGHT_MAX,
        retention: RetentionPeriods::default(),
        traces: None,
    });
    let account = account_with_endpoints(&records).await;
    publish(&records, &account, &clock).await;

    is_stuck.store(true, Ordering::SeqCst);
    transport.gate.close();
    // The clock is paused, so this ends when there is nothing left to do but to try the store again.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let sent = transport.sent.load(Ordering::SeqCst);
    assert!((4_096..=WAITING_MAX + IN_FLIGHT_MAX).contains(&sent), "{sent} requests were sent");
    assert!(engine.in_flight() > 0, "attempts wait with their outcomes");

    is_stuck.store(false, Ordering::SeqCst);
    let pending = || async {
        let query = DeliveryQuery {
            account_id: Some(account.id.clone()),
            state: Some(DeliveryState::Pending),
            ..DeliveryQuery::default()
        };
        records.list_deliveries(query, PageRequest { limit: 1, after: None }).await.unwrap().items.len()
    };
    let all_done = async {
        while pending().await > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), all_done).await.unwrap();
    assert_eq!(transport.sent.load(Ordering::SeqCst), DELIVERIES, "each is sent once");
    engine.stop(Duration::from_secs(5)).await;
}
