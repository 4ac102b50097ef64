//! Who goes next: lanes, served in turn.
//!
//! Pure bookkeeping over lanes. A lane has jobs that wait and a cap on jobs that run; lanes that could start a job stand in a
//! ring and are served one job at a time, so an endpoint with a thousand waiting deliveries and one with a single delivery get
//! equal turns. A lane that is empty and idle is forgotten: endpoints that do nothing cost nothing.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Jobs of type `J` in lanes named by `K`.
#[derive(Debug)]
pub struct Scheduler<K, J> {
    lanes: HashMap<K, Lane<J>>,
    /// Lanes that may start a job, each once.
    ring: VecDeque<K>,
    running: usize,
    running_max: usize,
    accepts: bool,
}

#[derive(Debug)]
struct Lane<J> {
    waiting: VecDeque<J>,
    running: u32,
    running_max: u32,
    in_ring: bool,
}

/// What a lane may run before its own cap is known.
const UNKNOWN_LANE_RUNNING_MAX: u32 = 1;

impl<K: Clone + Eq + Hash, J> Scheduler<K, J> {
    /// At most `running_max` jobs run at once over all lanes.
    pub fn new(running_max: usize) -> Self {
        Self { lanes: HashMap::new(), ring: VecDeque::new(), running: 0, running_max, accepts: true }
    }

    /// Adds a job to the end of its lane.
    pub fn admit(&mut self, key: &K, job: J) {
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            running: 0,
            running_max: UNKNOWN_LANE_RUNNING_MAX,
            in_ring: false,
        });
        lane.waiting.push_back(job);
        self.join_ring(key);
    }

    /// Sets how many jobs a lane may run, once its contract is known.
    pub fn limit_lane(&mut self, key: &K, running_max: u32) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if lane.running_max != running_max {
            lane.running_max = running_max.max(1);
            self.join_ring(key);
        }
    }

    /// Starts the next job: the first of the lane whose turn it is.
    pub fn start(&mut self) -> Option<(K, J)> {
        if !self.accepts || self.running >= self.running_max {
            return None;
        }
        while let Some(key) = self.ring.pop_front() {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.in_ring = false;
            if lane.running >= lane.running_max {
                continue; // its cap was lowered while it stood in the ring
            }
            let Some(job) = lane.waiting.pop_front() else { continue };
            lane.running += 1;
            self.running += 1;
            self.join_ring(&key);
            return Some((key, job));
        }
        None
    }

    /// A job of this lane has ended.
    pub fn finish(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        lane.running = lane.running.saturating_sub(1);
        self.running = self.running.saturating_sub(1);
        if lane.running == 0 && lane.waiting.is_empty() {
            self.lanes.remove(key);
        } else {
            self.join_ring(key);
        }
    }

    /// Starts nothing more.
    pub fn close(&mut self) {
        self.accepts = false;
    }

    /// Jobs running.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Lanes with jobs.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn join_ring(&mut self, key: &K) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if !lane.in_ring && lane.running < lane.running_max && !lane.waiting.is_empty() {
            lane.in_ring = true;
            self.ring.push_back(key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(scheduler: &mut Scheduler<&'static str, u32>) -> Vec<(&'static str, u32)> {
        std::iter::from_fn(|| scheduler.start()).collect()
    }

    #[test]
    fn lanes_take_turns_whatever_their_length() {
        let mut scheduler = Scheduler::new(6);
        for job in 0..1_000 {
            scheduler.admit(&"busy", job);
        }
        scheduler.admit(&"quiet", 0);
        scheduler.limit_lane(&"busy", 32);
        let started = drain(&mut scheduler);
        assert_eq!(started[..2], [("busy", 0), ("quiet", 0)]);
        assert_eq!(started.len(), 6, "the cap in all");
    }

    #[test]
    fn one_slow_lane_takes_its_own_cap_and_no_more() {
        let mut scheduler = Scheduler::new(100);
        for job in 0..1_000 {
            scheduler.admit(&"slow", job);
        }
        scheduler.limit_lane(&"slow", 4);
        assert_eq!(drain(&mut scheduler).len(), 4);
        scheduler.admit(&"healthy", 7);
        assert_eq!(drain(&mut scheduler), [("healthy", 7)]);
    }

    #[test]
    fn a_lane_of_unknown_cap_starts_one() {
        let mut scheduler = Scheduler::new(100);
        (0..10).for_each(|job| scheduler.admit(&"new", job));
        assert_eq!(drain(&mut scheduler).len(), 1);
        scheduler.limit_lane(&"new", 3);
        assert_eq!(drain(&mut scheduler), [("new", 1), ("new", 2)]);
    }

    #[test]
    fn a_closed_scheduler_starts_nothing() {
        let mut scheduler = Scheduler::new(100);
        scheduler.admit(&"a", 1);
        scheduler.close();
        assert_eq!(scheduler.start(), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Admit(u8),
        Limit(u8, u32),
        Start,
        Finish(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..5).prop_map(Step::Admit),
            (0u8..5, 0u32..4).prop_map(|(lane, cap)| Step::Limit(lane, cap)),
            Just(Step::Start),
            any::<usize>().prop_map(Step::Finish),
        ]
    }

    proptest! {
        /// Whatever happens: no job is lost or started twice, caps hold, and what can run is never left standing.
        #[test]
        fn every_job_runs_once_and_in_lane_order(steps in proptest::collection::vec(step(), 0..300), cap in 1usize..6) {
            let mut scheduler = Scheduler::new(cap);
            let mut admitted = 0u32;
            let mut running: Vec<u8> = Vec::new();
            let mut started: Vec<(u8, u32)> = Vec::new();
            for step in steps {
                match step {
                    Step::Admit(lane) => {
                        scheduler.admit(&lane, admitted);
                        admitted += 1;
                    }
                    Step::Limit(lane, cap) => scheduler.limit_lane(&lane, cap),
                    Step::Start => {
                        if let Some((lane, job)) = scheduler.start() {
                            running.push(lane);
                            started.push((lane, job));
                        }
                    }
                    Step::Finish(index) if !running.is_empty() => {
                        let lane = running.swap_remove(index % running.len());
                        scheduler.finish(&lane);
                    }
                    Step::Finish(_) => {}
                }
                prop_assert!(scheduler.running() == running.len() && running.len() <= cap);
            }
            loop {
                while let Some((lane, job)) = scheduler.start() {
                    running.push(lane);
                    started.push((lane, job));
                }
                let Some(lane) = running.pop() else { break };
                scheduler.finish(&lane);
            }
            let mut jobs: Vec<u32> = started.iter().map(|(_, job)| *job).collect();
            jobs.sort_unstable();
            prop_assert_eq!(jobs, (0..admitted).collect::<Vec<_>>());
            for lane in 0..5 {
                prop_assert!(started.iter().filter(|(of, _)| *of == lane).map(|(_, job)| job).is_sorted());
            }
            prop_assert!(scheduler.lanes() == 0 && scheduler.ring.iter().all(|key| !scheduler.lanes.contains_key(key)));
        }
    }
}
