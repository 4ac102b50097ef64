//! Retries of many deliveries: which they are, in what steps, and what ends them.

use std::time::Duration;

use bellwire_domain::{BulkRetryId, Decision, DeliveryState, EventFilter, ReplayState};
use bellwire_store::{BulkRetry, DeliveryQuery, Matched, NewBulkRetry, PageRequest, StartBulkRetryError};

use crate::fixture::{Fixture, account_id, event, page};

const FAILED: Decision = Decision::Failed { endpoint_gone: false };

fn of(account: &str) -> DeliveryQuery {
    DeliveryQuery { account_id: Some(account_id(account)), ..DeliveryQuery::default() }
}

impl Fixture {
    /// An account with so many deliveries that have failed.
    async fn failed(&mut self, account: &str, count: usize) {
        let stored = self.account(account).await;
        self.endpoint(account, "e", EventFilter::All).await;
        self.publish(&stored, (0..count).map(|number| event(&format!("e{number}"), "x")).collect()).await.unwrap();
        self.fail_all().await;
    }

    /// All that is due fails, as much at a time as there is room for.
    async fn fail_all(&mut self) {
        loop {
            while self.store.queue.claim_due(self.now(), 1_000).await.unwrap().more {}
            let held = self.take().await;
            if held.is_empty() {
                return;
            }
            for delivery in held {
                self.record(&delivery, FAILED).await;
            }
        }
    }

    async fn ask(&self, id: &str, query: DeliveryQuery, state: DeliveryState) -> Result<BulkRetry, StartBulkRetryError> {
        let matched = self.store.records.count_deliveries(DeliveryQuery { state: Some(state), ..query.clone() }).await.unwrap();
        let new = NewBulkRetry {
            id: BulkRetryId::try_new(id).unwrap(),
            query,
            state,
            reason: "it is up again".to_owned(),
            asked_by: "key_1".to_owned(),
            running_max: 2,
        };
        self.store.records.start_bulk_retry(new, matched).await
    }

    /// Takes steps until none advances: how many that were.
    async fn work(&self) -> usize {
        let mut steps = 0;
        while self.store.records.advance_bulk_retry(None).await.unwrap().is_some_and(|step| step.advanced) {
            steps += 1;
        }
        steps
    }

    async fn bulk_retry(&self, id: &str) -> BulkRetry {
        self.store.records.find_bulk_retry(&BulkRetryId::try_new(id).unwrap()).await.unwrap().unwrap()
    }

    async fn pending(&self, account: &str) -> usize {
        let query = DeliveryQuery { state: Some(DeliveryState::Pending), ..of(account) };
        self.store.records.list_deliveries(query, page(10_000)).await.unwrap().items.len()
    }
}

#[tokio::test]
async fn what_a_filter_names_is_due_again_and_counted() {
    let mut fixture = Fixture::new();
    fixture.failed("a", 150).await;
    fixture.failed("b", 3).await;
    let asked = fixture.ask("blk_1", of("a"), DeliveryState::Failed).await.unwrap();
    assert_eq!((asked.state, asked.matched), (ReplayState::Running, Matched { count: 150, is_exact: true }));
    assert_eq!(fixture.work().await, 2, "a step of a hundred, and the rest");
    let done = fixture.bulk_retry("blk_1").await;
    assert_eq!((done.state, done.retried, done.skipped), (ReplayState::Done, 150, 0));
    assert_eq!(done.ended_at, Some(fixture.now()));
    assert_eq!((fixture.pending("a").await, fixture.pending("b").await), (150, 0), "another account's are left alone");
    fixture.fail_all().await;
    assert_eq!(fixture.pending("a").await, 0, "they are due at once");
    fixture.assert_sound();
}

#[tokio::test]
async fn what_fails_after_it_was_asked_for_is_not_its_own() {
    let mut fixture = Fixture::new();
    fixture.failed("a", 2).await;
    let stored = fixture.account("a").await;
    fixture.publish(&stored, vec![event("live", "x")]).await.unwrap();
    let live = fixture.take().await;
    fixture.clock.advance(Duration::from_secs(1));
    fixture.ask("blk_1", of("a"), DeliveryState::Failed).await.unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    fixture.record(&live[0], FAILED).await;
    fixture.publish(&stored, vec![event("later", "x")]).await.unwrap();
    fixture.fail_all().await;
    fixture.work().await;
    assert_eq!((fixture.bulk_retry("blk_1").await.retried, fixture.pending("a").await), (2, 2));
}

