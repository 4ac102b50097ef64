use bellwire_domain::pace::{SILENT_MAX, WINDOW_SCARCE};
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

fn limits(in_flight_max: u32) -> LaneLimits {
    LaneLimits { in_flight_max, rate_limit: None }
}

fn drain(scheduler: &mut Scheduler<&'static str, u32>, now: Timestamp) -> Vec<(&'static str, u32)> {
    std::iter::from_fn(|| scheduler.start(now)).collect()
}

fn filled(running_max: usize, lanes: &[&'static str], deliveries: u32) -> Scheduler<&'static str, u32> {
    limited(running_max, lanes, deliveries, 32)
}

fn limited(running_max: usize, lanes: &[&'static str], deliveries: u32, cap: u32) -> Scheduler<&'static str, u32> {
    let mut scheduler = Scheduler::new(running_max);
    for lane in lanes {
        (0..deliveries).for_each(|delivery| scheduler.admit(lane, delivery, NOW));
        scheduler.limit_lane(lane, limits(cap), NOW);
    }
    scheduler
}

/// Lets an endpoint fall silent: its attempts end without an answer until it is only probed.
fn silence(scheduler: &mut Scheduler<&'static str, u32>, lane: &'static str) {
    let mut now = NOW;
    let mut running = 0;
    for _ in 0..SILENT_MAX {
        running += drain(scheduler, now).len();
        scheduler.finish(&lane, Some(Signal::Silent), now);
        running -= 1;
        now = now.plus(Duration::from_millis(1));
    }
    (0..running).for_each(|_| _ = scheduler.finish(&lane, None, now));
}

#[test]
fn lanes_take_turns_whatever_their_length() {
    let mut scheduler = filled(6, &["busy"], 1_000);
    scheduler.admit(&"quiet", 0, NOW);
    let started = drain(&mut scheduler, NOW);
    assert_eq!(started[..2], [("busy", 0), ("quiet", 0)]);
    assert_eq!(started.len(), 5, "four to an endpoint that has not answered yet, as room is scarce");
}

#[test]
fn the_first_delivery_of_each_lane_is_seen_unless_it_waits_for_company() {
    let mut scheduler = limited(4, &["batched", "busy", "idle"], 2, 1);
    assert_eq!(scheduler.heads().collect::<Vec<_>>(), [&0; 3]);
    let started = drain(&mut scheduler, NOW);
    assert_eq!(started.len(), 3);
    assert_eq!(scheduler.heads().collect::<Vec<_>>(), [&1; 3], "what runs waits no longer");
    scheduler.take_next(&"batched", 1, NOW);
    scheduler.gather(&"batched", 0, (0, NOW.plus(Duration::from_secs(5))), NOW);
    assert_eq!(scheduler.heads().count(), 2);
}

#[test]
fn a_lane_gathers_until_another_delivery_comes_or_the_time_has() {
    let until = NOW.plus(Duration::from_secs(5));
    let mut scheduler = limited(4, &["batched"], 1, 1);
    assert_eq!(drain(&mut scheduler, NOW), [("batched", 0)]);
    scheduler.gather(&"batched", 0, (0, until), NOW);
    assert_eq!((drain(&mut scheduler, NOW), scheduler.next_deadline()), (vec![], Some(until)));
    scheduler.admit(&"batched", 1, NOW);
    assert_eq!(drain(&mut scheduler, NOW), [("batched", 0)], "the first one again");
    scheduler.admit(&"batched", 2, NOW);
    scheduler.gather(&"batched", 0, (1, until), NOW);
    assert_eq!(drain(&mut scheduler, NOW), [("batched", 0)], "another came while that was decided");
    scheduler.gather(&"batched", 0, (2, until), NOW);
    assert_eq!((drain(&mut scheduler, NOW), drain(&mut scheduler, until)), (vec![], vec![("batched", 0)]));
    scheduler.admit(&"batched", 3, NOW);
    assert_eq!(scheduler.take_next(&"batched", 2, until), [1, 2]);
    scheduler.give_back(&"batched", vec![2], until);
    scheduler.finish(&"batched", Some(Signal::Answered), until);
    assert_eq!(drain(&mut scheduler, until), [("batched", 2)], "what was given back comes first");
    assert_eq!(scheduler.take_next(&"batched", 7, until), [3]);
}

#[test]
fn a_lane_that_found_no_room_to_send_gives_its_slot_back_and_pauses() {
    let pause = Duration::from_secs(1);
    let mut scheduler = limited(1, &["unresolved"], 2, 1);
    assert_eq!(drain(&mut scheduler, NOW), [("unresolved", 0)]);
    scheduler.put_off(&"unresolved", 0, pause, NOW);
    assert_eq!((drain(&mut scheduler, NOW), scheduler.next_deadline()), (vec![], Some(NOW.plus(pause))), "it does not spin");
    scheduler.admit(&"other", 7, NOW);
    assert_eq!(drain(&mut scheduler, NOW), [("other", 7)], "the slot is another's meanwhile");
    scheduler.finish(&"other", Some(Signal::Answered), NOW);
    assert_eq!(drain(&mut scheduler, NOW.plus(pause)), [("unresolved", 0)], "what was put off is next");
    scheduler.put_off(&"unresolved", 0, pause, NOW.plus(pause));
    scheduler.clock_set_back(NOW.minus(Duration::from_secs(3_600)));
    assert_eq!(
        drain(&mut scheduler, NOW.minus(Duration::from_secs(3_600))),
        [("unresolved", 0)],
        "no clock makes it wait longer"
    );
}

#[test]
fn what_was_not_sent_does_not_count_against_the_rate_limit() {
    let mut scheduler = limited(10, &["a"], 2, 1);
    scheduler.limit_lane(&"a", LaneLimits { in_flight_max: 1, rate_limit: Some("1/h".parse().unwrap()) }, NOW);
    assert_eq!(drain(&mut scheduler, NOW).len(), 1);
    scheduler.put_off(&"a", 0, Duration::from_secs(1), NOW);
    assert_eq!(drain(&mut scheduler, NOW.plus(Duration::from_secs(1))).len(), 1, "an hour sooner than if it had counted");
}

#[test]
fn one_slow_lane_takes_its_own_cap_and_no_more() {
    let mut scheduler = filled(100, &["slow"], 1_000);
    scheduler.limit_lane(&"slow", limits(3), NOW);
    assert_eq!(drain(&mut scheduler, NOW).len(), 3);
    scheduler.admit(&"healthy", 7, NOW);
    assert_eq!(drain(&mut scheduler, NOW), [("healthy", 7)]);
}

#[test]
fn an_account_with_many_slow_endpoints_leaves_slots_for_its_neighbour() {
    let mut scheduler = Scheduler::new(1_024);
    let endpoints: Vec<_> = (0..600_u32).map(|endpoint| ("hostile", endpoint)).collect();
    for lane in &endpoints {
        (0..100).for_each(|delivery| scheduler.admit(lane, delivery, NOW));
        scheduler.limit_lane(lane, limits(32), NOW);
    }
    let slow = std::iter::from_fn(|| scheduler.start(NOW)).count();
    assert_eq!(slow, 768, "three quarters to an account that is alone");
    for delivery in 0..100 {
        scheduler.admit(&("neighbour", delivery), delivery, NOW);
    }
    let started: Vec<_> = std::iter::from_fn(|| scheduler.start(NOW)).collect();
    assert_eq!(started.len(), 100);
    assert!(started.iter().all(|((account, _), _)| *account == "neighbour"));
}

#[test]
fn turns_go_round_accounts_before_endpoints() {
    let mut scheduler = Scheduler::new(100);
    for lane in [("large", 1), ("large", 2), ("large", 3), ("small", 1)] {
        scheduler.admit(&lane, 0, NOW);
        scheduler.admit(&lane, 1, NOW);
    }
    let order: Vec<_> = std::iter::from_fn(|| scheduler.start(NOW)).map(|((account, _), _)| account).collect();
    assert_eq!(order, ["large", "small", "large", "large"]);
}

#[test]
fn the_dead_endpoints_of_one_account_leave_probes_for_another() {
    let mut scheduler = Scheduler::new(64);
    let silent = |lane: (&'static str, u32), scheduler: &mut Scheduler<_, u32>| {
        for delivery in 0..=SILENT_MAX {
            scheduler.admit(&lane, delivery, NOW);
        }
        for _ in 0..SILENT_MAX {
            assert_eq!(scheduler.start(NOW).map(|(key, _)| key), Some(lane));
            scheduler.finish(&lane, Some(Signal::Silent), NOW);
        }
        scheduler.take_waiting(&lane, 0, NOW);
    };
    let dead: Vec<_> = (0..40).map(|endpoint| ("hostile", endpoint)).chain([("neighbour", 0)]).collect();
    for lane in &dead {
        silent(*lane, &mut scheduler);
    }
    let later = NOW.plus(Duration::from_secs(60));
    for lane in &dead {
        scheduler.admit(lane, 0, later);
    }
    let probed: Vec<_> = std::iter::from_fn(|| scheduler.start(later)).map(|(lane, _)| lane).collect();
    assert!(probed.contains(&("neighbour", 0)) && probed.len() <= 16, "{probed:?}");
}

#[test]
fn a_lane_of_unknown_limits_starts_one() {
    let mut scheduler = Scheduler::new(100);
    (0..10).for_each(|delivery| scheduler.admit(&"new", delivery, NOW));
    assert_eq!(drain(&mut scheduler, NOW).len(), 1);
    scheduler.limit_lane(&"new", limits(3), NOW);
    assert_eq!(drain(&mut scheduler, NOW), [("new", 1), ("new", 2)]);
}

#[test]
fn an_endpoint_that_answers_reaches_its_cap_within_a_few_round_trips_also_while_room_is_scarce() {
    let mut scheduler = filled(44, &["quick"], 1_000);
    let mut running = 0;
    let mut trips = 0;
    while running < 32 {
        running += drain(&mut scheduler, NOW).len();
        for _ in 0..running {
            scheduler.finish(&"quick", Some(Signal::Answered), NOW);
        }
        running = drain(&mut scheduler, NOW).len();
        trips += 1;
    }
    assert!(running == 32 && trips <= 4, "{running} {trips}");
}

#[test]
fn an_endpoint_that_stops_answering_is_probed_one_at_a_time() {
    let mut scheduler = filled(100, &["dead"], 100);
    silence(&mut scheduler, "dead");
    assert_eq!((drain(&mut scheduler, NOW), scheduler.running()), (vec![], 0));
    let deadline = scheduler.next_deadline().unwrap();
    assert_eq!(drain(&mut scheduler, deadline).len(), 1);
    assert!(!scheduler.finish(&"dead", Some(Signal::Answered), deadline));
    assert!(drain(&mut scheduler, deadline).len() >= WINDOW_SCARCE as usize, "one answer opens it again");
}

#[test]
fn any_number_of_dead_endpoints_leaves_three_quarters_of_the_room() {
    const DEAD: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let mut scheduler = filled(16, &DEAD, 0);
    for lane in DEAD {
        (0..10).for_each(|delivery| scheduler.admit(&lane, delivery, NOW));
        scheduler.limit_lane(&lane, limits(32), NOW);
        silence(&mut scheduler, lane);
    }
    let later = NOW.plus(Duration::from_secs(60));
    assert_eq!(drain(&mut scheduler, later).len(), 4);
    (0..100).for_each(|delivery| scheduler.admit(&"healthy", delivery, later));
    scheduler.limit_lane(&"healthy", limits(32), later);
    assert_eq!(drain(&mut scheduler, later).len(), 4);
    scheduler.finish(&"healthy", Some(Signal::Answered), later);
    assert_eq!(drain(&mut scheduler, later).len(), 6, "the one that answers takes an account's share of the rest");
}

#[test]
fn a_rate_limit_holds_also_for_a_lane_that_empties_between_jobs() {
    let mut scheduler = Scheduler::new(100);
    let two_per_second = LaneLimits { in_flight_max: 32, rate_limit: Some("2/s".parse().unwrap()) };
    let mut starts: Vec<Timestamp> = Vec::new();
    for step in 0..400 {
        let now = NOW.plus(Duration::from_millis(step * 10));
        scheduler.admit(&"limited", 0, now);
        while let Some((lane, _)) = scheduler.start(now) {
            scheduler.limit_lane(&lane, two_per_second, now);
            starts.push(now);
            scheduler.finish(&lane, Some(Signal::Answered), now);
        }
    }
    let most = (0..starts.len()).map(|from| starts[from..].iter().take_while(|at| at.since(starts[from]).as_secs() < 1).count());
    assert!(most.max().unwrap() <= 3, "{starts:?}");
    assert!((8..=10).contains(&starts.len()), "four seconds at two a second, and a burst: {}", starts.len());
}

#[test]
fn an_endpoint_that_asks_for_a_pause_gets_it_and_holds_nobody_else() {
    let mut scheduler = limited(100, &["asks", "other"], 10, 4);
    assert_eq!(drain(&mut scheduler, NOW).len(), 8);
    let pause = Duration::from_secs(20);
    scheduler.finish(&"asks", Some(Signal::SlowDown { pause: Some(pause) }), NOW);
    for _ in 0..3 {
        scheduler.finish(&"asks", None, NOW);
    }
    scheduler.finish(&"other", None, NOW);
    assert_eq!(drain(&mut scheduler, NOW), [("other", 4)]);
    assert_eq!(scheduler.next_deadline(), Some(NOW.plus(pause)));
    assert_eq!(drain(&mut scheduler, NOW.plus(pause)).first(), Some(&("asks", 4)));
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_longer() {
    let mut scheduler = limited(100, &["asks"], 10, 4);
    drain(&mut scheduler, NOW);
    scheduler.finish(&"asks", Some(Signal::SlowDown { pause: Some(Duration::from_secs(20)) }), NOW);
    for _ in 0..3 {
        scheduler.finish(&"asks", None, NOW);
    }
    let earlier = NOW.minus(Duration::from_secs(900));
    assert_eq!(drain(&mut scheduler, earlier), []);
    scheduler.clock_set_back(earlier);
    assert_eq!(drain(&mut scheduler, earlier).len(), 2, "half of four");
}

#[test]
fn endpoints_that_do_nothing_cost_nothing() {
    let mut scheduler = filled(100, &["dead"], 20);
    silence(&mut scheduler, "dead");
    scheduler.take_waiting(&"dead", 0, NOW);
    drain(&mut scheduler, NOW.plus(Duration::from_secs(5)));
    assert_eq!(scheduler.lanes(), 1, "remembered for a while");
    drain(&mut scheduler, NOW.plus(REMEMBERED + Duration::from_secs(10)));
    assert_eq!(scheduler.lanes(), 0);
}

#[test]
fn a_closed_scheduler_starts_nothing() {
    let mut scheduler = filled(100, &["a"], 1);
    scheduler.close();
    assert_eq!((scheduler.start(NOW), scheduler.next_deadline()), (None, None));
}

#[derive(Debug, Clone)]
enum Step {
    Admit(u8),
    Limit(u8, u32, bool),
    Start,
    Finish(usize, u8),
    Wait(u64),
    Take(u8),
    Gather(usize, u64),
    Batch(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u8..5).prop_map(Step::Admit),
        1 => (0u8..5, 0u32..8, any::<bool>()).prop_map(|(lane, cap, limited)| Step::Limit(lane, cap, limited)),
        3 => Just(Step::Start),
        3 => (any::<usize>(), 0u8..4).prop_map(|(index, signal)| Step::Finish(index, signal)),
        1 => (0u64..3_000).prop_map(Step::Wait),
        1 => (0u8..5).prop_map(Step::Take),
        1 => (0usize..4, 0u64..3_000).prop_map(|(seen, millis)| Step::Gather(seen, millis)),
        1 => (0usize..4, 0usize..4).prop_map(|(most, left)| Step::Batch(most, left)),
    ]
}

fn signal(number: u8) -> Option<Signal> {
    match number {
        0 => Some(Signal::Answered),
        1 => Some(Signal::Silent),
        2 => Some(Signal::SlowDown { pause: None }),
        _ => None,
    }
}

proptest! {
    /// Whatever happens: no delivery is lost or started twice, caps hold, and what can run is never left standing.
    #[test]
    fn every_job_runs_once_and_in_lane_order(steps in proptest::collection::vec(step(), 0..300), cap in 1usize..6) {
        let mut scheduler = Scheduler::new(cap);
        let (mut admitted, mut now) = (0u32, NOW);
        let mut running: Vec<u8> = Vec::new();
        let mut started: Vec<(u8, u32)> = Vec::new();
        let mut taken: Vec<u32> = Vec::new();
        for step in steps {
            match step {
                Step::Admit(lane) => {
                    scheduler.admit(&lane, admitted, now);
                    admitted += 1;
                }
                Step::Limit(lane, in_flight_max, limited) => {
                    let rate_limit = limited.then(|| "3/s".parse().unwrap());
                    scheduler.limit_lane(&lane, LaneLimits { in_flight_max, rate_limit }, now);
                }
                Step::Start => {
                    if let Some((lane, delivery)) = scheduler.start(now) {
                        running.push(lane);
                        started.push((lane, delivery));
                    }
                }
                Step::Finish(index, number) if !running.is_empty() => {
                    let lane = running.swap_remove(index % running.len());
                    scheduler.finish(&lane, signal(number), now);
                }
                Step::Finish(..) => {}
                Step::Wait(millis) => now = now.plus(Duration::from_millis(millis)),
                Step::Gather(seen, millis) => {
                    if let Some((lane, delivery)) = scheduler.start(now) {
                        scheduler.gather(&lane, delivery, (seen, now.plus(Duration::from_millis(millis))), now);
                    }
                }
                Step::Batch(most, left) => {
                    if let Some((lane, delivery)) = scheduler.start(now) {
                        running.push(lane);
                        started.push((lane, delivery));
                        let mut others = scheduler.take_next(&lane, most, now);
                        scheduler.give_back(&lane, others.split_off(left.min(others.len())), now);
                        started.extend(others.into_iter().map(|delivery| (lane, delivery)));
                    }
                }
                Step::Take(lane) => taken.extend(scheduler.take_waiting(&lane, 1, now)),
            }
            prop_assert!(scheduler.running() == running.len() && running.len() <= cap);
            let probing: u32 = scheduler.lanes.values().filter(|lane| lane.pace.is_probing()).map(|lane| lane.running).sum();
            prop_assert_eq!(scheduler.probing, probing as usize);
            prop_assert_eq!(scheduler.accounts.values().map(|account| account.all).sum::<usize>(), running.len());
            prop_assert_eq!(scheduler.accounts.values().map(|account| account.probes).sum::<usize>(), probing as usize);
        }
        loop {
            while let Some((lane, delivery)) = scheduler.start(now) {
                running.push(lane);
                started.push((lane, delivery));
            }
            if let Some(lane) = running.pop() {
                scheduler.finish(&lane, Some(Signal::Answered), now);
            } else if let Some(deadline) = scheduler.next_deadline() {
                prop_assert!(deadline > now, "a lane is held although its instant has come");
                now = deadline;
            } else {
                break;
            }
        }
        let mut deliveries: Vec<u32> = started.iter().map(|(_, delivery)| *delivery).chain(taken).collect();
        deliveries.sort_unstable();
        prop_assert_eq!(deliveries, (0..admitted).collect::<Vec<_>>());
        for lane in 0..5 {
            prop_assert!(started.iter().filter(|(of, _)| *of == lane).map(|(_, delivery)| delivery).is_sorted());
        }
        prop_assert!(scheduler.lanes() == 0 && scheduler.turns.is_empty() && scheduler.probe_turns.is_empty());
    }
}
