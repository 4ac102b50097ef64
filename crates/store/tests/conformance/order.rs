//! Deliveries that wait for the one before: whoever ends, the next one goes, and never two of one order at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Decision, Entropy, EventFilter, HealthPolicy, OrderStep, ReplayCase, Timestamp};
use bellwire_store::{ClaimedDelivery, NewEvent, NewOrder, RetryResult};
use bellwire_testkit::SeededEntropy;

use crate::fixture::{Fixture, event, lane, outcome};
use crate::privacy::new_erasure;
use crate::replays::{replay, run};

const MINUTE: Duration = Duration::from_secs(60);

fn in_order(id: &str, key: &str) -> NewEvent {
    NewEvent { order: Some(NewOrder { key: key.to_owned(), drops_stale: false }), ..event(id, "x") }
}

fn newest_only(id: &str, key: &str) -> NewEvent {
    NewEvent { order: Some(NewOrder { key: key.to_owned(), drops_stale: true }), ..event(id, "x") }
}

/// What may be attempted now, by the ids of events.
async fn going(fixture: &mut Fixture) -> Vec<ClaimedDelivery> {
    while fixture.store.queue.claim_due(fixture.now(), 100).await.unwrap().claimed > 0 {}
    fixture.take().await
}

fn ids(deliveries: &[ClaimedDelivery]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery.event.id.as_str()).collect()
}

async fn record(fixture: &Fixture, delivery: &ClaimedDelivery, decision: Decision, order: OrderStep) {
    let status = if decision == Decision::Delivered { 200 } else { 500 };
    let mut made = outcome(delivery, AttemptOutcome::answered(status), decision, HealthPolicy::default(), fixture.now());
    made.order = order;
    fixture.store.queue.record_outcomes([made].into()).await.unwrap();
}

fn retry(fixture: &Fixture) -> Decision {
    Decision::Retry { due_at: fixture.now().plus(MINUTE) }
}

#[tokio::test]
async fn the_next_of_an_order_goes_when_the_one_before_has_ended_and_others_do_not_wait() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    for endpoint in ["e", "f"] {
        fixture.endpoint("a", endpoint, EventFilter::All).await;
    }
    let events = vec![in_order("a1", "a"), in_order("a2", "a"), in_order("b1", "b"), event("free", "x")];
    fixture.publish(&account, events).await.unwrap();
    fixture.publish(&account, vec![in_order("a3", "a")]).await.unwrap();
    let going_now = going(&mut fixture).await;
    let to_e: Vec<_> = going_now.iter().filter(|delivery| delivery.endpoint_id.as_str() == "e").cloned().collect();
    assert_eq!(ids(&to_e), ["a1", "b1", "free"]);
    assert_eq!(going_now.len(), 6, "each endpoint has an order of its own");

    record(&fixture, &to_e[0], retry(&fixture), OrderStep::default()).await;
    record(&fixture, &to_e[1], Decision::Delivered, OrderStep::default()).await;
    assert!(going(&mut fixture).await.is_empty(), "it waits for the retry");
    fixture.clock.advance(MINUTE);
    let a1 = going(&mut fixture).await.remove(0);
    assert_eq!(a1.event.id.as_str(), "a1");
    record(&fixture, &a1, Decision::Failed { endpoint_gone: false }, OrderStep::default()).await;
    let a2 = going(&mut fixture).await;
    assert_eq!(ids(&a2), ["a2"]);
    let mut fixture = fixture.killed();
    let a2 = going(&mut fixture).await.into_iter().find(|delivery| delivery.endpoint_id.as_str() == "e").unwrap();
    record(&fixture, &a2, Decision::Delivered, OrderStep::default()).await;
    assert_eq!(ids(&going(&mut fixture).await), ["a3"], "after a crash as well");
    fixture.reopen().await;
}

#[tokio::test]
async fn who_is_late_lets_the_others_pass_and_none_waits_for_it_any_more() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![in_order("1", ""), in_order("2", ""), in_order("3", "")]).await.unwrap();
    let first = going(&mut fixture).await.remove(0);
    record(&fixture, &first, retry(&fixture), OrderStep { passes: true, ..OrderStep::default() }).await;
    let second = going(&mut fixture).await;
    assert_eq!(ids(&second), ["2"]);
    fixture.clock.advance(MINUTE);
    let late = going(&mut fixture).await;
    assert_eq!(ids(&late), ["1"], "it goes beside them, and the third waits for the second");
    record(&fixture, &late[0], Decision::Delivered, OrderStep::default()).await;
    assert!(going(&mut fixture).await.is_empty());
    record(&fixture, &second[0], Decision::Delivered, OrderStep::default()).await;
    assert_eq!(ids(&going(&mut fixture).await), ["3"]);
    fixture.reopen().await;
}

