//! A clock that is wrong for a while, by years, loses nothing and spoils nothing.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter};
use bellwire_store::EventQuery;

use crate::fixture::{Fixture, account_id, event, history_of, page};

const MICROSECOND: Duration = Duration::from_micros(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const THREE_YEARS: Duration = Duration::from_secs(3 * 365 * 24 * 3_600);

async fn publish_and_deliver(fixture: &mut Fixture, ids: &[&str]) {
    let account = fixture.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    fixture.publish(&account, ids.iter().map(|id| event(id, "x")).collect()).await.unwrap();
    for delivery in fixture.take().await {
        fixture.record(&delivery, Decision::Delivered).await;
    }
}

async fn log(fixture: &Fixture) -> Vec<i64> {
    let log = fixture.store.records.list_events(&account_id("a"), EventQuery::default(), page(1_000)).await.unwrap();
    log.items.into_iter().map(|event| event.seq).collect()
}

/// Events 1 and 2 before, 3 while the clock is three years ahead, 4 and 5 after.
async fn with_a_second_astray(restarts: bool) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.clock.advance(DAY * 365 * 7);
    publish_and_deliver(&mut fixture, &["before", "also"]).await;
    let right = fixture.now();
    fixture.clock.set(right.plus(THREE_YEARS));
    if restarts {
        fixture = fixture.reopen().await;
    }
    publish_and_deliver(&mut fixture, &["astray"]).await;
    fixture.clock.set(right.plus(SECOND));
    if restarts {
        fixture = fixture.reopen().await;
    } else {
        fixture.store.queue.clock_set_back(fixture.now()).await.unwrap();
    }
    publish_and_deliver(&mut fixture, &["after", "later"]).await;
    fixture
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_second_does_not_disable_retention() {
    for restarts in [false, true] {
        let mut fixture = with_a_second_astray(restarts).await;
        assert_eq!(log(&fixture).await, [1, 2, 3, 4, 5]);
        fixture.assert_sound();
        fixture.clock.advance(DAY * 60);
        publish_and_deliver(&mut fixture, &["young"]).await;
        let removed = fixture.store.queue.retain(history_of(DAY * 7)).await.unwrap();
        assert_eq!(removed.events, 5);
        assert_eq!(log(&fixture).await, [6]);
        assert_eq!(fixture.states("a").await, [(6, "delivered", 1)]);
        fixture.assert_sound();
        fixture.clock.advance(DAY * (3 * 365 - 61));
        for id in ["t1", "t2", "t3"] {
            fixture.clock.advance(DAY);
            publish_and_deliver(&mut fixture, &[id]).await;
        }
        fixture.assert_sound();
    }
}

#[tokio::test]
async fn what_waits_is_kept_although_its_id_is_of_a_clock_that_was_ahead() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    let right = fixture.now().plus(DAY * 365 * 7);
    fixture.clock.set(right.plus(THREE_YEARS));
    fixture.publish(&account, vec![event("waits", "x")]).await.unwrap();
    let held = fixture.take().await.remove(0);
    fixture.clock.set(right);
    fixture.store.queue.clock_set_back(fixture.now()).await.unwrap();
    publish_and_deliver(&mut fixture, &["next"]).await;
    fixture.record(&held, Decision::Retry { due_at: fixture.now().plus(THREE_YEARS) }).await;
    fixture.clock.advance(DAY * 60);
    publish_and_deliver(&mut fixture, &["young"]).await;
    fixture.store.queue.retain(history_of(DAY * 7)).await.unwrap();
    assert_eq!(log(&fixture).await, [1, 2, 3], "the first is needed, and a log has no holes");
    fixture.assert_sound();
}

#[tokio::test]
async fn a_retry_of_a_second_waits_a_second_after_the_clock_was_set_back_by_a_day() {
    for restarts in [false, true] {
        let mut fixture = Fixture::new();
        let account = fixture.account("a").await;
        fixture.endpoint("a", "e", EventFilter::All).await;
        let right = fixture.now().plus(DAY * 365 * 7);
        fixture.clock.set(right.plus(DAY));
        fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
        let delivery = fixture.take().await.remove(0);
        fixture.record(&delivery, Decision::Retry { due_at: fixture.now().plus(SECOND) }).await;
        fixture.clock.set(right);
        if restarts {
            fixture = fixture.reopen().await;
        } else {
            fixture.store.queue.clock_set_back(fixture.now()).await.unwrap();
        }
        fixture.store.queue.clock_set_back(fixture.now()).await.unwrap(); // and once more, to no effect
        let early = fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap();
        assert_eq!((early.claimed, early.next_wake), (0, Some(right.plus(SECOND + MICROSECOND))));
        fixture.clock.advance(SECOND + MICROSECOND);
        assert_eq!(fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap().claimed, 1);
    }
}

#[tokio::test]
async fn a_retry_keeps_its_time_when_the_clock_was_set_back_by_a_little() {
    let mut fixture = Fixture::new();
    let account = fixture.account("a").await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![event("e1", "x")]).await.unwrap();
    let delivery = fixture.take().await.remove(0);
    let due_at = fixture.now().plus(DAY);
    fixture.record(&delivery, Decision::Retry { due_at }).await;
    fixture.clock.set(fixture.now().minus(SECOND * 30));
    fixture.store.queue.clock_set_back(fixture.now()).await.unwrap();
    assert_eq!(fixture.store.queue.claim_due(fixture.now(), 10).await.unwrap().next_wake, Some(due_at));
}
