//! Those who act on the process: publishers, an operator who meddles, a disk that fails, a clock that jumps.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bellwire_domain::{
    AccountId, AuditAction, AuditActor, AuditEntry, AuditOrigin, AuditVia, DeliveryState, ErasureId, EventId, EventType,
    ReplayCase, ReplayId, Secret,
};
use bellwire_store::{
    DeliveryQuery, EndpointChanges, ErasedSubject, LaneKey, NewErasure, NewEvent, NewOrder, NewReplay, PageRequest, Records,
    RetryResult, Rotation,
};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::ledger::{Accepted, SUBJECT, is_about_subject};
use crate::random::Random;
use crate::world::{CALM_AT, ORDERED, Run, lane};

const PUBLISH_UNTIL: Duration = Duration::from_secs(CALM_AT.as_secs() - 15);
const MEDDLE_UNTIL: Duration = Duration::from_secs(CALM_AT.as_secs() - 10);

/// Events that a publisher offered and has had no answer for: it offers them again, as a client does.
#[derive(Debug, Clone)]
pub struct Unanswered {
    account: String,
    events: Vec<String>,
}

pub fn start(actors: &mut JoinSet<()>, run: &Arc<Run>, records: &Records, life: usize, random: &mut Random) {
    for _ in 0..2 {
        actors.spawn(publish(Arc::clone(run), records.clone(), life, random.fork()));
    }
    actors.spawn(meddle(Arc::clone(run), records.clone(), random.fork()));
    if !run.ledger.lock().punctual {
        actors.spawn(fail_commits(Arc::clone(run), random.fork()));
        actors.spawn(jump_clock(Arc::clone(run), random.fork()));
    }
}

async fn publish(run: Arc<Run>, records: Records, life: usize, mut random: Random) {
    while run.time.elapsed() < PUBLISH_UNTIL {
        tokio::time::sleep(random.millis(0..8_000)).await;
        let known = run.unanswered.lock().pop();
        let call = known.unwrap_or_else(|| draw_call(&run, &mut random));
        // What was not answered when the process dies is offered again in its next life.
        run.unanswered.lock().insert(0, call.clone());
        if offer(&run, &records, &call, life).await {
            run.unanswered.lock().retain(|other| other.events != call.events);
        }
    }
}

fn draw_call(run: &Run, random: &mut Random) -> Unanswered {
    let contract = ["sim-retries", "sim-once", "sim-health", "sim-batches", ORDERED][random.index(5)];
    let count = usize::try_from(random.within(1..5)).unwrap();
    let first = run.next_event.fetch_add(count, Ordering::SeqCst);
    Unanswered {
        account: format!("of-{contract}"),
        events: (first..first + count).map(|number| format!("evt_{number}")).collect(),
    }
}

/// Offers events; whether they were accepted.
async fn offer(run: &Run, records: &Records, call: &Unanswered, life: usize) -> bool {
    let account_id = AccountId::try_new(&call.account).unwrap();
    let Ok(Some(account)) = records.find_account(&account_id).await else { return false };
    let event = |id: &String| NewEvent {
        id: EventId::try_new(id).unwrap(),
        id_chosen: true,
        event_type: EventType::try_new("thing.happened").unwrap(),
        occurred_at: run.time.wall(),
        data: Bytes::from(format!("{{\"of\":\"{id}\"}}")),
        subjects: if is_about_subject(id) { vec![SUBJECT.to_owned()] } else { Vec::new() },
        fingerprint: [7; 32],
        redeliver: false,
        is_test: false,
        only_endpoint: None,
        wanted: None,
        order: (account_id.as_str() == format!("of-{ORDERED}")).then(|| NewOrder { key: String::new(), drops_stale: false }),
    };
    let answer = records.commit_events(&account, call.events.iter().map(event).collect()).await;
    let Ok(receipts) = answer else { return false };
    let at = run.time.elapsed();
    for receipt in receipts {
        let accepted = Accepted { account: call.account.clone(), event: receipt.id.to_string(), at, life };
        run.ledger.lock().accepted.push(accepted);
    }
    true
}

