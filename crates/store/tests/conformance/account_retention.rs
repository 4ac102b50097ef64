//! An account may keep what is its own for another time than everybody does.

use std::time::Duration;

use bellwire_domain::{Decision, EventFilter, RetentionPeriods};
use bellwire_store::{DeliveryQuery, EventQuery};

use crate::fixture::{Fixture, account_id, history_of, page};
use crate::privacy::{about, disclosures};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Accounts that publish an event and have it delivered.
async fn deliver_one_each(fixture: &mut Fixture, accounts: &[&str], id: &str) {
    for name in accounts {
        let account = fixture.store.records.find_account(&account_id(name)).await.unwrap().unwrap();
        fixture.publish(&account, vec![about(id, "patient:1")]).await.unwrap();
        for delivery in fixture.take().await {
            fixture.record(&delivery, Decision::Delivered).await;
        }
    }
}

/// An account with an endpoint.
async fn keeping(fixture: &Fixture, id: &str, retention: RetentionPeriods) {
    fixture.account_keeping(id, retention).await;
    fixture.endpoint(id, "e", EventFilter::All).await;
}

/// How many events and deliveries of an account there are.
async fn left(fixture: &Fixture, account: &str) -> (usize, usize) {
    let id = account_id(account);
    let events = fixture.store.records.list_events(&id, EventQuery::default(), page(10)).await.unwrap();
    let query = DeliveryQuery { account_id: Some(id), ..DeliveryQuery::default() };
    let deliveries = fixture.store.records.list_deliveries(query, page(10)).await.unwrap();
    (events.items.len(), deliveries.items.len())
}

#[tokio::test]
async fn an_account_s_history_goes_sooner_or_later_than_everybody_s() {
    let mut fixture = Fixture::new();
    keeping(&fixture, "shorter", history_of(DAY * 7)).await;
    keeping(&fixture, "as-all", RetentionPeriods::default()).await;
    keeping(&fixture, "longer", history_of(DAY * 100)).await;
    let all = ["shorter", "as-all", "longer"];
    deliver_one_each(&mut fixture, &all, "old").await;
    fixture.clock.advance(DAY * 21);
    deliver_one_each(&mut fixture, &all, "young").await;
    let state = async |fixture: &Fixture| {
        let mut state = Vec::new();
        for name in all {
            state.push(left(fixture, name).await);
        }
        state
    };

    let removed = fixture.store.queue.retain(history_of(DAY * 35)).await.unwrap();
    assert_eq!((removed.events, removed.deliveries), (1, 1));
    assert_eq!(state(&fixture).await, [(1, 1), (2, 2), (2, 2)]);
    fixture.assert_sound();
    assert_eq!(fixture.store.queue.retain(history_of(DAY * 35)).await.unwrap(), bellwire_store::Removed::default());

    fixture.clock.advance(DAY * 28);
    fixture.store.queue.retain(RetentionPeriods::default()).await.unwrap();
    assert_eq!(state(&fixture).await, [(0, 0), (2, 2), (2, 2)], "also where everybody keeps everything");
    fixture.account_keeping("as-all", history_of(DAY * 35)).await;
    fixture.store.queue.retain(RetentionPeriods::default()).await.unwrap();
    assert_eq!(state(&fixture).await, [(0, 0), (1, 1), (2, 2)]);
    fixture.assert_sound();
    let mut fixture = fixture.reopen().await;
    deliver_one_each(&mut fixture, &all, "again").await;
    assert_eq!(state(&fixture).await, [(1, 1), (2, 2), (3, 3)]);

    fixture.clock.advance(DAY * 120);
    fixture.store.queue.retain(history_of(DAY * 35)).await.unwrap();
    assert_eq!(state(&fixture).await, [(0, 0), (0, 0), (0, 0)]);
    fixture.assert_sound();
}

#[tokio::test]
async fn what_waits_keeps_what_came_after_it_also_of_an_account_with_a_period_of_its_own() {
    let mut fixture = Fixture::new();
    let account = fixture.account_keeping("a", history_of(DAY * 7)).await;
    fixture.endpoint("a", "e", EventFilter::All).await;
    fixture.publish(&account, vec![about("waits", "patient:1")]).await.unwrap();
    let held = fixture.take().await.remove(0);
    fixture.record(&held, Decision::Retry { due_at: fixture.now().plus(DAY * 40) }).await;
    deliver_one_each(&mut fixture, &["a"], "later").await;
    fixture.clock.advance(DAY * 30);
    fixture.store.queue.retain(RetentionPeriods::default()).await.unwrap();
    assert_eq!(left(&fixture, "a").await, (2, 2));
    fixture.assert_sound();
}

#[tokio::test]
async fn an_account_s_contents_go_sooner_or_later_than_everybody_s() {
    let mut fixture = Fixture::new();
    let contents = |days: u32| {
        let period = Some(DAY * days);
        RetentionPeriods { history: None, payloads: period, answers: period, disclosures: period }
    };
    keeping(&fixture, "shorter", contents(7)).await;
    keeping(&fixture, "as-all", RetentionPeriods::default()).await;
    keeping(&fixture, "longer", contents(100)).await;
    let all = ["shorter", "as-all", "longer"];
    deliver_one_each(&mut fixture, &all, "old").await;
    let told = async |fixture: &Fixture| {
        let mut told = Vec::new();
        for name in all {
            told.push(disclosures(fixture, name, "patient:1", 10).await.len());
        }
        told
    };

    fixture.clock.advance(DAY * 21);
    let expired = fixture.store.queue.expire(contents(35)).await.unwrap();
    assert_eq!((expired.payloads, expired.answers, expired.disclosures), (1, 1, 1));
    assert_eq!(told(&fixture).await, [0, 1, 1]);
    fixture.clock.advance(DAY * 21);
    let expired = fixture.store.queue.expire(contents(35)).await.unwrap();
    assert_eq!((expired.payloads, expired.answers, expired.disclosures), (1, 1, 1));
    assert_eq!(told(&fixture).await, [0, 0, 1]);

    fixture.account_keeping("longer", contents(40)).await;
    let expired = fixture.store.queue.expire(RetentionPeriods::default()).await.unwrap();
    assert_eq!((expired.payloads, expired.answers, expired.disclosures), (1, 1, 1), "a period that is shortened holds at once");
    assert_eq!(left(&fixture, "longer").await, (1, 1), "the rows stay");
    fixture.assert_sound();
}
