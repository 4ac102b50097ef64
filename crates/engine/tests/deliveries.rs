//! The engine at work: a real store, real contracts, real sockets on loopback, and a clock set by hand.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellwire_contract::{CapturedRequest, Contracts, Verdict};
use bellwire_domain::{
    AccountId, AddressPolicy, Clock, DeliveryState, EndpointId, Entropy, EventFilter, EventId, EventType, HealthStatus, Secret,
};
use bellwire_egress::{Sender, SenderOptions};
use bellwire_engine::{Engine, EngineOptions};
use bellwire_store::{
    Account, Delivery, DeliveryQuery, Execution, HandOffLimits, LaneKey, MasterKey, NewEndpoint, NewEvent, PageRequest,
    PutAccount, Store, StoreOptions,
};
use bellwire_testkit::{ManualClock, SeededEntropy};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    store: Store,
    engine: Engine,
    clock: Arc<ManualClock>,
    contracts: Arc<Contracts>,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(1));
        let contracts = Arc::new(Contracts::shipped().unwrap());
        let (store, claimed) = Store::open(StoreOptions {
            path: folder.path().join("test.db"),
            master_key: MasterKey::new([1; 32]),
            clock: Arc::clone(&clock) as _,
            entropy: Arc::clone(&entropy),
            handoff: HandOffLimits { lane_deliveries_max: 16, ..HandOffLimits::default() },
            jobs_max: 1_000,
            readers_max: 2,
            execution: Execution::Threads,
            account_backlog_max: 1_000_000,
        })
        .unwrap();
        let sender = Sender::new(SenderOptions {
            addresses: AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]),
            ..SenderOptions::default()
        });
        let engine = Engine::start(EngineOptions {
            store: store.clone(),
            claimed,
            contracts: Arc::clone(&contracts),
            transport: Arc::new(sender),
            clock: Arc::clone(&clock) as _,
            entropy,
            in_flight_max: 100,
        });
        Self { store, engine, clock, contracts, _folder: folder }
    }

    async fn account(&self, contract: &str) -> Account {
        let wanted = PutAccount {
            id: AccountId::try_new(contract).unwrap(),
            contract: contract.to_owned(),
            name: None,
            secret: Some(Secret::new("account-secret".to_owned())),
            sandbox: false,
            entitlements: BTreeSet::new(),
        };
        self.store.put_account(wanted).await.unwrap().0
    }

    async fn endpoint(&self, account: &Account, id: &str, url: &str) -> LaneKey {
        self.limited_endpoint(account, id, url, (None, None)).await
    }

    async fn limited_endpoint(
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
            health: HealthStatus::Active,
            secret: Some(Secret::new("endpoint-secret".to_owned())),
        };
        self.store.create_endpoint(new).await.unwrap().unwrap();
        LaneKey { account_id: account.id.clone(), endpoint_id }
    }

    async fn publish(&self, account: &Account, event_type: &str, data: &'static str, count: usize) {
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
        };
        let before = usize::try_from(self.store.find_account(&account.id).await.unwrap().unwrap().last_seq).unwrap();
        self.store.commit_events(account, (before..before + count).map(event).collect()).await.unwrap();
    }

    async fn deliveries(&self, lane: &LaneKey) -> Vec<Delivery> {
        let query =
            DeliveryQuery { account_id: Some(lane.account_id.clone()), endpoint_id: Some(lane.endpoint_id.clone()), state: None };
        self.store.list_deliveries(query, PageRequest { limit: 10_000, after: None }).await.unwrap().items
    }

    /// Waits until the endpoint's deliveries are as `wanted` says.
    async fn until(&self, lane: &LaneKey, wanted: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
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

/// A request that a receiver got.
struct Received {
    head: String,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Answers every request with the next status of `statuses`, the last one for ever; no status at all: never answers.
async fn receiver(statuses: &'static [u16]) -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, received) = mpsc::unbounded_channel();
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (sender, count) = (sender.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while let Some(request) = read_request(&mut stream, &mut buffer).await {
                    let _ = sender.send(request);
                    let turn = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    let Some(status) = statuses.get(turn).or(statuses.last()) else { return std::future::pending().await };
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, received)
}

async fn read_request(stream: &mut tokio::net::TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            let total = end + 4 + length.map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= total {
                let body = buffer[end + 4..total].to_vec();
                buffer.drain(..total);
                return Some(Received { head, body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn next(received: &mut mpsc::UnboundedReceiver<Received>) -> Received {
    tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn attempts_follow_the_schedule_to_the_instant_and_then_end() {
    let world = World::new();
    let account = world.account("novamed").await;
    let (url, mut received) = receiver(&[201, 500, 503, 302, 404]).await; // a 201 is not a 200
    let lane = world.endpoint(&account, "e", &url).await;
    world.publish(&account, "order:shipped", "{}", 1).await;
    for (attempts, minutes) in [(1, 1), (2, 5), (3, 15), (4, 60)] {
        let waiting = world.until(&lane, |all| all[0].attempts == attempts && all[0].due_at.is_some()).await;
        assert_eq!(waiting[0].due_at, Some(world.clock.now().plus(MINUTE * minutes)), "after attempt {attempts}");
        world.clock.advance(MINUTE * minutes);
    }
    let ended = world.until(&lane, |all| all[0].state == DeliveryState::Failed).await;
    assert_eq!(ended[0].attempts, 5);
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        ids.insert(next(&mut received).await.body);
    }
    assert_eq!(ids.len(), 1, "every attempt carries the same event id and time");
    let (_, attempts) = world.store.find_delivery(ended[0].id).await.unwrap().unwrap();
    assert_eq!(attempts.iter().filter_map(|attempt| attempt.status).collect::<Vec<_>>(), [201, 500, 503, 302, 404]);
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_contract_without_retries_fails_at_once_and_one_with_them_recovers() {
    let world = World::new();
    let silver = world.account("silver").await;
    let (url, _held) = receiver(&[500]).await;
    let lane = world.endpoint(&silver, "s", &url).await;
    world.publish(&silver, "adjudication_complete", "{}", 1).await;
    let ended = world.until(&lane, |all| all[0].state == DeliveryState::Failed).await;
    assert_eq!(ended[0].attempts, 1);

    let noyo = world.account("noyo").await;
    let (url, _held_too) = receiver(&[500, 200]).await;
    let lane = world.endpoint(&noyo, "n", &url).await;
    world.publish(&noyo, "difference.created", "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}", 1).await;
    let waiting = world.until(&lane, |all| all[0].due_at.is_some() && all[0].attempts == 1).await;
    let health = || async { world.store.find_endpoint(&lane).await.unwrap().unwrap().health.status };
    assert_eq!(health().await, HealthStatus::Unhealthy);
    world.clock.set(waiting[0].due_at.unwrap());
    world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
    assert_eq!(health().await, HealthStatus::Active);
    world.engine.stop(PATIENCE).await;
}

/// What existing systems get wrong: one global counter of requests that a slow endpoint fills.
#[tokio::test]
async fn an_endpoint_that_hangs_starves_no_other() {
    let world = World::new();
    let account = world.account("novamed").await;
    let (hanging, _held) = receiver(&[]).await;
    let (healthy, mut received) = receiver(&[200]).await;
    let slow = world.endpoint(&account, "slow", &hanging).await;
    let quick = world.endpoint(&account, "quick", &healthy).await;
    world.publish(&account, "order:shipped", "{}", 200).await;
    let delivered = |all: &[Delivery]| all.iter().all(|delivery| delivery.state == DeliveryState::Delivered);
    assert_eq!(world.until(&quick, delivered).await.len(), 200);
    for _ in 0..200 {
        next(&mut received).await;
    }
    let stuck = world.deliveries(&slow).await;
    assert!(stuck.len() == 200 && stuck.iter().all(|delivery| delivery.state == DeliveryState::Pending));
    assert!(world.engine.in_flight() <= 32, "its own cap");
    let own_room = async {
        while world.store.held() > 16 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, own_room).await.unwrap(); // its own room; the rest waits in the store
    world.engine.stop(Duration::ZERO).await;
}

/// What existing systems get wrong: a secret cached without its version, so that rotation has no effect under traffic.
#[tokio::test]
async fn rotating_a_secret_under_load_takes_effect_at_once() {
    let world = World::new();
    let account = world.account("noyo").await;
    let (url, mut received) = receiver(&[200]).await;
    let lane = world.endpoint(&account, "e", &url).await;
    let data = "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}";
    world.publish(&account, "difference.created", data, 50).await;
    let now = world.clock.now();
    world.store.rotate_endpoint_secret(&lane, Secret::new("the new secret".to_owned()), now.plus(MINUTE)).await.unwrap().unwrap();
    world.publish(&account, "difference.resolved", data, 1).await;
    world.until(&lane, |all| all.iter().all(|delivery| delivery.state == DeliveryState::Delivered)).await;
    world.clock.advance(MINUTE);
    world.publish(&account, "difference.replaced", data, 1).await;
    let contract = world.contracts.get("noyo").unwrap();
    for _ in 0..52 {
        let request = next(&mut received).await;
        let body = String::from_utf8(request.body.clone()).unwrap();
        let signatures = request.header("x-noyo-signature").unwrap().split(',').count();
        if body.contains("difference.resolved") {
            assert_eq!(signatures, 2, "both sign during the overlap");
        } else if body.contains("difference.replaced") {
            assert_eq!(signatures, 1, "the old one has ended");
            let headers = ["x-noyo-timestamp", "x-noyo-signature", "x-cloud-trace-context", "content-type"];
            let headers = headers.map(|name| (name.parse().unwrap(), request.header(name).unwrap().parse().unwrap()));
            let captured =
                CapturedRequest { method: "POST", url: "/hook", headers: &headers.into_iter().collect(), body: &request.body };
            let verify = |secret: &str| contract.verify(&captured, &[Secret::new(secret.to_owned())], world.clock.now());
            assert_eq!(verify("the new secret"), Verdict::Genuine);
            assert!(matches!(verify("endpoint-secret"), Verdict::Rejected { .. }));
        }
    }
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_cannot_be_signed_ends_as_failed_with_the_reason() {
    let world = World::new();
    let account = world.account("noyo").await;
    let new = NewEndpoint {
        id: EndpointId::try_new("bare").unwrap(),
        account_id: account.id.clone(),
        url: "https://client.example/hook".to_owned(),
        name: None,
        filter: EventFilter::All,
        headers: Vec::new(),
        enabled: true,
        in_flight_max: None,
        rate_limit: None,
        health: HealthStatus::Active,
        secret: None,
    };
    world.store.create_endpoint(new.clone()).await.unwrap().unwrap();
    let lane = LaneKey { account_id: account.id.clone(), endpoint_id: new.id };
    world.publish(&account, "difference.created", "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}", 1).await;
    let ended = world.until(&lane, |all| all[0].state == DeliveryState::Failed).await;
    let (_, attempts) = world.store.find_delivery(ended[0].id).await.unwrap().unwrap();
    assert_eq!((attempts.len(), attempts[0].outcome.as_str()), (1, "unbuildable"));
    assert!(attempts[0].detail.as_deref().unwrap().contains("secret"), "{:?}", attempts[0].detail);
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_disabled_endpoint_holds_what_waits_and_sends_it_when_enabled() {
    let world = World::new();
    let account = world.account("novamed").await;
    let (url, mut received) = receiver(&[500, 200]).await;
    let lane = world.endpoint(&account, "e", &url).await;
    world.publish(&account, "order:shipped", "{}", 1).await;
    let waiting = world.until(&lane, |all| all[0].attempts == 1).await;
    next(&mut received).await;
    let set = |enabled| bellwire_store::EndpointChanges { enabled: Some(enabled), ..Default::default() };
    world.store.update_endpoint(&lane, set(false)).await.unwrap().unwrap();
    world.clock.set(waiting[0].due_at.unwrap());
    let beat = tokio::time::timeout(Duration::from_millis(1_500), received.recv()).await;
    assert!(beat.is_err(), "a whole beat later nothing has been sent");
    world.store.update_endpoint(&lane, set(true)).await.unwrap().unwrap();
    world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
    world.engine.stop(PATIENCE).await;
}

/// What existing systems get wrong: a rate limit that the API takes and nobody reads.
#[tokio::test]
async fn an_endpoint_gets_no_more_than_its_rate_limit_says() {
    let world = World::new();
    let account = world.account("silver").await;
    let (url, mut received) = receiver(&[200]).await;
    let lane = world.limited_endpoint(&account, "limited", &url, (None, Some("6/m"))).await;
    world.publish(&account, "adjudication_complete", "{}", 3).await;
    for arrived in 1..=3 {
        next(&mut received).await;
        let done = |all: &[Delivery]| all.iter().filter(|delivery| delivery.state == DeliveryState::Delivered).count() == arrived;
        world.until(&lane, done).await;
        assert!(received.try_recv().is_err(), "nothing more within the ten seconds");
        world.clock.advance(Duration::from_secs(10));
    }
    world.engine.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn an_endpoint_has_no_more_requests_in_flight_than_it_takes() {
    let world = World::new();
    let account = world.account("silver").await;
    let (url, _held) = receiver(&[]).await;
    let lane = world.limited_endpoint(&account, "narrow", &url, (Some(2), None)).await;
    world.publish(&account, "adjudication_complete", "{}", 10).await;
    let full = async {
        while world.engine.in_flight() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.unwrap();
    let waiting = world.deliveries(&lane).await;
    assert!(waiting.len() == 10 && waiting.iter().all(|delivery| delivery.state == DeliveryState::Pending));
    assert_eq!(world.engine.in_flight(), 2);
    world.engine.stop(Duration::ZERO).await;
}
