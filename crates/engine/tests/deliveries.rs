//! The engine at work: a real store, real contracts, real sockets on loopback, and a clock set by hand.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods, reason = "a test may panic")]

#[path = "deliveries/health.rs"]
mod health;
#[path = "deliveries/no_room.rs"]
mod no_room;
#[path = "deliveries/refused.rs"]
mod refused;
#[path = "deliveries/suspects.rs"]
mod suspects;
#[path = "deliveries/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use bellwire_contract::{CapturedRequest, Verdict};
use bellwire_domain::{Clock, DeliveryState, EndpointId, EventFilter, HealthStatus, Secret};
use bellwire_store::{Delivery, EventQuery, LaneKey, NewEndpoint, PageRequest, Rotation};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{MINUTE, PATIENCE, World, next, receiver};

#[tokio::test]
async fn attempts_follow_the_schedule_to_the_instant_and_then_end() {
    let world = World::new();
    let account = world.account("novamed").await;
    let (url, mut received) = receiver(&[201, 500, 503, 302, 404]).await; // a 201 is not a 200
    let lane = world.endpoint(&account, "e", &url).await;
    world.publish(&account, "order:shipped", "{}", 1).await;
    for (attempts, minutes) in [(1, 1), (2, 5), (3, 15), (4, 60)] {
        let waiting = world.until(&lane, |all| all[0].attempts == attempts && all[0].due_at.is_some()).await;
        assert_eq!(waiting[0].due_at, Some(world.clock.now().plus(MINUTE * minutes)), "after attempt {attempts}");
        world.clock.advance(MINUTE * minutes);
    }
    let ended = world.until(&lane, |all| all[0].state == DeliveryState::Failed).await;
    assert_eq!(ended[0].attempts, 5);
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        ids.insert(next(&mut received).await.body);
    }
    assert_eq!(ids.len(), 1, "every attempt carries the same event id and time");
    let (_, attempts) = world.records.find_delivery(ended[0].id).await.unwrap().unwrap();
    assert_eq!(attempts.iter().filter_map(|attempt| attempt.status).collect::<Vec<_>>(), [201, 500, 503, 302, 404]);
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_contract_without_retries_fails_at_once_and_one_with_them_recovers() {
    let world = World::new();
    let silver = world.account("silver").await;
    let (url, _held) = receiver(&[500]).await;
    let lane = world.endpoint(&silver, "s", &url).await;
    world.publish(&silver, "adjudication_complete", "{}", 1).await;
    let ended = world.until(&lane, |all| all[0].state == DeliveryState::Failed).await;
    assert_eq!(ended[0].attempts, 1);

    let noyo = world.account("noyo").await;
    let (url, _held_too) = receiver(&[500, 200]).await;
    let lane = world.endpoint(&noyo, "n", &url).await;
    world.publish(&noyo, "difference.created", "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}", 1).await;
    let waiting = world.until(&lane, |all| all[0].due_at.is_some() && all[0].attempts == 1).await;
    let health = || async { world.records.find_endpoint(&lane).await.unwrap().unwrap().health.status };
    assert_eq!(health().await, HealthStatus::Unhealthy);
    world.clock.set(waiting[0].due_at.unwrap());
    world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
    assert_eq!(health().await, HealthStatus::Active);
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_is_older_than_the_retention_is_removed_when_the_engine_starts() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let world = World::new();
    let account = world.account("novamed").await;
    let (url, _received) = receiver(&[200]).await;
    let lane = world.endpoint(&account, "e", &url).await;
    let delivered = |all: &[Delivery]| all.iter().all(|delivery| delivery.state == DeliveryState::Delivered);
    world.publish(&account, "order:shipped", "{}", 3).await;
    world.until(&lane, delivered).await;
    world.clock.advance(DAY * 30);
    world.publish(&account, "order:shipped", "{}", 2).await;
    world.until(&lane, delivered).await;

    let world = world.restart(None).await;
    assert_eq!(world.deliveries(&lane).await.len(), 5, "without a retention everything is kept");
    let world = world.restart(Some(DAY * 14)).await;
    world.until(&lane, |all| all.len() == 2).await;
    let counted = || {
        let rendered = metrics.render();
        let of = |kind: &str| rendered.contains(&format!("bellwire_retention_removed_total{{kind=\"{kind}\"}} 3"));
        of("event") && of("delivery")
    };
    world.until(&lane, |_| counted()).await;
    let page = PageRequest { limit: 10, after: None };
    let events = world.records.list_events(&account.id, EventQuery::default(), page).await.unwrap();
    assert_eq!(events.items.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 5]);
    world.engine.stop(PATIENCE).await;
}

