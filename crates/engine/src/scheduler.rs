//! Who goes next: lanes, served in turn.
//!
//! Pure bookkeeping over lanes, with the time passed in. A lane has its waiting deliveries, its limits, and the pace at which its
//! endpoint answers. Lanes that could start one take turns, account by account and then endpoint by endpoint, so an account with
//! a thousand endpoints and one with a single endpoint get equal turns. An account may run so many times what is free, and no
//! more: however many slow endpoints it has, a neighbour that was idle starts at once. A lane that has to pause, for its rate
//! limit, because its endpoint asked for it, or because there was no room to send, is held until an instant. Lanes whose endpoint has stopped answering take turns
//! of their own and share a quarter of all room, so that any number of dead endpoints leaves the rest to the others. A lane that
//! is empty and idle, and whose past does not matter any more, is forgotten: endpoints that do nothing cost nothing.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bellwire_domain::{LaneName, Pace, RateLimit, Signal, Timestamp, Turns, account_max};
use foldhash::HashMap;

/// Deliveries of type `D` in lanes named by `K`.
#[derive(Debug)]
pub struct Scheduler<K: LaneName, D> {
    lanes: HashMap<K, Lane<D>>,
    /// What runs of each account.
    accounts: HashMap<K::Account, Running>,
    /// Lanes that may start a delivery, each once.
    turns: Turns<K::Account, K>,
    /// Such lanes whose endpoint has stopped answering.
    probe_turns: Turns<K::Account, K>,
    /// Lanes that may not start a delivery before an instant, or are to be forgotten then.
    held: BTreeSet<(Timestamp, K)>,
    running: usize,
    running_max: usize,
    probing: usize,
    probe_is_next: bool,
    accepts: bool,
}

/// What one lane may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    /// Deliveries running at once.
    pub in_flight_max: u32,
    /// Deliveries started in a span of time.
    pub rate_limit: Option<RateLimit>,
}

/// What a lane may do before its own limits are known.
const UNKNOWN_LANE: LaneLimits = LaneLimits { in_flight_max: 1, rate_limit: None };
/// How long an empty lane is remembered whose endpoint has stopped answering.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Nowhere,
    Waiting,
    Held(Timestamp),
}

/// Deliveries of an account that run: in all, and those to endpoints that have stopped answering.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Running {
    all: usize,
    probes: usize,
}

#[derive(Debug)]
struct Lane<D> {
    waiting: VecDeque<D>,
    running: u32,
    limits: LaneLimits,
    pace: Pace,
    rate_next: Option<Timestamp>,
    /// Nothing is started before.
    paused_until: Option<Timestamp>,
    /// Likewise, but no longer than until another delivery comes.
    gathers: Option<Timestamp>,
    standing: Standing,
}

impl<D> Lane<D> {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            running: 0,
            limits: UNKNOWN_LANE,
            pace: Pace::default(),
            rate_next: None,
            paused_until: None,
            gathers: None,
            standing: Standing::Nowhere,
        }
    }

    fn has_room(&self, scarce: bool) -> bool {
        self.running < self.pace.window(self.limits.in_flight_max, scarce)
    }

    fn opens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let rate = self.limits.rate_limit.and_then(|limit| limit.opens_at(self.rate_next, now));
        let paused = self.paused_until.filter(|until| *until > now);
        let gathers = self.gathers.filter(|until| *until > now);
        self.pace.opens_at(now).max(rate).max(paused).max(gathers)
    }

    /// Until when an empty lane is worth remembering.
    fn remembered_until(&self, now: Timestamp) -> Option<Timestamp> {
        let probing = self.pace.is_probing().then(|| now.plus(REMEMBERED));
        let rate = self.rate_next.filter(|next| self.limits.rate_limit.is_some() && *next > now);
        probing.max(rate).max(self.pace.opens_at(now))
    }
}

impl<K: LaneName, D> Scheduler<K, D> {
    /// At most `running_max` deliveries run at once over all lanes.
    pub fn new(running_max: usize) -> Self {
        Self {
            lanes: HashMap::default(),
            accounts: HashMap::default(),
            turns: Turns::default(),
            probe_turns: Turns::default(),
            held: BTreeSet::new(),
            running: 0,
            running_max,
            probing: 0,
            probe_is_next: false,
            accepts: true,
        }
    }

    /// Adds a delivery to the end of its lane.
    pub fn admit(&mut self, key: &K, delivery: D, now: Timestamp) {
        let lane = self.lanes.entry(key.clone()).or_insert_with(Lane::new);
        lane.waiting.push_back(delivery);
        lane.gathers = None;
        self.place(key, now);
    }

