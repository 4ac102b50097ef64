//! How room is shared.

use proptest::prelude::*;

use super::*;

/// Of an event of its own, unless `event` is used again.
fn payload(event: i64, bytes: usize) -> PayloadSize {
    PayloadSize { event, bytes }
}

fn room(deliveries_max: usize) -> Room<String> {
    Room::new(RoomLimits { lane_deliveries_max: 100, deliveries_max, bytes_max: 1_000 })
}

fn lane(name: &str) -> String {
    name.to_owned()
}

fn fill(room: &mut Room<String>, lane: &String) -> usize {
    (0..10_000).take_while(|event| room.reserve_new(lane, payload(*event, 1))).count()
}

#[test]
fn any_number_of_slow_endpoints_leaves_room_for_one_that_was_idle() {
    let mut room = Room::new(RoomLimits::default());
    assert_eq!(fill(&mut room, &lane("slow")), LANE_FIRST_MAX);
    for number in 0..500 {
        fill(&mut room, &format!("slow-{number}"));
    }
    assert!(fill(&mut room, &lane("idle")) >= 1, "{}", room.deliveries());
}

#[test]
fn an_account_with_a_thousand_endpoints_leaves_room_for_its_neighbour() {
    let mut room = Room::new(RoomLimits::default());
    let total = RoomLimits::default().deliveries_max;
    for number in 0..1_000 {
        let lane = ("hostile", number);
        (0..64).for_each(|event| _ = room.reserve_new(&lane, payload(event + 64 * number, 1)));
    }
    assert!(room.deliveries() <= total * 3 / 4, "{}", room.deliveries());
    let neighbour = ("neighbour", 0);
    let got = (0..64).take_while(|event| room.reserve_new(&neighbour, payload(-1 - event, 1))).count();
    assert_eq!(got, LANE_FIRST_MAX);
}

#[test]
fn the_payloads_of_one_account_leave_bytes_for_its_neighbour() {
    let mut room = Room::new(RoomLimits { lane_deliveries_max: 100, deliveries_max: 8_192, bytes_max: 1_000_000 });
    (0..1_000).for_each(|number| _ = room.reserve_new(&("hostile", number), payload(number, 10_000)));
    assert!(room.bytes <= 760_000, "{}", room.bytes);
    assert!(room.reserve_new(&("neighbour", 0), payload(-1, 10_000)));
}

#[test]
fn lanes_are_filled_account_by_account() {
    let mut room = Room::new(RoomLimits::default());
    (0..1_000).for_each(|number| room.set_backlog(&("hostile", number), true));
    room.set_backlog(&("neighbour", 0), true);
    let accounts: Vec<_> = room.take_wanting(2).into_iter().map(|((account, _), _)| account).collect();
    assert_eq!(accounts, ["hostile", "neighbour"]);
}

#[test]
fn endpoints_that_do_not_answer_hold_a_quarter_at_most() {
    let mut room = room(64);
    for number in 0..100 {
        let dead = format!("dead-{number}");
        room.set_backlog(&dead, true);
        room.throttle(&dead);
    }
    for (lane, free) in room.take_wanting(1_000) {
        assert_eq!(free, THROTTLED_LANE_MAX);
        for _ in 0..free {
            room.reserve(&lane, payload(0, 1));
        }
    }
    assert_eq!(room.deliveries(), 16);
    assert!(fill(&mut room, &lane("healthy")) >= 8);
}

#[test]
fn an_endpoint_that_answers_again_gets_its_room_back() {
    let mut room = room(64);
    let key = lane("a");
    assert!(room.reserve_new(&key, payload(0, 1)));
    room.throttle(&key);
    assert!(room.reserve_new(&key, payload(0, 1)));
    assert!(!room.reserve_new(&key, payload(0, 1)), "two are enough to probe");
    room.release(&key, payload(0, 1), true);
    let wanting = room.take_wanting(10);
    assert!(wanting.len() == 1 && wanting[0].1 > THROTTLED_LANE_MAX, "{wanting:?}");
    assert_eq!(room.throttled, 0);
}

