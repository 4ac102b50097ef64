//! A closed SQLite store that has something of everything, a database to move it into, and short ways to do and to look.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{
    AccountId, BulkRetryId, ClientId, Decision, DeliveryState, Entropy, EventFilter, KeyId, PayloadChoice, Pointer, ReplayId,
    ResourceId, RetentionPeriods, Secret, Timestamp,
};
use bellwire_domain::{AuditAction, AuditActor, AuditEntry, AuditOrigin, AuditVia, ReplayCase, Role, RoomLimits};
use bellwire_store::doctor::examine;
use bellwire_store::{
    ApiKey, EndpointChanges, Location, MasterKey, NewReplay, OpenError, Precondition, PutAccount, PutResource, Relocated,
    Relocation, RelocationProgress, Removed, ResourceDecision, ResourceUpdate, StoreOptions, key_hash, relocate,
};
use bellwire_store::{Client, ClientKeySource, ContractKeys, DeliveryQuery, Matched, NewBulkRetry};
use bellwire_testkit::postgres::{Cluster, psql};
use bellwire_testkit::{ManualClock, SeededEntropy};
use bytes::Bytes;

use crate::backend::Place;
use crate::fixture::{Fixture, Store, account_id, event, history_of, lane, options};
use crate::privacy;

pub const KEY: MasterKey = MasterKey::new([9; 32]);
/// So little that most tables take several batches.
const BATCH_BYTES_MAX: usize = 1_000;
const LIMITS: RoomLimits = RoomLimits { lane_deliveries_max: 6, deliveries_max: 100, bytes_max: 1 << 20 };

/// Both sides of a move.
pub struct Sides {
    pub place: Place,
    pub clock: Arc<ManualClock>,
    pub url: String,
}

impl Sides {
    /// A furnished source and an empty target.
    pub async fn new() -> Self {
        let Fixture { store, clock, place, .. } = furnish(Fixture::with_limits(LIMITS)).await;
        store.records.close().await;
        drop(store);
        // As a process leaves them that was killed.
        let dead = "UPDATE queue SET claim = 'dead' WHERE wake_at IS NULL AND id % 2 = 0; \
             UPDATE queue SET suspicion = 1 + number % 4 WHERE number % 3 <> 0";
        rusqlite::Connection::open(place.path()).unwrap().execute_batch(dead).unwrap();
        Self { place, clock, url: Cluster::shared().database() }
    }

    pub fn relocation(&self) -> Relocation {
        static SEED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(100);
        Relocation {
            from: self.place.path(),
            to: self.url.parse().unwrap(),
            master_key: KEY,
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(SeededEntropy::new(SEED.fetch_add(1, std::sync::atomic::Ordering::Relaxed))) as Arc<dyn Entropy>,
            batch_bytes_max: BATCH_BYTES_MAX,
        }
    }

