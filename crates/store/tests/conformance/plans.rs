//! How PostgreSQL finds the rows of the hot statements: by indexes, never by reading a whole table. The server counts both, so
//! what is tried is whatever the store runs, in the plans that the server keeps for it.

use std::sync::Arc;

use bellwire_domain::RoomLimits;
use bellwire_domain::{AttemptOutcome, Decision, DeliveryState, EventFilter, HealthPolicy};
use bellwire_store::{ClaimedDelivery, DeliveryQuery, EventQuery, Outcome};

use crate::backend::Place;
use crate::fixture::{Fixture, Store, account_id, event, options, outcome, page};

/// Rows of each kind that are there already: deliveries that ended, and deliveries that wait.
const ROWS: usize = 10_000;
const BATCH: usize = 500;
/// How often each thing is done. A plan that reads the whole table would show as often.
const ROUNDS: usize = 60;
/// A table may be read whole when a node starts, and its parts while they are next to empty.
const ROWS_READ_MAX: usize = 12 * ROWS;

const TABLES: [&str; 5] = ["queue", "deliveries", "earlier_attempts", "events", "event_subjects"];

/// Rows that were read without an index, of each table; a partitioned one is the sum of its parts.
fn rows_read(place: &Place) -> Vec<(&'static str, usize)> {
    let sum = |table: &str| {
        let of = format!(
            "SELECT COALESCE(SUM(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname = '{table}' OR relname LIKE '{table}\\_week\\_%'"
        );
        place.psql(&of).parse::<usize>().unwrap()
    };
    TABLES.map(|table| (table, sum(table))).into()
}

/// Small, so that most of what is published waits in the store.
fn limits() -> RoomLimits {
    RoomLimits { lane_deliveries_max: 2 * BATCH, deliveries_max: 8 * BATCH, bytes_max: 64 << 20 }
}

fn arrived(node: &Fixture, delivery: &ClaimedDelivery) -> Outcome {
    let answer = AttemptOutcome::answered(200);
    outcome(delivery, answer, Decision::Delivered, HealthPolicy::default(), node.now())
}

/// An account with two endpoints: to one every event was delivered, to the other none.
async fn populated() -> Fixture {
    let mut filling = Fixture::with_limits(limits());
    let account = filling.account("a").await;
    let delivered = filling.endpoint("a", "delivered", EventFilter::All).await;
    filling.endpoint("a", "waiting", EventFilter::All).await;
    let mut ended = 0;
    for batch in 0..ROWS / BATCH {
        let events = (0..BATCH).map(|number| event(&format!("past-{batch}-{number}"), "x")).collect();
        filling.publish(&account, events).await.unwrap();
        while ended < (batch + 1) * BATCH {
            filling.store.queue.claim_due(filling.now(), BATCH).await.unwrap();
            let taken = filling.take().await;
            let outcomes: Vec<_> = taken
                .iter()
                .filter(|delivery| delivery.lane() == delivered)
                .map(|delivery| arrived(&filling, delivery))
                .collect();
            ended += outcomes.len();
            filling.store.queue.record_outcomes(outcomes.into()).await.unwrap();
        }
    }
    assert_eq!(ended, ROWS);
    filling.store.records.close().await;
    filling.place.psql("VACUUM ANALYZE");
    let Fixture { clock, place, limits, .. } = filling;
    let store = Store::open(options(&place, &clock, limits, 2)).unwrap();
    Fixture { store, clock: Arc::clone(&clock), place, limits }
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_read_no_table_whole() {
    let mut node = populated().await;
    let before = rows_read(&node.place);
    let account = node.store.records.find_account(&account_id("a")).await.unwrap().unwrap();
    for round in 0..ROUNDS {
        let events = (0..5).map(|number| event(&format!("new-{round}-{number}"), "x")).collect();
        node.publish(&account, events).await.unwrap();
        node.store.queue.claim_due(node.now(), 20).await.unwrap();
        let held = node.take().await;
        assert!(!held.is_empty());
        for (number, delivery) in held.iter().enumerate().take(6) {
            let again = Decision::Retry { due_at: node.now() };
            node.record(delivery, if number % 2 == 0 { again } else { Decision::Delivered }).await;
        }
        look_around(&node, &held[1]).await;
    }
    node.store.records.close().await; // which tells the server's statistics what is missing in them
    let found = before.iter().zip(rows_read(&node.place)).map(|((table, before), (_, after))| (table, after - before));
    let whole: Vec<_> = found.filter(|(_, rows)| *rows > ROWS_READ_MAX).collect();
    assert!(whole.is_empty(), "rows read without an index in {ROUNDS} rounds: {whole:?}");
    node.assert_sound();
}

/// What the API asks.
async fn look_around(node: &Fixture, delivery: &ClaimedDelivery) {
    let of_account = DeliveryQuery { account_id: Some(account_id("a")), ..DeliveryQuery::default() };
    let of_endpoint = DeliveryQuery { endpoint_id: Some(delivery.endpoint_id.clone()), ..of_account.clone() };
    let failed = DeliveryQuery { state: Some(DeliveryState::Failed), ..of_account.clone() };
    let pending = DeliveryQuery { state: Some(DeliveryState::Pending), ..of_endpoint.clone() };
    for query in [DeliveryQuery::default(), of_account, of_endpoint, failed, pending] {
        node.store.records.list_deliveries(query, page(20)).await.unwrap();
    }
    node.store.records.list_events(&account_id("a"), EventQuery::default(), page(20)).await.unwrap();
    node.store.records.find_event(&account_id("a"), &delivery.event.id).await.unwrap().unwrap();
    node.store.records.find_delivery(delivery.id).await.unwrap().unwrap();
}
