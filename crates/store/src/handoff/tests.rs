//! How the room in memory is shared.

use super::room::{LANE_FIRST_MAX, THROTTLED_LANE_MAX};
use super::*;

fn lane(name: &str) -> LaneKey {
    LaneKey { account_id: AccountId::try_new("a").unwrap(), endpoint_id: EndpointId::try_new(name).unwrap() }
}

/// Of an event of its own, unless `place` is used again.
fn payload(place: i64, bytes: usize) -> PayloadSize {
    PayloadSize { place, bytes }
}

fn handoff(deliveries_max: usize) -> HandOff {
    HandOff::new(HandOffLimits { lane_deliveries_max: 100, deliveries_max, bytes_max: 1_000 }).0
}

fn fill(handoff: &HandOff, lane: &LaneKey) -> usize {
    let mut room = handoff.reserve();
    (0..10_000).take_while(|place| room.for_new(lane, payload(*place, 1))).count()
}

#[test]
fn any_number_of_slow_endpoints_leaves_room_for_one_that_was_idle() {
    let handoff = HandOff::new(HandOffLimits::default()).0;
    assert_eq!(fill(&handoff, &lane("slow")), LANE_FIRST_MAX);
    for number in 0..500 {
        fill(&handoff, &lane(&format!("slow-{number}")));
    }
    assert!(fill(&handoff, &lane("idle")) >= 1, "{}", handoff.held());
}

#[test]
fn endpoints_that_do_not_answer_hold_a_quarter_at_most() {
    let handoff = handoff(64);
    for number in 0..100 {
        let dead = lane(&format!("dead-{number}"));
        handoff.mark_backlog([dead.clone()]);
        handoff.throttle(&dead);
        handoff.reserve().set_backlog(&dead, true);
    }
    let mut room = handoff.reserve();
    let wanting = room.take_wanting(1_000);
    for (lane, free) in wanting {
        assert_eq!(free, THROTTLED_LANE_MAX);
        for _ in 0..free {
            room.for_claim(&lane, payload(0, 1));
        }
    }
    drop(room);
    assert_eq!(handoff.held(), 16);
    assert!(fill(&handoff, &lane("healthy")) >= 8);
}

#[test]
fn an_endpoint_that_answers_again_gets_its_room_back() {
    let handoff = handoff(64);
    let key = lane("a");
    assert!(handoff.reserve().for_new(&key, payload(0, 1)));
    handoff.throttle(&key);
    assert!(handoff.reserve().for_new(&key, payload(0, 1)));
    assert!(!handoff.reserve().for_new(&key, payload(0, 1)), "two are enough to probe");
    handoff.release(&key, payload(0, 1), true);
    let room = handoff.reserve().take_wanting(10);
    assert!(room.len() == 1 && room[0].1 > THROTTLED_LANE_MAX, "{room:?}");
    assert_eq!(handoff.room.lock().throttled, 0);
}

#[test]
fn payload_bytes_are_bounded_but_a_single_large_one_passes() {
    let handoff = handoff(64);
    let mut room = handoff.reserve();
    assert!(room.for_new(&lane("a"), payload(0, 10_000)), "an empty hand-off takes any size");
    assert!(!room.for_new(&lane("b"), payload(1, 1)));
}

#[test]
fn a_payload_that_deliveries_share_counts_once_and_until_the_last_of_them_ends() {
    let handoff = handoff(64);
    let lanes: Vec<LaneKey> = (0..10).map(|number| lane(&format!("shares-{number}"))).collect();
    for key in &lanes {
        assert!(handoff.reserve().for_new(key, payload(7, 600)));
    }
    assert_eq!((handoff.held(), handoff.room.lock().bytes), (10, 600));
    assert!(!handoff.reserve().for_new(&lane("other"), payload(8, 500)), "400 are left");
    for (ended, key) in lanes.iter().enumerate() {
        assert_eq!(handoff.room.lock().bytes, 600, "{ended}");
        handoff.release(key, payload(7, 600), true);
    }
    assert_eq!((handoff.held(), handoff.room.lock().bytes), (0, 0));
    assert!(handoff.room.lock().payloads.is_empty());
}

#[test]
fn a_lane_with_a_backlog_takes_nothing_new_until_it_is_claimed() {
    let handoff = handoff(64);
    handoff.mark_backlog([lane("a")]);
    let mut room = handoff.reserve();
    assert!(!room.for_new(&lane("a"), payload(0, 1)), "new deliveries queue behind those in the store");
    assert_eq!(room.take_wanting(10), [(lane("a"), 16)]);
    assert_eq!(room.take_wanting(10), [], "each is filled once at a time");
    assert!(room.for_claim(&lane("a"), payload(0, 1)));
    room.queue(&lane("a"));
    assert_eq!(room.take_wanting(10).len(), 1);
    room.set_backlog(&lane("a"), false);
    assert!(room.for_new(&lane("a"), payload(0, 1)));
}

#[test]
fn after_a_failed_round_the_lanes_are_wanted_again() {
    let handoff = handoff(64);
    handoff.mark_backlog([lane("a"), lane("b")]);
    assert_eq!(handoff.reserve().take_wanting(10).len(), 2);
    handoff.queue_again();
    assert_eq!(handoff.reserve().take_wanting(10).len(), 2);
}

#[test]
fn released_room_is_free_again_and_idle_lanes_cost_nothing() {
    let handoff = handoff(64);
    assert!(handoff.reserve().for_new(&lane("a"), payload(0, 10)));
    handoff.release(&lane("a"), payload(0, 10), false);
    assert_eq!(handoff.held(), 0);
    assert!(handoff.room.lock().lanes.is_empty() && handoff.room.lock().bytes == 0);
}