    /// Moves until `stop` says to stop.
    pub fn relocate_until(&self, mut stop: impl FnMut(&RelocationProgress) -> bool + Send) -> Result<Relocated, OpenError> {
        relocate(&self.relocation(), &mut |progress| {
            if stop(&progress) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }

    pub fn relocate(&self) -> Result<Relocated, OpenError> {
        self.relocate_until(|_| false)
    }

    pub fn open_source(&self) -> Result<Store, OpenError> {
        Store::open(options(&self.place, &self.clock, LIMITS, 7))
    }

    /// As a server opens it that has these keys.
    pub fn open_source_with(&self, master_key: MasterKey) -> Result<Store, OpenError> {
        Store::open(StoreOptions { master_key, ..options(&self.place, &self.clock, LIMITS, 7) })
    }

    pub fn open_target(&self) -> Result<Store, OpenError> {
        let limits = RoomLimits::default();
        Store::open(StoreOptions { location: self.target(), ..options(&self.place, &self.clock, limits, 8) })
    }

    pub fn target(&self) -> Location {
        self.url.parse().unwrap()
    }

    pub fn psql(&self, sql: &str) -> String {
        psql(&self.url, sql)
    }

    /// The move is over, and nothing is missing or wrong in the target.
    #[track_caller]
    pub fn assert_moved(&self, ended: &Relocated) {
        let Relocated::Moved(tables) = ended else { panic!("{ended:?}") };
        assert!(
            tables.len() > 8
                && tables.iter().all(|rows| rows.source == rows.target && (rows.source > 0 || rows.table == "event_subjects")),
            "{tables:?}"
        );
        let found = examine(&self.target(), Some(&KEY)).unwrap();
        assert!(found.is_sound(), "{found:#?}");
        assert_eq!(self.psql("SELECT count(*) FROM queue WHERE claim IS NOT NULL"), "0");
        self.assert_equal();
    }

    /// Every cell is the same on both sides, byte for byte, but who held a delivery.
    #[track_caller]
    fn assert_equal(&self) {
        let connection = rusqlite::Connection::open(self.place.path()).unwrap();
        let tables =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('meta', 'sqlite_sequence') ORDER BY name";
        for table in texts(&connection, tables) {
            let columns = format!(
                "SELECT name || ' ' || type FROM pragma_table_info('{table}') WHERE name NOT IN ('row', 'claim') ORDER BY name"
            );
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for column in texts(&connection, &columns) {
                let (name, kind) = column.split_once(' ').unwrap();
                let is_bytes = kind == "BLOB";
                ours.push(if is_bytes { format!("lower(hex({name}))") } else { format!("COALESCE({name}, '-')") });
                theirs.push(if is_bytes {
                    format!("COALESCE(encode({name}, 'hex'), '')")
                } else {
                    format!("COALESCE({name}::text, '-')")
                });
            }
            let read = |cells: &[String], collation| {
                format!("SELECT r FROM (SELECT {} AS r FROM {table}) x ORDER BY r{collation}", cells.join(" || '|' || "))
            };
            let source = texts(&connection, &read(&ours, "")).join("\n");
            assert!(source == self.psql(&read(&theirs, " COLLATE \"C\"")), "{table} differs");
        }
    }
}

fn texts(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn furnish(mut fixture: Fixture) -> Fixture {
    for (id, role, account_id) in [("key_1", Role::Admin, None), ("key_2", Role::Consumer, Some(account_id("a")))] {
        let expires_at = account_id.is_some().then(|| fixture.now().plus(Duration::from_secs(1 << 30)));
        let key = ApiKey { account_id, expires_at, ..ApiKey::new(KeyId::try_new(id).unwrap(), role, fixture.now()) };
        fixture.store.records.create_key(key, key_hash(id)).await.unwrap();
    }
    let keys = ContractKeys { contract: "noyo".to_owned(), kind: "ed25519" };
    fixture.store.records.put_first_contract_key(&keys, Secret::new("a key".to_owned())).await.unwrap();
    let account = PutAccount {
        id: account_id("a"),
        contract: "noyo".to_owned(),
        contract_version: Some("2025-01".to_owned()),
        name: Some("Clinic \u{e9} 'A'".to_owned()),
        secret: Some(Secret::new("of the account".to_owned())),
        sandbox: true,
        entitlements: ["x".to_owned()].into(),
        retention: RetentionPeriods::default(),
    };
    let (account, _) = fixture.store.records.put_account(account).await.unwrap();
    let other = fixture.account("b").await;
    fixture.account("empty").await;
    for (id, keys) in
        [("cli_1", ClientKeySource::Url("https://c.example/jwks".to_owned())), ("cli_2", ClientKeySource::Set("{}".to_owned()))]
    {
        let id = ClientId::try_new(id).unwrap();
        let client = Client { id: id.clone(), account_id: account_id("a"), name: None, keys, created_at: fixture.now() };
        fixture.store.records.create_client(client, 2).await.unwrap().unwrap();
        assert!(fixture.store.records.use_assertion(&id, "jti", fixture.now()).await.unwrap());
    }
    let headers = EndpointChanges {
        headers: Some(vec![("x-own".into(), "1".into())]),
        credentials: Some(Some(Secret::new(r#"{"token":"1"}"#.to_owned()))),
        payload: Some(Some(PayloadChoice::Fields(vec![Pointer::try_new("/patient/id").unwrap()]))),
        keep_answers: Some(false),
        ..Default::default()
    };
    fixture.store.records.update_endpoint(&fixture.endpoint("a", "e1", EventFilter::All).await, headers).await.unwrap();
    fixture.endpoint("a", "gone", EventFilter::All).await;
    fixture.endpoint("b", "e1", EventFilter::All).await;
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap(); // a changed endpoint is looked at first
    history(&mut fixture, &account).await;
    fixture.store.records.delete_endpoint(&lane("a", "gone")).await.unwrap();

    // Weeks later: what is live, more than a lane holds, and events that are large.
    fixture.clock.advance(Duration::from_secs(60 * 24 * 3_600));
    for number in 0..12 {
        let mut large = event(&format!("late{number}"), "x");
        if number % 4 == 0 {
            large.data = Bytes::from(format!("\"{}\"", "a".repeat(2 * BATCH_BYTES_MAX)));
        }
        fixture.publish(&other, vec![large]).await.unwrap();
    }
    for delivery in fixture.take().await.iter().filter(|delivery| delivery.account_id.as_str() == "b").take(2) {
        fixture.record(delivery, Decision::Delivered).await;
    }
    fixture.publish(&account, vec![event("later", "x")]).await.unwrap();
    let mut again = event("ev1", "x");
    again.redeliver = true;
    fixture.publish(&account, vec![again]).await.unwrap();
    start_replay(&fixture).await;
    start_bulk_retry(&fixture).await;
    privacy::erase_and_hold(&fixture).await;
    act(&fixture).await;
    put_resource(&fixture, account).await;
    let removed = fixture.store.queue.retain(history_of(Duration::ZERO)).await.unwrap();
    assert_eq!(removed, Removed::default(), "what is live keeps what is old");
    fixture
}

/// Deliveries that were delivered at once, failed, wait to be tried again, and were delivered after an attempt that failed.
async fn history(fixture: &mut Fixture, account: &bellwire_store::Account) {
    for id in ["ev1", "ev2", "ev3", "ev4", "ev5"] {
        fixture.publish(account, vec![event(id, "x")]).await.unwrap();
        fixture.clock.advance(Duration::from_secs(1));
    }
    let later = |seconds: i64| Decision::Retry { due_at: Timestamp::from_secs(1_736_937_000 + seconds) };
    let decisions =
        [Decision::Delivered, Decision::Failed { endpoint_gone: false }, later(60), later(1 << 29), Decision::Delivered];
    let held = fixture.take().await;
    for (delivery, decision) in held.iter().filter(|delivery| delivery.endpoint_id.as_str() == "e1").zip(decisions) {
        fixture.record(delivery, decision).await;
    }
    fixture.clock.advance(Duration::from_secs(60));
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
    for delivery in fixture.take().await {
        if delivery.attempts > 0 {
            fixture.record(&delivery, Decision::Delivered).await;
        }
    }
}

async fn start_replay(fixture: &Fixture) {
    let new = NewReplay {
        id: ReplayId::try_new("rpl_1").unwrap(),
        lane: lane("a", "e1"),
        since: Timestamp::from_secs(0),
        until: None,
        cases: [ReplayCase::Failed, ReplayCase::Delivered].into(),
        running_max: 8,
        account_running_max: 8,
    };
    fixture.store.records.start_replay(new).await.unwrap();
    assert!(fixture.store.queue.advance_replay(None).await.unwrap().unwrap().created > 0);
}

async fn put_resource(fixture: &Fixture, account: bellwire_store::Account) {
    let document = PutResource {
        kind: "order".into(),
        id: ResourceId::try_new("o").unwrap(),
        document: "{}".into(),
        precondition: Precondition::Any,
    };
    let update = ResourceUpdate {
        state: "open".into(),
        states_ever: vec!["open".into()],
        events: Vec::new(),
        subjects: vec!["patient:1".into()],
    };
    let decide = |_: Option<&_>| Ok::<_, ()>(ResourceDecision::Changed(update));
    fixture.store.records.put_resource(Arc::new(account), document, decide).await.unwrap();
}

async fn start_bulk_retry(fixture: &Fixture) {
    let new = NewBulkRetry {
        id: BulkRetryId::try_new("blk_1").unwrap(),
        query: DeliveryQuery { account_id: AccountId::try_new("a").ok(), status: Some(503), ..DeliveryQuery::default() },
        state: DeliveryState::Failed,
        reason: "the clinic is open again".to_owned(),
        asked_by: "key_1".to_owned(),
        running_max: 8,
    };
    fixture.store.records.start_bulk_retry(new, Matched { count: 0, is_exact: true }).await.unwrap();
}

/// Somebody reads, and the head of the audit log is signed.
async fn act(fixture: &Fixture) {
    let origin = AuditOrigin { via: AuditVia::Api, address: None };
    for _ in 0..3 {
        let entry = AuditEntry::new(AuditActor::Person("Ada".to_owned()), origin, AuditAction::PayloadsRead);
        fixture.store.records.note(entry).await.unwrap();
    }
    fixture.store.records.audit_checkpoint().await.unwrap();
}
