//! Incidents: failures of one endpoint for one cause, told as one thing.
//!
//! A cause is an outcome with its status. The first failure for a cause opens an incident, later ones are counted in it, and the
//! endpoint's next success resolves all of them. A cause that comes back soon opens the same incident again: an endpoint that
//! fails every other time has one incident, not thousands.

use std::time::Duration;

use crate::{DeliveryId, Timestamp};

crate::words! {
    /// Where an incident stands.
    pub enum IncidentState {
        /// Nobody has seen to it.
        Open = "open",
        /// Somebody has said that they know.
        Acknowledged = "acknowledged",
        /// The endpoint has succeeded since, or somebody said that it is over.
        Resolved = "resolved",
    }
}

/// A cause that returns within this time of its incident's end opens that incident again.
pub const REOPENED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Unresolved incidents that an endpoint can have. Further causes are counted in the latest: a receiver that answers something
/// else each time is one trouble.
pub const UNRESOLVED_MAX: usize = 16;

/// Why attempts failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cause {
    /// What happened, in one word.
    pub outcome: String,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
}

/// The word of an incident that is no failure: an endpoint's lease is about to end.
pub const LEASE_ENDING: &str = "lease_ending";

impl Cause {
    /// A lease that is about to end.
    pub fn lease_ending() -> Self {
        Self { outcome: LEASE_ENDING.to_owned(), status: None }
    }

    /// Whether a success ends it. A lease is renewed by people.
    fn ends_with_success(&self) -> bool {
        self.outcome != LEASE_ENDING
    }
}

/// Failures for one cause, without a success in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The cause.
    pub cause: Cause,
    /// When the first ended.
    pub first_at: Timestamp,
    /// When the last ended.
    pub last_at: Timestamp,
    /// How many.
    pub count: i64,
    /// The delivery of the last.
    pub delivery: DeliveryId,
}

/// What changes of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// All of its failures.
    pub failures: Failures,
    /// When somebody acknowledged it.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
}

impl Course {
    /// Where it stands.
    pub const fn state(&self) -> IncidentState {
        match (self.resolved_at, self.acknowledged_at) {
            (Some(_), _) => IncidentState::Resolved,
            (None, Some(_)) => IncidentState::Acknowledged,
            (None, None) => IncidentState::Open,
        }
    }

    fn takes(&self, cause: &Cause, at: Timestamp) -> bool {
        &self.failures.cause == cause && self.resolved_at.is_none_or(|end| at.since(end) <= REOPENED_WITHIN)
    }

    fn add(&mut self, more: &Failures) {
        self.failures.last_at = self.failures.last_at.max(more.last_at);
        self.failures.count += more.count;
        self.failures.delivery = more.delivery;
        if self.resolved_at.take().is_some() {
            self.acknowledged_at = None; // what was known was the time before
        }
    }
}

/// What an endpoint's attempts came to, in their order, as far as incidents are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// Failures before the latest success, then those since.
    before: Vec<Failures>,
    success_at: Option<Timestamp>,
    since: Vec<Failures>,
}

impl Run {
    /// Notes a success.
    pub fn succeed(&mut self, at: Timestamp) {
        self.success_at = Some(at);
        for failures in std::mem::take(&mut self.since) {
            note(&mut self.before, failures);
        }
    }

    /// Notes a failure.
    pub fn fail(&mut self, cause: Cause, at: Timestamp, delivery: DeliveryId) {
        note(&mut self.since, Failures { cause, first_at: at, last_at: at, count: 1, delivery });
    }

    /// Whether any attempt failed.
    pub const fn has_failures(&self) -> bool {
        !self.before.is_empty() || !self.since.is_empty()
    }

    /// What becomes of an endpoint's incidents: those that it has unresolved, or had until lately, change in place, and new ones
    /// come behind them.
    pub fn settle(&self, incidents: &mut Vec<Course>) {
        self.before.iter().for_each(|failures| settle_one(incidents, failures));
        if let Some(at) = self.success_at {
            let is_over = |incident: &&mut Course| incident.resolved_at.is_none() && incident.failures.cause.ends_with_success();
            for incident in incidents.iter_mut().filter(is_over) {
                incident.resolved_at = Some(at.max(incident.failures.last_at));
            }
        }
        self.since.iter().for_each(|failures| settle_one(incidents, failures));
    }
}

fn note(list: &mut Vec<Failures>, more: Failures) {
    match list.iter_mut().find(|failures| failures.cause == more.cause) {
        Some(failures) => {
            failures.last_at = failures.last_at.max(more.last_at);
            failures.count += more.count;
            failures.delivery = more.delivery;
        }
        None => list.push(more),
    }
}