#[tokio::test]
async fn it_goes_on_after_a_death_where_it_was_and_retries_none_twice() {
    let mut fixture = Fixture::new();
    fixture.failed("a", 150).await;
    fixture.ask("blk_1", of("a"), DeliveryState::Failed).await.unwrap();
    fixture.store.records.advance_bulk_retry(None).await.unwrap();
    let mut fixture = fixture.killed();
    // What it has made due fails once more at once: it is not looked at again.
    fixture.fail_all().await;
    fixture.work().await;
    let done = fixture.bulk_retry("blk_1").await;
    assert_eq!((done.state, done.retried, fixture.pending("a").await), (ReplayState::Done, 150, 50));
    fixture.assert_sound();
}

#[tokio::test]
async fn one_that_is_cancelled_stops_and_one_that_has_ended_stays() {
    let mut fixture = Fixture::new();
    fixture.failed("a", 150).await;
    fixture.ask("blk_1", of("a"), DeliveryState::Failed).await.unwrap();
    fixture.store.records.advance_bulk_retry(None).await.unwrap();
    let id = BulkRetryId::try_new("blk_1").unwrap();
    let cancelled = fixture.store.records.cancel_bulk_retry(&id).await.unwrap().unwrap();
    assert_eq!((cancelled.state, cancelled.retried), (ReplayState::Cancelled, 100));
    assert_eq!(fixture.work().await, 0);
    assert_eq!(fixture.pending("a").await, 100, "what is due stays due");
    fixture.clock.advance(Duration::from_secs(1));
    let again = fixture.store.records.cancel_bulk_retry(&id).await.unwrap().unwrap();
    assert_eq!(again.ended_at, cancelled.ended_at);
    let unknown = BulkRetryId::try_new("blk_2").unwrap();
    assert!(fixture.store.records.cancel_bulk_retry(&unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn an_account_runs_so_many_at_once_and_its_retries_keep_the_pace_of_its_replays() {
    let mut fixture = Fixture::with_replay_rate("10/s");
    fixture.failed("a", 30).await;
    fixture.failed("b", 30).await;
    for id in ["blk_1", "blk_2"] {
        fixture.ask(id, of("a"), DeliveryState::Failed).await.unwrap();
    }
    let refused = fixture.ask("blk_3", of("a"), DeliveryState::Failed).await.unwrap_err();
    assert!(matches!(refused, StartBulkRetryError::TooMany { max: 2 }));
    fixture.ask("blk_3", of("b"), DeliveryState::Failed).await.unwrap();
    fixture.work().await;
    assert_eq!(fixture.pending("a").await, 10);
    let waits = fixture.store.records.advance_bulk_retry(None).await.unwrap().unwrap();
    assert!(!waits.advanced && waits.due.is_empty());
    let id = BulkRetryId::try_new("blk_2").unwrap();
    let next = fixture.store.records.advance_bulk_retry(Some(&id)).await.unwrap().unwrap();
    assert_eq!((next.id.as_str(), next.due.values().sum::<usize>()), ("blk_3", 10), "another account has a pace of its own");
    fixture.clock.advance(Duration::from_secs(1));
    fixture.work().await;
    assert_eq!(fixture.pending("a").await, 20);
}

#[tokio::test]
async fn of_all_accounts_each_is_retried_and_those_in_flight_are_skipped() {
    let mut fixture = Fixture::new();
    fixture.failed("a", 2).await;
    fixture.failed("b", 1).await;
    let stored = fixture.account("b").await;
    fixture.publish(&stored, vec![event("live", "x")]).await.unwrap();
    fixture.ask("blk_1", DeliveryQuery::default(), DeliveryState::Failed).await.unwrap();
    fixture.ask("blk_2", DeliveryQuery::default(), DeliveryState::Pending).await.unwrap();
    fixture.work().await;
    let after = BulkRetryId::try_new("blk_1").unwrap();
    while fixture.store.records.advance_bulk_retry(Some(&after)).await.unwrap().is_some_and(|step| step.advanced) {}
    let (failed, pending) = (fixture.bulk_retry("blk_1").await, fixture.bulk_retry("blk_2").await);
    assert_eq!((failed.retried, failed.skipped), (3, 0));
    assert_eq!((pending.retried, pending.skipped), (3, 1), "three were due by then; one is held");
    let listed = fixture.store.records.list_bulk_retries(None, PageRequest { limit: 1, after: None }).await.unwrap();
    assert_eq!((listed.items[0].id.as_str(), listed.next.as_deref()), ("blk_2", Some("blk_2")), "newest first");
    assert!(fixture.store.records.list_bulk_retries(Some(account_id("a")), page(9)).await.unwrap().items.is_empty());
}