#[tokio::test]
async fn a_retry_is_dropped_where_a_newer_one_waits_or_comes() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let drops = OrderStep { drops_stale: true, ..OrderStep::default() };
    fixture.publish(&account, vec![newest_only("1", "k"), newest_only("2", "k")]).await.unwrap();
    let first = going(&mut fixture).await;
    assert_eq!(ids(&first), ["1"], "what has not been tried yet goes out");
    record(&fixture, &first[0], retry(&fixture), drops).await;
    let second = going(&mut fixture).await;
    assert_eq!(ids(&second), ["2"], "its failure lets the newer one go");
    record(&fixture, &second[0], retry(&fixture), drops).await;
    assert!(going(&mut fixture).await.is_empty());
    fixture.publish(&account, vec![newest_only("3", "k"), newest_only("other", "l")]).await.unwrap();
    let third = going(&mut fixture).await;
    assert_eq!(ids(&third), ["other", "3"], "the newer one that comes takes its place");
    assert_eq!(fixture.states("a").await, [(1, "cancelled", 1), (2, "cancelled", 1), (3, "pending", 0), (4, "pending", 0)]);
    record(&fixture, &third[1], Decision::Delivered, OrderStep::default()).await;
    fixture.reopen().await;
}

#[tokio::test]
async fn what_is_sent_again_is_in_order_as_well() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![in_order("1", "k"), in_order("2", "k")]).await.unwrap();
    let first = going(&mut fixture).await.remove(0);
    record(&fixture, &first, Decision::Failed { endpoint_gone: false }, OrderStep::default()).await;
    let second = going(&mut fixture).await.remove(0);

    let result = fixture.store.records.retry_delivery(first.id).await.unwrap();
    assert_eq!(result, RetryResult::Due(lane("a", "e")));
    assert!(going(&mut fixture).await.is_empty(), "it waits for the one that is in flight");
    fixture.store.records.retry_delivery(first.id).await.unwrap();
    assert!(going(&mut fixture).await.is_empty(), "and asking once more does not hurry it");
    fixture.publish(&account, vec![NewEvent { redeliver: true, ..in_order("2", "k") }, in_order("3", "k")]).await.unwrap();
    record(&fixture, &second, Decision::Delivered, OrderStep::default()).await;
    let mut arrived = Vec::new();
    loop {
        let now = going(&mut fixture).await;
        let Some(delivery) = now.first() else { break };
        assert_eq!(now.len(), 1);
        arrived.push(delivery.event.id.as_str().to_owned());
        record(&fixture, delivery, Decision::Delivered, OrderStep::default()).await;
    }
    assert_eq!(arrived, ["1", "2", "3"], "by their numbers");
    fixture.reopen().await;
}

#[tokio::test]
async fn an_erasure_in_the_middle_of_an_order_lets_the_next_one_go() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let of = |id: &str, subject: &str| NewEvent { subjects: vec![subject.to_owned()], ..in_order(id, "k") };
    fixture.publish(&account, vec![of("1", "p"), of("2", "p"), of("3", "q")]).await.unwrap();
    assert_eq!(ids(&going(&mut fixture).await), ["1"]);
    fixture.store.records.start_erasure(new_erasure("era_1", "a", "p")).await.unwrap();
    while fixture.store.queue.advance_erasure(None).await.unwrap().is_some() {}
    assert_eq!(ids(&going(&mut fixture).await), ["3"]);
    fixture.reopen().await;
}

#[tokio::test]
async fn a_test_event_waits_for_nobody() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    let test = NewEvent { is_test: true, only_endpoint: Some(lane.endpoint_id), ..in_order("test", "k") };
    fixture.publish(&account, vec![in_order("1", "k"), in_order("2", "k"), test]).await.unwrap();
    assert_eq!(ids(&going(&mut fixture).await), ["1", "test"]);
}

/// One node's life under random outcomes, crashes and retries by hand.
struct Life {
    fixture: Fixture,
    entropy: SeededEntropy,
    held: Vec<ClaimedDelivery>,
    /// Arrived, by order.
    arrived: BTreeMap<String, Vec<i64>>,
}