fn settle_one(incidents: &mut Vec<Course>, failures: &Failures) {
    let is_unresolved = |incident: &Course| incident.resolved_at.is_none() && incident.failures.cause.ends_with_success();
    let unresolved = incidents.iter().filter(|incident| is_unresolved(incident)).count();
    let is_full = unresolved >= UNRESOLVED_MAX;
    let is_same =
        |incident: &Course| incident.takes(&failures.cause, failures.first_at) && !(is_full && incident.resolved_at.is_some());
    let same = incidents.iter().position(is_same);
    let latest = || incidents.iter().rposition(is_unresolved);
    let found = same.or_else(|| if is_full { latest() } else { None });
    match found.and_then(|index| incidents.get_mut(index)) {
        Some(incident) => incident.add(failures),
        None => incidents.push(Course { failures: failures.clone(), acknowledged_at: None, resolved_at: None }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cause(status: u16) -> Cause {
        Cause { outcome: "response".to_owned(), status: Some(status) }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn run(steps: &[(i64, Option<u16>)]) -> Run {
        let mut run = Run::default();
        for (second, status) in steps {
            match status {
                None => run.succeed(at(*second)),
                Some(status) => run.fail(cause(*status), at(*second), DeliveryId::default()),
            }
        }
        run
    }

    fn states(incidents: &[Course]) -> Vec<(Option<u16>, i64, IncidentState)> {
        incidents.iter().map(|found| (found.failures.cause.status, found.failures.count, found.state())).collect()
    }

    #[test]
    fn a_failure_opens_an_incident_and_the_next_success_resolves_it() {
        let mut incidents = Vec::new();
        run(&[(1, Some(503)), (2, Some(503)), (3, Some(500))]).settle(&mut incidents);
        let expected = vec![(Some(503), 2, IncidentState::Open), (Some(500), 1, IncidentState::Open)];
        assert_eq!(states(&incidents), expected);
        run(&[(4, None)]).settle(&mut incidents);
        assert!(incidents.iter().all(|incident| incident.resolved_at == Some(at(4))));
    }

    #[test]
    fn what_fails_after_a_success_of_the_same_group_stays_open() {
        let mut incidents = Vec::new();
        run(&[(1, Some(503)), (2, None), (3, Some(500))]).settle(&mut incidents);
        let expected = vec![(Some(503), 1, IncidentState::Resolved), (Some(500), 1, IncidentState::Open)];
        assert_eq!(states(&incidents), expected);
    }

    #[test]
    fn a_cause_that_comes_back_soon_opens_its_incident_again_and_later_a_new_one() {
        let mut incidents = Vec::new();
        run(&[(1, Some(503)), (2, None)]).settle(&mut incidents);
        incidents[0].acknowledged_at = Some(at(2));
        run(&[(30, Some(503))]).settle(&mut incidents);
        assert_eq!(states(&incidents), vec![(Some(503), 2, IncidentState::Open)]);
        run(&[(40, None), (7_200, Some(503))]).settle(&mut incidents);
        assert_eq!(incidents.len(), 2);
    }

    #[test]
    fn an_acknowledged_incident_stays_so_while_failures_go_on() {
        let mut incidents = Vec::new();
        run(&[(1, Some(503))]).settle(&mut incidents);
        incidents[0].acknowledged_at = Some(at(2));
        run(&[(3, Some(503))]).settle(&mut incidents);
        assert_eq!(states(&incidents), vec![(Some(503), 2, IncidentState::Acknowledged)]);
    }

    proptest! {
        #[test]
        fn no_receiver_has_more_than_so_many_unresolved_and_no_failure_is_left_out(
            groups in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.95, 300u16..999), 1..20), 1..20),
        ) {
            let (mut incidents, mut second, mut failed) = (Vec::new(), 0, 0);
            for group in groups {
                let steps: Vec<_> = group.into_iter().map(|status| { second += 1; (second, status) }).collect();
                failed += i64::try_from(steps.iter().filter(|(_, status)| status.is_some()).count()).unwrap();
                run(&steps).settle(&mut incidents);
                let unresolved = incidents.iter().filter(|incident| incident.resolved_at.is_none()).count();
                prop_assert!(unresolved <= UNRESOLVED_MAX);
                prop_assert_eq!(incidents.iter().map(|incident| incident.failures.count).sum::<i64>(), failed);
            }
        }
    }
}