    /// Sets what a lane may do, once its contract is known. Whether that changed anything.
    pub fn limit_lane(&mut self, key: &K, limits: LaneLimits, now: Timestamp) -> bool {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.limits != limits) else { return false };
        if lane.rate_next.is_none() && lane.running > 0 {
            lane.rate_next = limits.rate_limit.map(|limit| limit.after_start(None, now)); // what runs has started already
        }
        lane.limits = limits;
        self.place(key, now);
        true
    }

    /// Starts the next delivery: the first of the lane whose turn it is.
    pub fn start(&mut self, now: Timestamp) -> Option<(K, D)> {
        if !self.accepts || self.running >= self.running_max {
            return None;
        }
        self.release_held(now);
        self.probe_is_next = !self.probe_is_next;
        let order = if self.probe_is_next { [true, false] } else { [false, true] };
        order.into_iter().find_map(|probes| self.start_from(probes, now))
    }

    fn start_from(&mut self, probes: bool, now: Timestamp) -> Option<(K, D)> {
        let scarce = self.is_scarce();
        while let Some(key) = self.next_turn(probes) {
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.standing = Standing::Nowhere;
            let in_place = lane.pace.is_probing() == probes && lane.has_room(scarce) && lane.opens_at(now).is_none();
            let delivery = if in_place { lane.waiting.pop_front() } else { None };
            if delivery.is_some() {
                lane.running += 1;
                lane.rate_next = lane.limits.rate_limit.map(|limit| limit.after_start(lane.rate_next, now));
                self.running += 1;
                self.probing += usize::from(probes);
                let account = self.accounts.entry(key.account().clone()).or_default();
                account.all += 1;
                account.probes += usize::from(probes);
            }
            self.place(&key, now);
            if let Some(delivery) = delivery {
                return Some((key, delivery));
            }
        }
        None
    }

    /// The lane whose turn it is, of an account that may run another.
    fn next_turn(&mut self, probes: bool) -> Option<K> {
        let accounts = &self.accounts;
        let running = |account: &K::Account| accounts.get(account).copied().unwrap_or_default();
        if probes {
            let free = (self.running_max / 4).max(1).saturating_sub(self.probing);
            return if free == 0 { None } else { self.probe_turns.pop(|account, _| running(account).probes < account_max(free)) };
        }
        let free = self.running_max.saturating_sub(self.running);
        self.turns.pop(|account, _| running(account).all < account_max(free))
    }

    /// An attempt in this lane has ended; `signal` is what it told about the endpoint. Whether the endpoint has just stopped
    /// answering.
    pub fn finish(&mut self, key: &K, signal: Option<Signal>, now: Timestamp) -> bool {
        let Some(lane) = self.lanes.get_mut(key) else { return false };
        let was_probing = lane.pace.is_probing();
        lane.running = lane.running.saturating_sub(1);
        lane.pace = signal.map_or(lane.pace, |signal| lane.pace.observe(signal, lane.limits.in_flight_max, now));
        let is_probing = lane.pace.is_probing();
        let running = usize::try_from(lane.running).unwrap_or(usize::MAX);
        self.running = self.running.saturating_sub(1);
        let probes = |before: usize| match (was_probing, is_probing) {
            (false, false) => before,
            (true, true) => before.saturating_sub(1),
            (false, true) => before + running,
            (true, false) => before.saturating_sub(running + 1),
        };
        self.probing = probes(self.probing);
        if let Some(account) = self.accounts.get_mut(key.account()) {
            account.all = account.all.saturating_sub(1);
            account.probes = probes(account.probes);
            if account.all == 0 {
                self.accounts.remove(key.account());
            }
        }
        self.place(key, now);
        is_probing && !was_probing
    }

    /// What was started could not be attempted, for want of something that has nothing to do with its endpoint: it is its lane's next
    /// again, as if it had not been started, and the lane pauses.
    pub fn put_off(&mut self, key: &K, delivery: D, pause: Duration, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.waiting.push_front(delivery);
            lane.rate_next = lane.rate_next.zip(lane.limits.rate_limit).map(|(next, limit)| limit.without_start(next));
            lane.paused_until = Some(now.plus(pause));
        }
        self.finish(key, None, now);
    }

    /// What was started is to share a request with deliveries that are not there yet: it is its lane's next again, as if it had not been
    /// started, and the lane waits for another or until an instant. `seen` is how many waited when that was decided: if there are more
    /// by now, it is decided again.
    pub fn gather(&mut self, key: &K, delivery: D, (seen, until): (usize, Timestamp), now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.gathers = (lane.waiting.len() == seen).then_some(until);
        }
        self.put_off(key, delivery, Duration::ZERO, now);
    }

    /// The deliveries that wait in a lane.
    pub fn waiting(&self, key: &K) -> impl Iterator<Item = &D> {
        self.lanes.get(key).into_iter().flat_map(|lane| &lane.waiting)
    }

    /// The first delivery of each lane that could start it, were there room and had the lane not to pause: of those that wait for others
    /// to share a request, none.
    pub fn heads(&self) -> impl Iterator<Item = &D> {
        self.lanes.values().filter(|lane| lane.gathers.is_none()).filter_map(|lane| lane.waiting.front())
    }

    /// Takes the first `most` deliveries that wait in a lane, which run with the one that was started.
    pub fn take_next(&mut self, key: &K, most: usize, now: Timestamp) -> Vec<D> {
        let Some(lane) = self.lanes.get_mut(key) else { return Vec::new() };
        lane.gathers = None;
        let taken = lane.waiting.drain(..most.min(lane.waiting.len())).collect();
        self.place(key, now);
        taken
    }

    /// Gives back what was taken: it is its lane's next again.
    pub fn give_back(&mut self, key: &K, taken: Vec<D>, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(key) {
            taken.into_iter().rev().for_each(|delivery| lane.waiting.push_front(delivery));
        }
        self.place(key, now);
    }

    /// Takes what waits in a lane, but for the first `keep` deliveries.
    pub fn take_waiting(&mut self, key: &K, keep: usize, now: Timestamp) -> Vec<D> {
        let Some(lane) = self.lanes.get_mut(key) else { return Vec::new() };
        let taken = lane.waiting.split_off(keep.min(lane.waiting.len()));
        self.place(key, now);
        taken.into()
    }

    /// The instant at which [`Scheduler::start`] may find a delivery that it does not find now.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.held.first().filter(|_| self.accepts && self.running < self.running_max).map(|(at, _)| *at)
    }

    /// Starts nothing more.
    pub fn close(&mut self) {
        self.accepts = false;
    }

    /// Whether half of all room is taken.
    fn is_scarce(&self) -> bool {
        self.running * 2 >= self.running_max
    }

    /// Deliveries running.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Lanes with deliveries, and those remembered for another reason.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Lets lanes go whose instant has come: to their turn, or out of memory.
    fn release_held(&mut self, now: Timestamp) {
        while self.held.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.held.pop_first() else { return };
            let Some(lane) = self.lanes.get_mut(&key) else { continue };
            lane.standing = Standing::Nowhere;
            if lane.waiting.is_empty() && lane.running == 0 {
                self.lanes.remove(&key);
            } else {
                self.place(&key, now);
            }
        }
    }

    /// The clock was set back: everything held is looked at anew, as what it waits for may now be far off.
    pub fn clock_set_back(&mut self, now: Timestamp) {
        self.lanes.values_mut().for_each(|lane| (lane.paused_until, lane.gathers) = (None, None));
        for (_, key) in std::mem::take(&mut self.held) {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.standing = Standing::Nowhere;
            }
            self.place(&key, now);
        }
    }

    /// Puts a lane where it now belongs: among those that take turns, among the held, nowhere while it is at its cap, or out of memory.
    fn place(&mut self, key: &K, now: Timestamp) {
        let scarce = self.is_scarce();
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let wanted = if lane.waiting.is_empty() {
            match (lane.running, lane.remembered_until(now)) {
                (0, Some(until)) => Standing::Held(until),
                _ => Standing::Nowhere,
            }
        } else if !lane.has_room(scarce) {
            Standing::Nowhere
        } else {
            lane.opens_at(now).map_or(Standing::Waiting, Standing::Held)
        };
        if lane.standing == Standing::Waiting && wanted != Standing::Waiting {
            return; // found out when its turn comes
        }
        if lane.standing != wanted {
            if let Standing::Held(at) = lane.standing {
                self.held.remove(&(at, key.clone()));
            }
            match wanted {
                Standing::Nowhere => {}
                Standing::Waiting if lane.pace.is_probing() => self.probe_turns.push_back(key.account(), key.clone()),
                Standing::Waiting => self.turns.push_back(key.account(), key.clone()),
                Standing::Held(at) => drop(self.held.insert((at, key.clone()))),
            }
            lane.standing = wanted;
        }
        if wanted == Standing::Nowhere && lane.waiting.is_empty() && lane.running == 0 {
            self.lanes.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