/// What existing systems get wrong: one global counter of requests that a slow endpoint fills.
#[tokio::test]
async fn an_endpoint_that_hangs_starves_no_other() {
    let world = World::new();
    let account = world.account("novamed").await;
    let (hanging, _held) = receiver(&[]).await;
    let (healthy, mut received) = receiver(&[200]).await;
    let slow = world.endpoint(&account, "slow", &hanging).await;
    let quick = world.endpoint(&account, "quick", &healthy).await;
    world.publish(&account, "order:shipped", "{}", 200).await;
    let delivered = |all: &[Delivery]| all.iter().all(|delivery| delivery.state == DeliveryState::Delivered);
    assert_eq!(world.until(&quick, delivered).await.len(), 200);
    for _ in 0..200 {
        next(&mut received).await;
    }
    let stuck = world.deliveries(&slow).await;
    assert!(stuck.len() == 200 && stuck.iter().all(|delivery| delivery.state == DeliveryState::Pending));
    assert!(world.engine.in_flight() <= 32, "its own cap");
    let own_room = async {
        while world.queue.held() > 16 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, own_room).await.unwrap(); // its own room; the rest waits in the store
    world.engine.stop(Duration::ZERO).await;
}

/// What existing systems get wrong: a secret cached without its version, so that rotation has no effect under traffic.
#[tokio::test]
async fn rotating_a_secret_under_load_takes_effect_at_once() {
    let world = World::new();
    let account = world.account("noyo").await;
    let (url, mut received) = receiver(&[200]).await;
    let lane = world.endpoint(&account, "e", &url).await;
    let data = "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}";
    world.publish(&account, "difference.created", data, 50).await;
    let now = world.clock.now();
    let secret = Secret::new("the new secret".to_owned());
    let rotation = Rotation { secret, old_expire_at: now.plus(MINUTE), active_max: 8 };
    world.records.rotate_endpoint_secret(&lane, rotation).await.unwrap().unwrap();
    world.publish(&account, "difference.resolved", data, 1).await;
    world.until(&lane, |all| all.iter().all(|delivery| delivery.state == DeliveryState::Delivered)).await;
    world.clock.advance(MINUTE);
    world.publish(&account, "difference.replaced", data, 1).await;
    let contract = world.contracts.get("noyo").unwrap();
    for _ in 0..52 {
        let request = next(&mut received).await;
        let body = String::from_utf8(request.body.clone()).unwrap();
        let signatures = request.header("x-noyo-signature").unwrap().split(',').count();
        if body.contains("difference.resolved") {
            assert_eq!(signatures, 2, "both sign during the overlap");
        } else if body.contains("difference.replaced") {
            assert_eq!(signatures, 1, "the old one has ended");
            let headers = ["x-noyo-timestamp", "x-noyo-signature", "x-cloud-trace-context", "content-type"];
            let headers = headers.map(|name| (name.parse().unwrap(), request.header(name).unwrap().parse().unwrap()));
            let captured =
                CapturedRequest { method: "POST", url: "/hook", headers: &headers.into_iter().collect(), body: &request.body };
            let verify = |secret: &str| contract.verify(&captured, &[Secret::new(secret.to_owned())], world.clock.now());
            assert_eq!(verify("the new secret"), Verdict::Genuine);
            assert!(matches!(verify("endpoint-secret"), Verdict::Rejected { .. }));
        }
    }
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn what_cannot_be_signed_ends_as_failed_with_the_reason() {
    let world = World::new();
    let account = world.account("noyo").await;
    let new = NewEndpoint {
        id: EndpointId::try_new("bare").unwrap(),
        account_id: account.id.clone(),
        url: "https://client.example/hook".to_owned(),
        name: None,
        filter: EventFilter::All,
        headers: Vec::new(),
        enabled: true,
        in_flight_max: None,
        rate_limit: None,
        payload: None,
        keep_answers: true,
        lease: None,
        heartbeat: None,
        options: None,
        credentials: None,
        health: HealthStatus::Active,
        secret: None,
    };
    world.records.create_endpoint(new.clone(), 1_000).await.unwrap().unwrap();
    let lane = LaneKey { account_id: account.id.clone(), endpoint_id: new.id };
    world.publish(&account, "difference.created", "{\"id\":\"eb73184b-ae3c-4411-aa82-3c3bd877cf78\"}", 1).await;
    let ended = world.until(&lane, |all| all[0].state == DeliveryState::Failed).await;
    let (_, attempts) = world.records.find_delivery(ended[0].id).await.unwrap().unwrap();
    assert_eq!((attempts.len(), attempts[0].outcome.as_str()), (1, "unbuildable"));
    assert!(attempts[0].detail.as_deref().unwrap().contains("secret"), "{:?}", attempts[0].detail);
    world.engine.stop(PATIENCE).await;
}

#[tokio::test]
async fn a_disabled_endpoint_holds_what_waits_and_sends_it_when_enabled() {
    let world = World::new();
    let account = world.account("novamed").await;
    let (url, mut received) = receiver(&[500, 200]).await;
    let lane = world.endpoint(&account, "e", &url).await;
    world.publish(&account, "order:shipped", "{}", 1).await;
    let waiting = world.until(&lane, |all| all[0].attempts == 1).await;
    next(&mut received).await;
    let set = |enabled| bellwire_store::EndpointChanges { enabled: Some(enabled), ..Default::default() };
    world.records.update_endpoint(&lane, set(false)).await.unwrap().unwrap();
    world.clock.set(waiting[0].due_at.unwrap());
    let beat = tokio::time::timeout(Duration::from_millis(1_500), received.recv()).await;
    assert!(beat.is_err(), "a whole beat later nothing has been sent");
    world.records.update_endpoint(&lane, set(true)).await.unwrap().unwrap();
    world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
    world.engine.stop(PATIENCE).await;
}

/// What existing systems get wrong: a rate limit that the API takes and nobody reads.
#[tokio::test]
async fn an_endpoint_gets_no_more_than_its_rate_limit_says() {
    let world = World::new();
    let account = world.account("silver").await;
    let (url, mut received) = receiver(&[200]).await;
    let lane = world.limited_endpoint(&account, "limited", &url, (None, Some("6/m"))).await;
    world.publish(&account, "adjudication_complete", "{}", 3).await;
    for arrived in 1..=3 {
        next(&mut received).await;
        let done = |all: &[Delivery]| all.iter().filter(|delivery| delivery.state == DeliveryState::Delivered).count() == arrived;
        world.until(&lane, done).await;
        assert!(received.try_recv().is_err(), "nothing more within the ten seconds");
        world.clock.advance(Duration::from_secs(10));
    }
    world.engine.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn an_endpoint_has_no_more_requests_in_flight_than_it_takes() {
    let world = World::new();
    let account = world.account("silver").await;
    let (url, _held) = receiver(&[]).await;
    let lane = world.limited_endpoint(&account, "narrow", &url, (Some(2), None)).await;
    world.publish(&account, "adjudication_complete", "{}", 10).await;
    let full = async {
        while world.engine.in_flight() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.unwrap();
    let waiting = world.deliveries(&lane).await;
    assert!(waiting.len() == 10 && waiting.iter().all(|delivery| delivery.state == DeliveryState::Pending));
    assert_eq!(world.engine.in_flight(), 2);
    world.engine.stop(Duration::ZERO).await;
}

/// Over HTTP/1.1; some receivers look headers up as their document writes them.
#[tokio::test]
async fn header_names_are_on_the_wire_as_the_contract_spells_them() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let world = World::new();
    let account = world.account("silver").await;
    let lane = world.endpoint(&account, "s", &url).await;
    world.publish(&account, "adjudication_complete", "{}", 1).await;
    let (mut stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let head = String::from_utf8(head).unwrap();
    let names: Vec<&str> = head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(names, ["Host", "apiKey", "Content-Type", "User-Agent", "Content-Length"], "{head}");
    world.until(&lane, |all| all[0].state == DeliveryState::Delivered).await;
}