/// Disables, enables, resumes, renames, rotates secrets and renews keys, sends again; the endpoints that are left alone only change in ways
/// that must not matter.
async fn meddle(run: Arc<Run>, records: Records, mut random: Random) {
    while run.time.elapsed() < MEDDLE_UNTIL {
        tokio::time::sleep(random.millis(200..6_000)).await;
        let endpoint = {
            let ledger = run.ledger.lock();
            ledger.endpoints[random.index(ledger.endpoints.len())].clone()
        };
        let lane = lane(&endpoint);
        let harmless = EndpointChanges { name: Some(Some("renamed".to_owned())), ..EndpointChanges::default() };
        let changes = match random.within(0..7) {
            0 if !endpoint.left_alone => EndpointChanges { enabled: Some(false), ..EndpointChanges::default() },
            1 if !endpoint.left_alone => EndpointChanges { enabled: Some(true), ..EndpointChanges::default() },
            2 if !endpoint.left_alone => EndpointChanges { resume: true, ..EndpointChanges::default() },
            3 => {
                let expires_at = run.time.wall().plus(random.millis(0..5_000));
                let secret = Secret::new("another".to_owned());
                let rotation = Rotation { secret, old_expire_at: expires_at, active_max: 8 };
                let rotated = acting(&records, AuditAction::EndpointSecretRotated).rotate_endpoint_secret(&lane, rotation).await;
                count_recorded(&run, matches!(rotated, Ok(Some(_))));
                let renewed = acting(&records, AuditAction::DataKeyRenewed).renew_data_key(&lane.account_id).await;
                count_recorded(&run, renewed.is_ok());
                harmless
            }
            4 => {
                send_again(&run, &records, &lane, &mut random).await;
                continue;
            }
            6 => {
                erase(&run, &records, &endpoint.account, &mut random).await;
                continue;
            }
            5 => {
                replay(&run, &records, lane, &mut random).await;
                continue;
            }
            _ => harmless,
        };
        let updated = acting(&records, AuditAction::EndpointChanged).update_endpoint(&lane, changes).await;
        count_recorded(&run, matches!(updated, Ok(Some(_)))); // a failing disk may refuse it
    }
}

/// The records, for an act that goes into the audit log.
fn acting(records: &Records, action: AuditAction) -> Records {
    let origin = AuditOrigin { via: AuditVia::Api, address: None };
    records.audited(AuditEntry::new(AuditActor::Node, origin, action))
}

/// An act that was acknowledged is in the audit log, whatever happens afterwards.
fn count_recorded(run: &Run, is_acknowledged: bool) {
    run.ledger.lock().recorded += u64::from(is_acknowledged);
}

async fn send_again(run: &Run, records: &Records, lane: &LaneKey, random: &mut Random) {
    let state = [DeliveryState::Failed, DeliveryState::Delivered, DeliveryState::Pending][random.index(3)];
    let query = DeliveryQuery {
        account_id: Some(lane.account_id.clone()),
        endpoint_id: Some(lane.endpoint_id.clone()),
        state: Some(state),
        ..DeliveryQuery::default()
    };
    let Ok(page) = records.list_deliveries(query, PageRequest { limit: 10, after: None }).await else { return };
    if page.items.is_empty() {
        return;
    }
    let id = page.items[random.index(page.items.len())].id;
    // Noted before the answer: the process may die after the change and before it is known.
    run.ledger.lock().retried_by_hand.insert(id.to_string());
    if let Ok(RetryResult::NotFound | RetryResult::EndpointGone) = records.retry_delivery(id).await {
        run.ledger.lock().broken.push(format!("delivery {id} was listed and cannot be found"));
    }
}

/// Erases what is about the subject, now and then.
async fn erase(run: &Run, records: &Records, account: &str, random: &mut Random) {
    if !random.chance(30) {
        return;
    }
    let number = run.next_event.fetch_add(1, Ordering::SeqCst);
    let new = NewErasure {
        id: ErasureId::try_new(&format!("era_{number}")).unwrap(),
        account_id: AccountId::try_new(account).unwrap(),
        subject: ErasedSubject::Named(SUBJECT.to_owned()),
        reason: "simulated".to_owned(),
        asked_by: "nobody".to_owned(),
        running_max: 4,
    };
    let at = run.time.elapsed();
    if let Ok(started) = acting(records, AuditAction::ErasureStarted).start_erasure(new).await {
        count_recorded(run, true);
        run.ledger.lock().erasures.push((account.to_owned(), started.id.to_string(), at));
    }
}

/// Sends again what failed, or was missed, or everything.
async fn replay(run: &Run, records: &Records, lane: LaneKey, random: &mut Random) {
    let number = run.next_event.fetch_add(1, Ordering::SeqCst);
    let new = NewReplay {
        id: ReplayId::try_new(&format!("rpl_{number}")).unwrap(),
        lane,
        since: run.time.wall().minus(random.millis(0..60_000)),
        until: None,
        cases: ReplayCase::ALL.iter().copied().filter(|_| random.chance(50)).collect(),
        running_max: 2,
        account_running_max: 8,
    };
    let _ = records.start_replay(new).await; // too many may run already, and a failing disk may refuse it
}

async fn fail_commits(run: Arc<Run>, mut random: Random) {
    loop {
        tokio::time::sleep(random.millis(1_000..30_000)).await;
        if run.time.is_calm() {
            return;
        }
        run.commits_fail.store(true, Ordering::SeqCst);
        tokio::time::sleep(random.millis(1..3_000)).await;
        run.commits_fail.store(false, Ordering::SeqCst);
    }
}

async fn jump_clock(run: Arc<Run>, mut random: Random) {
    while random.chance(40) {
        tokio::time::sleep(random.millis(1_000..25_000)).await;
        if run.time.is_calm() {
            return;
        }
        let micros = i64::try_from(random.within(0..240_000_000)).unwrap() - 120_000_000;
        run.time.jump(micros);
        let at = run.time.elapsed();
        run.ledger.lock().clock_jumps.push(at);
    }
}
