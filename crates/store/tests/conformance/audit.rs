//! The audit log: written with what it records, and not to be changed without a trace.

use bellwire_domain::{
    AuditAction, AuditActor, AuditDetail, AuditEntry, AuditOrigin, AuditVia, EventFilter, KeyId, Role, Timestamp,
};
use bellwire_store::evidence::{export_audit, record_act, verify_audit};
use bellwire_store::{
    ApiKey, AuditEvidence, AuditQuery, AuditRecord, AuditVerification, KeyDeletion, Location, MasterKey, PageRequest, key_hash,
};
use bellwire_testkit::SeededEntropy;
use serde_json::Value;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash, check_record, check_tree, record_hash};

use crate::fixture::{Fixture, Store, account_id, lane, options};

const KEY: MasterKey = MasterKey::new([9; 32]);
const NAME: &str = "Ada Lovelace";
const ADDRESS: &str = "192.0.2.77";
const REASON: &str = "the patient asked for it";

fn by(actor: AuditActor, action: AuditAction) -> AuditEntry {
    let address = ADDRESS.parse().ok();
    AuditEntry::new(actor, AuditOrigin { via: AuditVia::Api, address }, action)
}

fn key(id: &str) -> AuditActor {
    AuditActor::Key(KeyId::try_new(id).unwrap())
}

/// A store with an account, an endpoint and seven records.
async fn furnished() -> Fixture {
    let fixture = Fixture::new();
    fixture.account("a").await;
    let endpoint = fixture.endpoint("a", "e", EventFilter::All).await;
    let records = &fixture.store.records;
    let reading = |number: u64| {
        by(AuditActor::Person(NAME.to_owned()), AuditAction::PayloadsRead)
            .in_account(&account_id("a"))
            .to(format!("ev{number}"))
            .with("reason", AuditDetail::Personal(REASON.to_owned()))
            .with("count", AuditDetail::Number(number))
    };
    for number in 1..=6 {
        records.note(reading(number)).await.unwrap();
    }
    let deleting = by(key("key_1"), AuditAction::EndpointDeleted).in_account(&account_id("a")).to("e");
    assert!(records.audited(deleting).delete_endpoint(&endpoint).await.unwrap());
    fixture
}

async fn list(fixture: &Fixture, query: AuditQuery) -> Vec<AuditRecord> {
    fixture.store.records.list_audit(query, PageRequest { limit: 100, after: None }).await.unwrap().items
}

fn seqs(records: &[AuditRecord]) -> Vec<i64> {
    records.iter().map(|record| record.seq).collect()
}

fn verify(location: &Location, since: Option<&str>) -> AuditVerification {
    let evidence = AuditEvidence { kept: since.map(str::to_owned).into_iter().collect(), verifier: None };
    verify_audit(location, Some(&KEY), &evidence).unwrap()
}

#[tokio::test]
async fn what_changes_nothing_is_not_recorded_and_what_fails_neither() {
    let fixture = furnished().await;
    let records = &fixture.store.records;
    let before = list(&fixture, AuditQuery::default()).await.len();
    let gone = records.audited(by(key("key_1"), AuditAction::EndpointDeleted)).delete_endpoint(&lane("a", "nobody")).await;
    assert!(!gone.unwrap());
    let admin = ApiKey::new(KeyId::try_new("key_1").unwrap(), Role::Admin, fixture.now());
    records.create_key(admin.clone(), key_hash("one")).await.unwrap();
    let revoked = records.audited(by(key("key_1"), AuditAction::KeyDeleted)).delete_key(&admin.id).await.unwrap();
    assert_eq!(revoked, KeyDeletion::LastAdmin);
    assert_eq!(list(&fixture, AuditQuery::default()).await.len(), before);
}

#[tokio::test]
async fn records_are_found_by_who_did_what_to_what_and_when() {
    let fixture = furnished().await;
    let all = list(&fixture, AuditQuery::default()).await;
    assert_eq!(seqs(&all), [1, 2, 3, 4, 5, 6, 7]);
    let newest = list(&fixture, AuditQuery { newest_first: true, ..AuditQuery::default() }).await;
    assert_eq!(seqs(&newest), [7, 6, 5, 4, 3, 2, 1]);
    let found = async |query| seqs(&list(&fixture, query).await);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(found(AuditQuery { actor: text("key_1"), ..AuditQuery::default() }).await, [7]);
    assert_eq!(found(AuditQuery { actor: text(NAME), ..AuditQuery::default() }).await, [1, 2, 3, 4, 5, 6]);
    assert!(found(AuditQuery { actor: text("Ada"), ..AuditQuery::default() }).await.is_empty());
    assert_eq!(found(AuditQuery { object: text("ev3"), account: text("a"), ..AuditQuery::default() }).await, [3]);
    assert!(found(AuditQuery { account: text("b"), ..AuditQuery::default() }).await.is_empty());
    let deleted = Some(AuditAction::EndpointDeleted);
    assert_eq!(found(AuditQuery { action: deleted, since: Some(fixture.now()), ..AuditQuery::default() }).await, [7]);
    assert!(found(AuditQuery { until: Some(fixture.now()), ..AuditQuery::default() }).await.is_empty());
    let personal = &all[0].personal;
    assert_eq!(
        (personal["actor"].as_str(), personal["origin"].as_str(), personal["detail.reason"].as_str()),
        (NAME, ADDRESS, REASON)
    );
    let first = fixture.store.records.list_audit(AuditQuery::default(), PageRequest { limit: 3, after: None }).await.unwrap();
    let rest = PageRequest { limit: 10, after: first.next.clone() };
    assert_eq!(seqs(&fixture.store.records.list_audit(AuditQuery::default(), rest).await.unwrap().items), [4, 5, 6, 7]);
}

