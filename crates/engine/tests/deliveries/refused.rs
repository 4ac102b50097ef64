//! What becomes of deliveries to an endpoint whose row somebody has changed in the database.

use std::path::Path;
use std::time::Duration;

use bellwire_domain::DeliveryState;
use bellwire_store::Delivery;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::world::{PATIENCE, World, receiver};

/// More than a lane may hold in memory.
const EVENTS: usize = 40;

/// Writes another text of the same length over one in a database's file.
fn write_over(file: &Path, before: &str, after: &str) {
    let mut bytes = std::fs::read(file).unwrap();
    let places: Vec<usize> = (0..bytes.len() - before.len()).filter(|at| bytes[*at..].starts_with(before.as_bytes())).collect();
    assert_eq!((places.len(), before.len()), (1, after.len()), "{before} stands in its column alone");
    bytes[places[0]..places[0] + after.len()].copy_from_slice(after.as_bytes());
    std::fs::write(file, bytes).unwrap();
}

fn all_delivered(all: &[Delivery]) -> bool {
    all.len() == EVENTS && all.iter().all(|one| one.state == DeliveryState::Delivered)
}

#[tokio::test]
async fn an_endpoint_that_was_changed_in_the_database_is_not_sent_to_and_holds_nobody_up() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let is_refused = || recorder.handle().render().contains("bellwire_attempts_refused_total 1\n");
    let world = World::new();
    let account = world.account("novamed").await;
    let ((url, mut received), (other_url, _other)) = (receiver(&[200]).await, receiver(&[200]).await);
    let (lane, other) = (world.endpoint(&account, "e", &url).await, world.endpoint(&account, "f", &other_url).await);
    let changed = url.replace("/hook", "/evil");
    let world = world.restart_over(None, |file| write_over(file, &url, &changed)).await;
    world.publish(&account, "order:shipped", "{}", EVENTS).await;
    world.until(&other, all_delivered).await;
    let settled = async {
        while !is_refused() || world.queue.held() > 2 || world.engine.in_flight() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("what waits for it goes back to the store, but for the next");
    let kept = world.deliveries(&lane).await;
    assert!(kept.iter().all(|one| one.state == DeliveryState::Pending && one.attempts == 0), "{kept:?}");
    assert_eq!(kept.len(), EVENTS);
    assert!(received.try_recv().is_err(), "nothing is sent");

    let world = world.restart_over(None, |file| write_over(file, &changed, &url)).await;
    world.until(&lane, all_delivered).await;
    assert_eq!(received.recv().await.unwrap().path, "/hook");
    world.engine.stop(PATIENCE).await;
}
