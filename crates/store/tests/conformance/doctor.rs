//! The examination finds what is broken, and nothing where all is well.

use std::sync::Arc;
use std::time::Duration;

use bellwire_domain::{
    AuditAction, AuditActor, AuditEntry, AuditOrigin, AuditVia, BulkRetryId, DeliveryState, HealthStatus, KeyId, Role,
};
use bellwire_domain::{Decision, EventFilter, ReplayId, ResourceId, Secret};
use bellwire_domain::{ReplayCase, RoomLimits};
use bellwire_store::doctor::{Examination, VIOLATIONS_NAMED_MAX, examine};
use bellwire_store::{ApiKey, ContractKeys, DeliveryQuery, Matched, NewBulkRetry, NewEndpoint, key_hash};
use bellwire_store::{
    EndpointChanges, Location, MasterKey, NewReplay, OpenError, Precondition, PutResource, ResourceDecision, ResourceUpdate,
};

use crate::fixture::{Fixture, event, lane, new_endpoint};
use crate::{clients, privacy};

const KEY: MasterKey = MasterKey::new([9; 32]);

/// A closed store that has something of everything.
async fn furnished() -> Fixture {
    let mut fixture = Fixture::with_limits(RoomLimits { lane_deliveries_max: 4, ..RoomLimits::default() });
    let account = fixture.account("a").await;
    fixture.account("empty").await;
    let credentials = Some(Some(Secret::new(r#"{"token":"1"}"#.to_owned())));
    let headers = EndpointChanges { headers: Some(vec![("x-own".into(), "1".into())]), credentials, ..Default::default() };
    fixture.store.records.update_endpoint(&fixture.endpoint("a", "e1", EventFilter::All).await, headers).await.unwrap();
    fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap(); // a changed endpoint is looked at first
    fixture.endpoint("a", "gone", EventFilter::All).await;
    let off = NewEndpoint {
        enabled: false,
        secret: None,
        health: HealthStatus::Pending,
        ..new_endpoint("empty", "e2", EventFilter::All)
    };
    fixture.store.records.create_endpoint(off, 8).await.unwrap().unwrap();
    for id in ["ev1", "ev2", "ev3", "ev4", "ev5", "ev6"] {
        fixture.publish(&account, vec![event(id, "x")]).await.unwrap();
        fixture.clock.advance(Duration::from_secs(1));
    }
    let due_at = fixture.now().plus(Duration::from_secs(60));
    let decisions =
        [Decision::Delivered, Decision::Failed { endpoint_gone: false }, Decision::Retry { due_at }, Decision::Delivered];
    let held = fixture.take().await;
    for (delivery, decision) in held.iter().filter(|delivery| delivery.endpoint_id.as_str() == "e1").zip(decisions) {
        fixture.record(delivery, decision).await;
    }
    fixture.store.records.delete_endpoint(&lane("a", "gone")).await.unwrap();
    let mut again = event("ev1", "x");
    again.redeliver = true;
    fixture.publish(&account, vec![again]).await.unwrap();
    let new = NewReplay {
        id: ReplayId::try_new("rpl_1").unwrap(),
        lane: lane("a", "e1"),
        since: bellwire_domain::Timestamp::from_secs(0),
        until: None,
        cases: [ReplayCase::Failed, ReplayCase::Delivered].into(),
        running_max: 8,
        account_running_max: 8,
    };
    fixture.store.records.start_replay(new).await.unwrap();
    assert_eq!(fixture.store.queue.advance_replay(None).await.unwrap().unwrap().created, 2, "ev2 and ev4");
    let new = NewBulkRetry {
        id: BulkRetryId::try_new("blk_1").unwrap(),
        query: DeliveryQuery { account_id: Some(account.id.clone()), status: Some(418), ..DeliveryQuery::default() },
        state: DeliveryState::Failed,
        reason: "to see".to_owned(),
        asked_by: "key_1".to_owned(),
        running_max: 8,
    };
    fixture.store.records.start_bulk_retry(new, Matched { count: 0, is_exact: true }).await.unwrap();
    fixture.store.records.advance_bulk_retry(None).await.unwrap();
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
    let origin = AuditOrigin { via: AuditVia::Api, address: None };
    for action in [AuditAction::PayloadsRead, AuditAction::SecretRead] {
        fixture.store.records.note(AuditEntry::new(AuditActor::Person("Ada".to_owned()), origin, action)).await.unwrap();
    }
    fixture.store.records.audit_checkpoint().await.unwrap();
    privacy::erase_and_hold(&fixture).await;
    let key = ApiKey::new(KeyId::try_new("key_1").unwrap(), Role::Publisher, fixture.now());
    fixture.store.records.create_key(key, key_hash("one")).await.unwrap();
    let keys = ContractKeys { contract: "noyo".to_owned(), kind: "ed25519" };
    fixture.store.records.put_first_contract_key(&keys, Secret::new("a key".to_owned())).await.unwrap();
    fixture.store.records.create_client(clients::client(&fixture, "a", "cli_1"), 1).await.unwrap().unwrap();
    fixture
}

fn broken(examination: &Examination) -> Vec<&'static str> {
    examination.checks.iter().filter(|check| check.violated > 0).map(|check| check.name).collect()
}

#[tokio::test]
async fn a_store_in_use_is_sound_and_counted() {
    let fixture = furnished().await;
    let place = fixture.place.location();
    let beside = examine(&place, Some(&KEY)).unwrap();
    assert!(beside.is_sound(), "{beside:#?}");
    let counted = |name: &str| beside.checks.iter().find(|check| check.name == name).unwrap().counted;
    assert_eq!((counted("events.seq"), counted("deliveries.number"), counted("deliveries.attempts")), (7, 15, 4));
    assert_eq!((counted("accounts.pending"), counted("replays"), counted("sealed.payloads")), (6, 1, 6));
    assert_eq!(counted("sealed.documents"), 1);
    assert_eq!((counted("sealed.secrets"), counted("sealed.headers"), counted("sealed.answers")), (1, 1, 4));
    assert_eq!((counted("sealed.endpoints"), counted("sealed.bulk_retries"), counted("sealed.activations")), (2, 1, 1));
    assert_eq!((counted("sealed.credentials"), counted("sealed.contract_keys"), counted("sealed.clients")), (1, 1, 1));
    let without_key = examine(&place, None).unwrap();
    assert!(without_key.is_sound());
    let skipped = without_key.checks.iter().filter(|check| check.skipped.is_some()).map(|check| check.name);
    let sealed = [
        "keys",
        "api_keys",
        "endpoints",
        "bulk_retries",
        "contract_keys",
        "secrets",
        "clients",
        "headers",
        "credentials",
        "activations",
        "payloads",
        "documents",
        "answers",
        "disclosures",
        "erasures",
        "holds",
    ]
    .map(|name| format!("sealed.{name}"));
    assert!(skipped.eq(sealed));
    fixture.store.records.close().await;
    let held = |check: &bellwire_store::doctor::Check| check.name != "queue.holders";
    let closed = examine(&place, Some(&KEY)).unwrap();
    assert!(
        closed.checks.iter().filter(|check| held(check)).eq(beside.checks.iter().filter(|check| held(check))),
        "a closed store says the same"
    );
    assert!(matches!(examine(&place, Some(&MasterKey::new([1; 32]))), Err(OpenError::WrongMasterKey)));
}

/// What is done to the store, and the checks that notice.
const DAMAGES: [(&str, &[&str]); 72] = [
    (
        "DELETE FROM accounts WHERE id = 'a'",
        &[
            "accounts",
            "sealed.endpoints",
            "sealed.secrets",
            "sealed.clients",
            "sealed.headers",
            "sealed.credentials",
            "sealed.payloads",
            "sealed.documents",
            "sealed.answers",
            "sealed.disclosures",
            "sealed.holds",
        ],
    ),
    ("UPDATE endpoints SET activation_sealed = x'00' WHERE id = 'e2'", &["sealed.activations"]),
    ("UPDATE endpoints SET credentials_sealed = x'00' WHERE id = 'e1'", &["sealed.endpoints", "sealed.credentials"]),
    ("UPDATE resources SET kind = 'refill'", &["sealed.documents"]),
    ("UPDATE resources SET account_id = 'nobody'", &["accounts", "sealed.documents"]),
    ("UPDATE accounts SET last_seq = 7 WHERE id = 'a'", &["events.seq"]),
    ("UPDATE accounts SET last_seq = 1 WHERE id = 'empty'", &["events.seq"]),
    (
        "UPDATE events SET place = place + 3 WHERE id = 'ev6'",
        &["events.seq", "events.deliveries", "events.subjects", "deliveries.event"],
    ),
    ("DELETE FROM events WHERE id = 'ev3'", &["events.seq", "events.subjects", "deliveries.event"]),
    ("UPDATE events SET deliveries = 3 WHERE id = 'ev1'", &["events.deliveries"]),
    ("UPDATE events SET deliveries = 1 WHERE id = 'ev1'", &["events.deliveries"]),
    ("UPDATE queue SET origin = 'redelivered' WHERE event & 255 = 3", &["events.deliveries"]),
    (
        "DELETE FROM queue WHERE event & 255 = 5 AND lane = (SELECT lane FROM endpoints WHERE id = 'e1')",
        &["events.deliveries", "deliveries.number", "accounts.pending"],
    ),
    (
        "DELETE FROM deliveries WHERE event & 255 = 1 AND lane = (SELECT ref FROM lanes WHERE endpoint_id = 'e1')",
        &["events.deliveries", "deliveries.number"],
    ),
    ("UPDATE subjects SET event = event + 99", &["events.subjects"]),
    ("UPDATE queue SET about = NULL", &["events.subjects"]),
    ("UPDATE events SET payload_length = -1 WHERE id = 'ev2'", &["events.removed"]),
    ("UPDATE erasures SET state = 'running'", &["erasures"]),
    ("UPDATE events SET payload_length = 1, payload_sealed = x'00' WHERE payload_length = -1", &["erasures", "sealed.payloads"]),
    ("UPDATE disclosures SET attempt = attempt + 1", &["sealed.disclosures"]),
    ("UPDATE erasures SET reason_sealed = x'00'", &["sealed.erasures"]),
    ("UPDATE holds SET subject = x'00'", &["sealed.holds"]),
    ("UPDATE queue SET event = event + 96 WHERE event & 255 = 3", &["events.deliveries", "deliveries.event"]),
    ("UPDATE deliveries SET event = event + 97 WHERE event & 255 = 2", &["events.deliveries", "deliveries.event"]),
    ("DELETE FROM endpoints WHERE id = 'e1'", &["deliveries.endpoint", "secrets.owner"]),
    (
        "INSERT INTO deliveries (id, account, lane, number, event, state, attempts, created_at, ended_at, origin) \
         SELECT id, event >> 40, lane, number, event, 'cancelled', attempts, created_at, 0, origin FROM queue WHERE event & 255 = 3",
        &["events.deliveries", "deliveries.once", "deliveries.number"],
    ),
    (
        "UPDATE deliveries SET number = 1 WHERE lane = (SELECT ref FROM lanes WHERE endpoint_id = 'e1') AND number = 2",
        &["deliveries.number"],
    ),
    (
        "UPDATE deliveries SET number = 90 WHERE lane = (SELECT ref FROM lanes WHERE endpoint_id = 'gone') AND number = 2",
        &["deliveries.number"],
    ),
    ("UPDATE queue SET lane = 99 WHERE event & 255 = 3", &["deliveries.endpoint", "deliveries.account", "deliveries.number"]),
    ("UPDATE deliveries SET account = account + 7 WHERE event & 255 = 2", &["accounts", "deliveries.account", "sealed.answers"]),
    ("UPDATE events SET account = account + 7 WHERE id = 'ev6'", &["accounts", "deliveries.account", "sealed.payloads"]),
    ("UPDATE lanes SET endpoint_id = 'e9' WHERE endpoint_id = 'e1'", &["deliveries.account"]),
    ("UPDATE lanes SET account_id = 'x' WHERE endpoint_id = 'gone'", &["accounts"]),
    ("UPDATE endpoints SET last_number = last_number + 1", &["deliveries.number"]),
    ("UPDATE endpoints SET last_number = last_number - 1", &["deliveries.number"]),
    ("DELETE FROM earlier_attempts WHERE outcome = 'response'", &["deliveries.attempts"]),
    ("UPDATE earlier_attempts SET number = 2, response_sealed = NULL", &["deliveries.attempts"]),
    ("UPDATE earlier_attempts SET delivery_id = delivery_id + 1000000000, response_sealed = NULL", &["deliveries.attempts"]),
    ("UPDATE queue SET attempts = attempts + 1", &["deliveries.attempts"]),
    ("UPDATE deliveries SET phases = x'000102030405060708090a0b0c0d0e0f1011121314' WHERE state = 'failed'", &["attempts.phases"]),
    ("UPDATE deliveries SET attempts = 0 WHERE state = 'failed'", &["deliveries.attempts", "deliveries.state", "sealed.answers"]),
    ("UPDATE deliveries SET state = 'lost' WHERE state = 'failed'", &["deliveries.state"]),
    ("UPDATE deliveries SET outcome = 'tls' WHERE outcome IS NOT NULL", &["deliveries.state"]),
    ("UPDATE queue SET claim = 'x' WHERE wake_at IS NOT NULL", &["queue.waiting"]),
    ("UPDATE queue SET suspicion = 8", &["queue.suspicion"]),
    ("UPDATE accounts SET pending = pending - 1", &["accounts.pending"]),
    ("UPDATE accounts SET pending = 1 WHERE id = 'empty'", &["accounts.pending"]),
    ("UPDATE bulk_retries SET reason_sealed = x'00'", &["sealed.bulk_retries"]),
    ("UPDATE contract_keys SET ordinal = 2", &["sealed.contract_keys"]),
    ("UPDATE clients SET keys_sealed = x'00'", &["sealed.clients"]),
    ("UPDATE clients SET account_id = 'nobody'", &["accounts", "sealed.clients"]),
    ("UPDATE bulk_retries SET ended_at = NULL", &["bulk_retries"]),
    ("UPDATE bulk_retries SET state = 'running', ended_at = NULL, account_id = 'nobody'", &["bulk_retries"]),
    ("UPDATE replays SET cursor_seq = last_seq + 1", &["replays"]),
    ("UPDATE replays SET state = 'running'", &["replays"]),
    ("UPDATE replays SET created = created + 1", &["replays"]),
    ("UPDATE queue SET event = (event >> 40 << 40) + 2 WHERE origin = 'rpl_1'", &["replays"]),
    (
        "INSERT INTO secrets (account_id, endpoint_id, ordinal, secret_sealed, created_at) VALUES ('a', 'nobody', 1, x'00', 0)",
        &["secrets.owner", "sealed.secrets"],
    ),
    (
        "UPDATE accounts SET data_key_sealed = x'0102' WHERE id = 'a'",
        &[
            "sealed.keys",
            "sealed.endpoints",
            "sealed.secrets",
            "sealed.clients",
            "sealed.headers",
            "sealed.credentials",
            "sealed.payloads",
            "sealed.documents",
            "sealed.answers",
            "sealed.disclosures",
            "sealed.holds",
        ],
    ),
    ("UPDATE endpoints SET url = 'https://evil.example/hook'", &["sealed.endpoints"]),
    (
        "UPDATE endpoints SET url = (SELECT p.url FROM endpoints p WHERE p.id = 'e2'), \
         config_sealed = (SELECT p.config_sealed FROM endpoints p WHERE p.id = 'e2') WHERE id = 'e1'",
        &["sealed.endpoints"],
    ),
    ("UPDATE endpoints SET config_sealed = NULL WHERE id = 'e2'", &["sealed.endpoints"]),
    ("UPDATE endpoints SET events = '[\"y\"]', enabled = 0 WHERE id = 'e1'", &["sealed.endpoints"]),
    ("UPDATE endpoints SET enabled = 1 WHERE id = 'e2'", &["sealed.endpoints"]),
    ("UPDATE api_keys SET role = 'admin'", &["sealed.api_keys"]),
    ("UPDATE api_keys SET hash = leaf FROM audit WHERE seq = 1", &["sealed.api_keys"]),
    ("UPDATE audit SET actor = 'node' WHERE seq = 1", &["audit"]),
    ("DELETE FROM audit WHERE seq = 2", &["audit"]),
    ("UPDATE audit_checkpoints SET note = 'x'", &["audit"]),
    ("UPDATE audit_personal SET salt = x'00' WHERE seq = 1", &["audit"]),
    ("UPDATE events SET id = 'moved' WHERE id = 'ev1'", &["sealed.payloads"]),
    ("UPDATE events SET payload_length = payload_length + 1 WHERE id = 'ev1'", &["sealed.payloads"]),
];

#[tokio::test]
async fn every_damage_is_found_by_its_check() {
    let fixture = furnished().await;
    fixture.store.records.close().await;
    let original = fixture.place.location();
    let mut unlike = Vec::new();
    for (damage, expected) in DAMAGES {
        let examination = damaged(&original, damage);
        let expected: Vec<&str> = crate::backend::also_found(damage).into_iter().chain(expected.iter().copied()).collect();
        if broken(&examination) != expected {
            unlike.push(format!("{damage}: found by {:?}, not {expected:?}", broken(&examination)));
        }
    }
    assert!(unlike.is_empty(), "{unlike:#?}");
}

/// What is found in a copy of the store after `damage`.
fn damaged(original: &Location, damage: &str) -> Examination {
    let copy = crate::backend::damaged_copy(original, damage);
    examine(&copy.location(), Some(&KEY)).unwrap()
}

#[tokio::test]
async fn so_many_violations_are_named_and_all_are_counted() {
    let fixture = furnished().await;
    fixture.store.records.close().await;
    let damage = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) \
        INSERT INTO subjects SELECT leaf, 1099511627776 + 100 + i FROM n, audit WHERE seq = 1";
    let examination = damaged(&fixture.place.location(), damage);
    let check = examination.checks.iter().find(|check| check.name == "events.subjects").unwrap();
    assert_eq!((check.violated, check.violations.len()), (50, VIOLATIONS_NAMED_MAX));
    assert_eq!(check.violations[0], "a subject of event 101 of account number 1");
}