#[tokio::test]
async fn many_at_once_leave_no_gap() {
    let fixture = furnished().await;
    let noting = (0..64).map(|_| fixture.store.records.note(by(key("key_2"), AuditAction::AnswersRead)));
    for noted in futures_util::future::join_all(noting).await {
        noted.unwrap();
    }
    let found = verify(&fixture.place.location(), None);
    assert!(found.is_sound() && found.size == 71, "{found:?}");
}

#[tokio::test]
async fn the_log_is_sound_beside_its_server_after_it_and_without_what_is_personal() {
    let fixture = furnished().await;
    let checkpoint = fixture.store.records.audit_checkpoint().await.unwrap();
    assert!(checkpoint.is_new && checkpoint.size == 7);
    assert!(!fixture.store.records.audit_checkpoint().await.unwrap().is_new, "nothing was added since");
    fixture.store.records.note(by(AuditActor::Node, AuditAction::NodeStopped)).await.unwrap();
    let location = fixture.place.location();
    let beside = verify(&location, Some(&checkpoint.note));
    assert!(beside.is_sound() && beside.personal_verified, "{beside:?}");
    assert_eq!((beside.size, beside.checkpoints, beside.kept.as_slice()), (8, 1, &[7][..]));
    let fixture = fixture.reopen().await;
    assert_eq!(verify(&location, Some(&checkpoint.note)), beside);
    fixture.store.records.close().await;
    assert!(!verify_audit(&location, None, &AuditEvidence::default()).unwrap().personal_verified);
    let erased = crate::backend::damaged_copy(&location, "DELETE FROM audit_personal");
    assert!(verify(&erased.location(), Some(&checkpoint.note)).is_sound(), "the log stays valid without it");
}

/// What is done to the log, and what is said of it.
const TAMPERING: [(&str, &str); 11] = [
    ("UPDATE audit SET actor = 'key_9' WHERE seq = 7", "record 7 has been changed"),
    ("UPDATE audit SET at = at + 1 WHERE seq = 2", "record 2 has been changed"),
    ("UPDATE audit SET object = NULL WHERE seq = 3", "record 3 has been changed"),
    ("UPDATE audit SET detail = '{}' WHERE seq = 1", "record 1 has been changed"),
    ("DELETE FROM audit WHERE seq = 4", "record 4 is missing"),
    ("DELETE FROM audit WHERE seq > 5", "records 6 to 7 are missing"),
    (
        "DELETE FROM audit WHERE seq = 7; UPDATE meta SET value = x'0000000000000006' WHERE key = 'audit.head'",
        "a checkpoint was signed over 7 records, and there are 6",
    ),
    (
        "UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 99",
        "record 2 has been changed",
    ),
    ("UPDATE audit SET leaf = (SELECT leaf FROM audit WHERE seq = 1) WHERE seq = 2", "record 2: the tree above it does not fit"),
    ("UPDATE audit_nodes SET hash = (SELECT leaf FROM audit WHERE seq = 1)", "the tree above it does not fit"),
    ("UPDATE audit_personal SET salt = x'00' WHERE seq = 5 AND field = 'actor'", "record 5: `actor` is not what it commits to"),
];

#[tokio::test]
async fn whatever_is_changed_is_named_by_its_place() {
    let fixture = furnished().await;
    fixture.store.records.audit_checkpoint().await.unwrap();
    fixture.store.records.close().await;
    let original = fixture.place.location();
    assert!(verify(&original, None).is_sound());
    for (tampering, said) in TAMPERING {
        let copy = crate::backend::damaged_copy(&original, tampering);
        let found = verify(&copy.location(), None);
        assert!(found.faults.iter().any(|fault| fault.contains(said)), "{tampering}: {found:#?}");
    }
}