#[test]
fn payload_bytes_are_bounded_but_a_single_large_one_passes() {
    let mut room = room(64);
    assert!(room.reserve_new(&lane("a"), payload(0, 10_000)), "an empty room takes any size");
    assert!(!room.reserve_new(&lane("b"), payload(1, 1)));
}

#[test]
fn a_payload_that_deliveries_share_counts_once_and_until_the_last_of_them_ends() {
    let mut room = room(64);
    let lanes: Vec<String> = (0..10).map(|number| format!("shares-{number}")).collect();
    for key in &lanes {
        assert!(room.reserve_new(key, payload(7, 600)));
    }
    assert_eq!((room.deliveries(), room.bytes), (10, 600));
    assert!(!room.reserve_new(&lane("other"), payload(8, 500)), "400 are left");
    for (ended, key) in lanes.iter().enumerate() {
        assert_eq!(room.bytes, 600, "{ended}");
        room.release(key, payload(7, 600), true);
    }
    assert_eq!((room.deliveries(), room.bytes), (0, 0));
    assert!(room.payloads.is_empty());
}

#[test]
fn a_lane_with_a_backlog_takes_nothing_new_until_it_is_claimed() {
    let mut room = room(64);
    room.set_backlog(&lane("a"), true);
    assert!(!room.reserve_new(&lane("a"), payload(0, 1)), "new deliveries queue behind those in the store");
    assert_eq!(room.take_wanting(10), [(lane("a"), 16)]);
    assert_eq!(room.take_wanting(10), [], "each is filled once at a time");
    assert!(room.reserve(&lane("a"), payload(0, 1)));
    room.queue(&lane("a"));
    assert_eq!(room.take_wanting(10).len(), 1);
    room.set_backlog(&lane("a"), false);
    assert!(room.reserve_new(&lane("a"), payload(0, 1)));
}

#[test]
fn after_a_failed_round_the_lanes_are_wanted_again() {
    let mut room = room(64);
    room.set_backlog(&lane("a"), true);
    room.set_backlog(&lane("b"), true);
    assert_eq!(room.take_wanting(10).len(), 2);
    room.queue_all();
    assert_eq!(room.take_wanting(10).len(), 2);
}

#[test]
fn released_room_is_free_again_and_idle_lanes_cost_nothing() {
    let mut room = room(64);
    assert!(room.reserve_new(&lane("a"), payload(0, 10)));
    room.release(&lane("a"), payload(0, 10), false);
    assert!(room.deliveries() == 0 && room.lanes.is_empty() && room.bytes == 0);
}

proptest! {
    /// Whatever is reserved and given back, in whatever order: the counts are those of what is held, and within the limits.
    #[test]
    fn counts_are_those_of_what_is_held(steps in proptest::collection::vec((0usize..6, 0i64..12, 0u8..4), 0..300)) {
        let mut room = room(24);
        let mut held: Vec<(String, PayloadSize)> = Vec::new();
        for (lane, event, action) in steps {
            let (key, payload) = (format!("lane-{lane}"), payload(event, usize::try_from(event).unwrap() * 20));
            match action {
                0 if room.reserve_new(&key, payload) => held.push((key, payload)),
                1 if room.reserve(&key, payload) => held.push((key, payload)),
                2 if !held.is_empty() => {
                    let (key, payload) = held.swap_remove(lane % held.len());
                    room.release(&key, payload, event % 2 == 0);
                }
                3 => room.throttle(&key),
                _ => {}
            }
            let events: std::collections::BTreeMap<i64, usize> = held.iter().map(|(_, held)| (held.event, held.bytes)).collect();
            prop_assert_eq!((room.deliveries(), room.bytes), (held.len(), events.values().sum::<usize>()));
            prop_assert!(room.deliveries() <= 24);
        }
    }
}
