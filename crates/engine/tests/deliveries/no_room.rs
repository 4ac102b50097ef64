//! What becomes of a delivery that there is no room to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bellwire_domain::{AttemptOutcome, Consumer, DeliveryState, Timestamp};
use bellwire_egress::{NoRoom, OutboundRequest};
use bellwire_engine::{Sending, Transport};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::world::{PATIENCE, World};

/// Has no room for the first two requests, and answers 200 to all others.
#[derive(Default)]
struct Crowded(AtomicUsize);

impl Transport for Crowded {
    fn send<'a>(&'a self, consumer: Consumer<'a>, _: OutboundRequest, _: Duration, _: Timestamp) -> Sending<'a> {
        assert_eq!((consumer.account.as_str(), consumer.contract), ("novamed", "novamed"));
        let asked = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let answer = AttemptOutcome::answered(200);
            if asked < 2 { Err(NoRoom) } else { Ok(answer.into()) }
        })
    }
}

#[tokio::test]
async fn a_delivery_that_finds_no_room_to_look_its_name_up_is_not_attempted_and_counted_as_put_off() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _here = metrics::set_default_local_recorder(&recorder);
    let counted = |count| recorder.handle().render().contains(&format!("bellwire_attempts_put_off_total {count}\n"));
    let transport = Arc::new(Crowded::default());
    let world = World::sending_through(Arc::clone(&transport) as _);
    let account = world.account("novamed").await;
    let lane = world.endpoint(&account, "e", "http://never-answered.example/hook").await;
    world.publish(&account, "order:shipped", "{}", 1).await;
    for asked in 1..=2 {
        let put_off = async {
            while transport.0.load(Ordering::SeqCst) < asked || world.engine.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, put_off).await.expect("it gives its slot back");
        let (waiting, attempts) = world.records.find_delivery(world.deliveries(&lane).await[0].id).await.unwrap().unwrap();
        assert_eq!((waiting.state, waiting.attempts, attempts.len()), (DeliveryState::Pending, 0, 0));
        assert_eq!(transport.0.load(Ordering::SeqCst), asked, "not again until some time has passed");
        assert!(counted(asked), "each time that it was put off: {}", recorder.handle().render());
        world.clock.advance(Duration::from_secs(1));
    }
    let delivered = world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
    let (_, attempts) = world.records.find_delivery(delivered[0].id).await.unwrap().unwrap();
    assert_eq!((delivered[0].attempts, attempts.len()), (1, 1));
    assert!(counted(2), "an attempt that was made is not counted: {}", recorder.handle().render());
    world.engine.stop(PATIENCE).await;
}