#[tokio::test]
async fn a_log_that_was_made_anew_is_betrayed_by_a_checkpoint_that_was_kept() {
    let fixture = furnished().await;
    let kept = fixture.store.records.audit_checkpoint().await.unwrap().note;
    let verifier = fixture.store.records.audit_key();
    fixture.store.records.close().await;
    // Somebody who has the master key too empties the log, writes other records, and has them signed.
    let emptying = "DELETE FROM audit; DELETE FROM audit_nodes; DELETE FROM audit_personal; DELETE FROM audit_checkpoints; \
         DELETE FROM meta WHERE key = 'audit.head'";
    let copy = crate::backend::damaged_copy(&fixture.place.location(), emptying);
    let forged = Store::open(options(&copy, &fixture.clock, fixture.limits, 5)).unwrap();
    for _ in 0..9 {
        forged.records.note(by(AuditActor::Node, AuditAction::NodeStarted)).await.unwrap();
    }
    forged.records.audit_checkpoint().await.unwrap();
    forged.records.close().await;
    assert!(verify(&copy.location(), None).is_sound(), "by itself it looks well");
    let found = verify(&copy.location(), Some(&kept));
    assert!(found.faults[0].contains("the first 7 records are not those"), "{found:?}");
    // With another signing key, it is not even the same log.
    let emptying = format!("{emptying}; DELETE FROM meta WHERE key = 'audit.signer'");
    let copy = crate::backend::damaged_copy(&fixture.place.location(), &emptying);
    Store::open(options(&copy, &fixture.clock, fixture.limits, 6)).unwrap().records.close().await;
    let evidence = AuditEvidence { kept: vec![kept], verifier: Some(verifier) };
    let found = verify_audit(&copy.location(), Some(&KEY), &evidence).unwrap();
    assert!(found.faults[0].contains("the log was made anew"), "{found:?}");
}

fn hash(text: &Value) -> Hash {
    Hash::parse_hash(text.as_str().unwrap()).unwrap()
}

fn hashes(proof: &Value) -> Vec<Hash> {
    proof.as_array().unwrap().iter().map(hash).collect()
}

#[tokio::test]
async fn every_exported_record_proves_that_it_is_in_the_log() {
    let fixture = furnished().await;
    let checkpoint = fixture.store.records.audit_checkpoint().await.unwrap();
    fixture.store.records.note(by(AuditActor::Node, AuditAction::NodeStopped)).await.unwrap();
    let mut out = Vec::new();
    assert_eq!(export_audit(&fixture.place.location(), Some(&KEY), None, &mut out).unwrap(), 8);
    let lines: Vec<Value> = out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let (head, records) = lines.split_first().unwrap();
    let root = hash(&head["root"]);
    assert_eq!(head["checkpoint"], checkpoint.note.as_str());
    let note = Note::from_bytes(checkpoint.note.as_bytes()).unwrap();
    let verifier = StandardVerifier::new(head["key"].as_str().unwrap()).unwrap();
    note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    let signed = Checkpoint::from_bytes(note.text()).unwrap();
    check_tree(&hashes(&head["consistency"]), 8, root, signed.size(), *signed.hash()).unwrap();
    let text = String::from_utf8(out.clone()).unwrap();
    for (number, line) in (0..).zip(records) {
        let raw = text.lines().nth(usize::try_from(number).unwrap() + 1).unwrap();
        let record = &raw[raw.find("{\"account\"").unwrap()..=raw.find("},\"leaf\"").unwrap()];
        check_record(&hashes(&line["proof"]), 8, root, number, record_hash(record.as_bytes())).unwrap();
    }
    assert_eq!(records[0]["personal"]["actor"]["value"], NAME);
    let mut of_account = Vec::new();
    assert_eq!(export_audit(&fixture.place.location(), None, Some("a"), &mut of_account).unwrap(), 7);
    let of_account = String::from_utf8(of_account).unwrap();
    assert!(!of_account.contains(NAME) && !of_account.contains(ADDRESS), "without the master key nothing personal is there");
}

#[tokio::test]
async fn a_command_records_what_it_did_beside_the_server() {
    let fixture = furnished().await;
    let entry =
        AuditEntry::new(AuditActor::Command, AuditOrigin { via: AuditVia::Command, address: None }, AuditAction::AuditExported);
    let entropy = SeededEntropy::new(8);
    record_act(&fixture.place.location(), &KEY, (&*fixture.clock, &entropy), &entry).unwrap();
    fixture.store.records.note(by(AuditActor::Node, AuditAction::NodeStopped)).await.unwrap();
    let last = list(&fixture, AuditQuery { newest_first: true, ..AuditQuery::default() }).await;
    assert_eq!((last[1].actor.as_str(), last[1].action.as_str(), last[1].at), ("command", "audit.exported", fixture.now()));
    assert!(verify(&fixture.place.location(), None).is_sound());
    assert_ne!(last[1].at, Timestamp::default());
}