impl Life {
    fn below(&self, end: u32) -> u32 {
        let bytes: [u8; 4] = (&self.entropy as &dyn Entropy).bytes();
        u32::from_be_bytes(bytes) % end
    }

    /// Takes what goes now. Of one order never two are held.
    async fn take(&mut self) {
        self.held.extend(going(&mut self.fixture).await);
        let orders: Vec<String> = self.held.iter().map(order_of).collect();
        assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), orders.len(), "{orders:?}");
    }

    async fn end_one(&mut self) {
        if self.held.is_empty() {
            self.fixture.clock.advance(MINUTE);
            return;
        }
        let index = self.below(u32::try_from(self.held.len()).unwrap()) as usize;
        let delivery = self.held.swap_remove(index);
        let decision = match self.below(4) {
            0 => retry(&self.fixture),
            1 => Decision::Failed { endpoint_gone: false },
            _ => Decision::Delivered,
        };
        if decision == Decision::Delivered {
            self.arrived.entry(order_of(&delivery)).or_default().push(delivery.number);
        }
        record(&self.fixture, &delivery, decision, OrderStep::default()).await;
    }
}

fn order_of(delivery: &ClaimedDelivery) -> String {
    let key = delivery.event.id.as_str().split('-').next().unwrap_or_default();
    format!("{}/{key}", delivery.endpoint_id)
}

#[tokio::test]
async fn whatever_happens_each_order_goes_one_by_one_and_to_its_end() {
    for seed in 0..4 {
        let fixture = Fixture::new();
        let account = fixture.account("a").await;
        for endpoint in ["e", "f"] {
            fixture.endpoint("a", endpoint, EventFilter::All).await;
        }
        let mut life = Life { fixture, entropy: SeededEntropy::new(seed), held: Vec::new(), arrived: BTreeMap::new() };
        let mut published = 0;
        while published < 60 {
            match life.below(8) {
                0..=2 => {
                    let key = ["k", "l", "m"][life.below(3) as usize];
                    life.fixture.publish(&account, vec![in_order(&format!("{key}-{published}"), key)]).await.unwrap();
                    published += 1;
                }
                3 if published % 20 == 19 => {
                    life.fixture = life.fixture.killed();
                    life.held.clear();
                }
                _ => life.end_one().await,
            }
            life.take().await;
        }
        let mut idle = 0;
        while idle < 3 {
            idle = if life.held.is_empty() { idle + 1 } else { 0 };
            life.end_one().await;
            life.take().await;
        }
        let states = life.fixture.states("a").await;
        assert!(states.iter().all(|(_, state, _)| *state != "pending"), "seed {seed}: all of them have ended: {states:?}");
        for (order, numbers) in &life.arrived {
            assert!(numbers.is_sorted(), "seed {seed}, {order}: {numbers:?}");
        }
        life.fixture.reopen().await;
    }
}

/// A delivery that waits is due at no time: nobody is woken for it.
#[tokio::test]
async fn nobody_is_woken_for_what_only_waits_in_its_order() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![in_order("1", "k"), in_order("2", "k")]).await.unwrap();
    let first = going(&mut fixture).await.remove(0);
    let report = fixture.store.queue.claim_due(Timestamp::from_secs(1 << 40), 10).await.unwrap();
    assert_eq!((report.claimed, report.next_wake), (0, None));
    record(&fixture, &first, Decision::Delivered, OrderStep::default()).await;
    assert_eq!(ids(&going(&mut fixture).await), ["2"]);
}

#[tokio::test]
async fn a_replay_waits_behind_what_is_alive_and_keeps_its_own_order() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    let lane = fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![in_order("1", "k"), in_order("2", "k")]).await.unwrap();
    for expected in ["1", "2"] {
        let now = going(&mut fixture).await;
        assert_eq!(ids(&now), [expected]);
        record(&fixture, &now[0], Decision::Delivered, OrderStep::default()).await;
    }
    fixture.publish(&account, vec![in_order("3", "k")]).await.unwrap();
    let third = going(&mut fixture).await.remove(0);
    fixture.store.records.start_replay(replay("rpl_1", &lane, ReplayCase::ALL)).await.unwrap();
    run(&fixture).await;
    assert!(going(&mut fixture).await.is_empty());
    record(&fixture, &third, Decision::Delivered, OrderStep::default()).await;
    for expected in ["1", "2"] {
        let now = going(&mut fixture).await;
        assert_eq!(ids(&now), [expected]);
        record(&fixture, &now[0], Decision::Delivered, OrderStep::default()).await;
    }
    fixture.reopen().await;
}
